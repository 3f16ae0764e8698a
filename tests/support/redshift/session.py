"""A client's session: its messages are passed to PostgreSQL, and the responses back to the client.

SQL is translated, COPY and UNLOAD are run here, and statements that Redshift refuses are refused.
The responses are changed to Redshift's form.
"""

import contextlib
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from support.redshift import transfer, wire
from support.redshift.dialect import translate
from support.redshift.refusals import RefusedError
from support.redshift.transfer import TransferError
from support.redshift.wire import ClosedError, Message, Stream

SERVER_VERSION = "8.0.2"
NO_OPERATION = "do $$ begin end $$"
START_PARAMETERS = {"user", "database", "application_name", "client_encoding", "options"}
"""Parameters to pass on. PostgreSQL refuses the others that Redshift's drivers send."""
TEXT, VARCHAR = 25, 1043
"""PostgreSQL's type numbers."""


class BackendError(Exception):
    """Raised for an error of PostgreSQL. `body` is its ErrorResponse."""

    def __init__(self, body: bytes) -> None:
        super().__init__(wire.error_fields(body).get("M", ""))
        self.body = body


class Session:
    """A session, whose `run` lasts until one side closes the connection."""

    def __init__(
        self, connection: socket.socket, backend: Path, s3_settings: dict[str, str]
    ) -> None:
        self._client = Stream(connection)
        self._backend_path = backend
        self._s3_settings = s3_settings
        self._status = b"I"
        self._skipping = False

    def run(self) -> None:
        backend = socket.socket(socket.AF_UNIX)
        try:
            backend.connect(str(self._backend_path))
            self._backend = Stream(backend)
            if self._start():
                self._relay()
        except (ClosedError, OSError):
            pass
        finally:
            self._client.socket.close()
            backend.close()

    def _start(self) -> bool:
        """Pass on the start message. Return whether a session follows, unlike after a cancel."""
        code, body = self._client.receive_start()
        while code in (wire.SSL, wire.GSS):
            self._client.send_bytes(b"N")
            code, body = self._client.receive_start()
        if code == wire.CANCEL:
            self._backend.send_bytes(_start_message(code, body))
            return False
        texts = body.split(b"\0")
        parameters = dict(zip(texts[::2], texts[1::2], strict=False))
        passed_on = b"".join(
            name + b"\0" + value + b"\0"
            for name, value in parameters.items()
            if name.decode() in START_PARAMETERS
        )
        self._backend.send_bytes(_start_message(code, passed_on + b"\0"))
        return True

    def _relay(self) -> None:
        while True:
            readable, _, _ = select.select([self._client, self._backend], [], [])
            if self._backend in readable:
                self._pass_to_client(self._backend.receive())
            elif self._client in readable:
                for kind, body in self._client.receive():
                    self._pass_to_backend(kind, body)

    def _pass_to_client(self, messages: list[Message]) -> None:
        converted = []
        for kind, body in messages:
            if kind == b"Z":
                self._status = body
            converted.append((kind, _as_redshift(kind, body)))
        self._client.send(*converted)

    def _pass_to_backend(self, kind: bytes, body: bytes) -> None:
        if self._skipping:  # after an error, until the client's Sync
            if kind == b"S":
                self._skipping = False
                self._client.send((b"Z", self._status))
        elif kind == b"Q":
            self._query(body[:-1].decode())
        elif kind == b"P":
            name, sql, types = body.split(b"\0", 2)
            self._parse(name, sql.decode(), types)
        elif kind == b"X":
            raise ClosedError
        else:
            self._backend.send((kind, body))

    def _query(self, sql: str) -> None:
        try:
            tag = self._transfer(sql)
            if tag is None:
                self._backend.send((b"Q", wire.encode_text(translate(sql))))
            else:
                self._client.send((b"C", wire.encode_text(tag)), (b"Z", self._status))
        except (RefusedError, TransferError, BackendError) as error:
            self._client.send((b"E", self._fail(error)), (b"Z", self._status))

    def _parse(self, name: bytes, sql: str, types: bytes) -> None:
        try:
            translated = translate(sql) if self._transfer(sql) is None else NO_OPERATION
            self._backend.send((b"P", name + b"\0" + wire.encode_text(translated) + types))
        except (RefusedError, TransferError, BackendError) as error:
            self._client.send((b"E", self._fail(error)))
            self._skipping = True

    def _transfer(self, sql: str) -> str | None:
        """Run a COPY or UNLOAD, and return its command tag. Return None for other statements."""
        command = transfer.parse(sql, self._s3_settings)
        if command is None:
            return None
        rows = transfer.run(command, self)
        return f"{command.kind.upper()} {rows}"

    def _fail(self, error: Exception) -> bytes:
        """Return the ErrorResponse of an error, after aborting PostgreSQL's transaction too."""
        if isinstance(error, BackendError):
            return _as_redshift(b"E", error.body)
        code = "0A000" if isinstance(error, RefusedError) else "XX000"
        message = str(error).replace("'", "''")
        try:
            self.query(
                f"select redshift.refuse(E'{message.replace(chr(92), chr(92) * 2)}', '{code}')"
            )
        except BackendError as raised:
            return raised.body
        raise AssertionError("redshift.refuse raises")

    # Queries of the session itself, while the client waits.

    def query(self, sql: str) -> list[list[str | None]]:
        """Return the rows of a query in PostgreSQL's dialect. Raise BackendError."""
        return [wire.values_of(body) for kind, body in self._run(sql) if kind == b"D"]

    def describe(self, sql: str) -> list[tuple[str, int, int]]:
        """Return name, type and type modifier of the columns of a query. Raise BackendError."""
        messages = self._run(f"select * from ({translate(sql)}) as described limit 0")
        return next(wire.columns_of(body) for kind, body in messages if kind == b"T")

    def copy_in(self, sql: str, chunks: Iterator[bytes]) -> int:
        """Run a PostgreSQL COPY from stdin, and return its rows. Raise BackendError."""
        self._backend.send((b"Q", wire.encode_text(sql)))
        self._until(b"G")
        try:
            for chunk in chunks:
                self._backend.send((b"d", chunk))
        except Exception as error:
            self._backend.send((b"f", wire.encode_text(str(error))))
            with contextlib.suppress(BackendError):
                self._until(b"Z")
            raise
        self._backend.send((b"c", b""))
        tags = [body for kind, body in self._messages() if kind == b"C"]
        return int(tags[0].rstrip(b"\0").split()[-1])  # COPY 12

    def copy_out(self, sql: str) -> Iterator[bytes]:
        """Yield the output of a COPY to stdout whose query is in Redshift's dialect."""
        query = sql.removeprefix("copy (")
        inner, _, options = query.rpartition(") to stdout")
        self._backend.send(
            (b"Q", wire.encode_text(f"copy ({translate(inner)}) to stdout{options}"))
        )
        for kind, body in self._messages():
            if kind == b"d":
                yield body

    def _run(self, sql: str) -> list[Message]:
        self._backend.send((b"Q", wire.encode_text(sql)))
        return list(self._messages())

    def _until(self, expected: bytes) -> None:
        for kind, _ in self._messages():
            if kind == expected:
                return

    def _messages(self) -> Iterator[Message]:
        """Yield the backend's messages until it is ready. Raise BackendError if one is an error."""
        error = None
        while True:
            kind, body = self._backend.receive_one()
            if kind == b"E":
                error = BackendError(body)
            if kind == b"Z":
                self._status = body
                if error:
                    raise error
                yield kind, body
                return
            yield kind, body


def _start_message(code: int, body: bytes) -> bytes:
    return struct.pack("!II", len(body) + 8, code) + body


def _as_redshift(kind: bytes, body: bytes) -> bytes:
    """Return the body of PostgreSQL's message as Redshift would send it."""
    if kind == b"S" and body.startswith(b"server_version\0"):
        return wire.encode_text("server_version") + wire.encode_text(SERVER_VERSION)
    if kind == b"T":
        return _texts_as_varchar(body)
    if kind == b"E":
        fields = wire.error_fields(body)
        if fields.get("n", "").startswith("redshift bytes"):
            length = fields["n"].rsplit(" ", 1)[1]
            message = (
                f"Value too long for character type, varchar({length}) in bytes: {fields.get('D')}"
            )
            return wire.error_body({"S": "ERROR", "C": "22001", "M": message})
    return body


def _texts_as_varchar(body: bytes) -> bytes:
    """Change the type text, which Redshift does not have, to varchar."""
    converted = bytearray(body)
    (count,) = struct.unpack_from("!H", body)
    at = 2
    for _ in range(count):
        end = body.index(b"\0", at)
        if struct.unpack_from("!I", body, end + 7)[0] == TEXT:
            struct.pack_into("!I", converted, end + 7, VARCHAR)
        at = end + 19
    return bytes(converted)
