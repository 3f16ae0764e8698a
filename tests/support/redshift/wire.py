"""Messages of PostgreSQL's protocol, version 3, which Redshift uses too.

www.postgresql.org/docs/current/protocol-message-formats.html
"""

import socket
import struct
from collections.abc import Iterator

Message = tuple[bytes, bytes]
"""A message's type, one byte, and its body without the length."""

CANCEL, SSL, GSS = 80877102, 80877103, 80877104


class ClosedError(Exception):
    """Raised when the other side has closed the connection."""


class Stream:
    """The connection to one side of a session."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._received = bytearray()

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> list[Message]:
        """Wait for bytes, and return the messages that they complete. Raise ClosedError."""
        self._read()
        return list(self._complete())

    def receive_one(self) -> Message:
        """Wait for a message and return it. Raise ClosedError."""
        while True:
            for message in self._complete():
                return message
            self._read()

    def receive_start(self) -> tuple[int, bytes]:
        """Return the code and the body of the first message, which has no type."""
        while len(self._received) < 4 or len(self._received) < self._length(0):
            self._read()
        length = self._length(0)
        (code,) = struct.unpack("!I", self._received[4:8])
        body = bytes(self._received[8:length])
        del self._received[:length]
        return code, body

    def send(self, *messages: Message) -> None:
        self.send_bytes(b"".join(encode(*message) for message in messages))

    def send_bytes(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            raise ClosedError from None

    def _read(self) -> None:
        try:
            data = self.socket.recv(262_144)
        except OSError:
            raise ClosedError from None
        if not data:
            raise ClosedError
        self._received += data

    def _complete(self) -> Iterator[Message]:
        """Yield the messages that have been received completely, and remove them."""
        while len(self._received) >= 5 and len(self._received) >= 1 + self._length(1):
            end = 1 + self._length(1)
            message = bytes(self._received[:1]), bytes(self._received[5:end])
            del self._received[:end]
            yield message

    def _length(self, at: int) -> int:
        length: int = struct.unpack_from("!I", self._received, at)[0]
        return length


def encode(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def encode_text(value: str) -> bytes:
    return value.encode() + b"\0"


def error_fields(body: bytes) -> dict[str, str]:
    """Return the fields of an ErrorResponse by their one-letter codes."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def error_body(fields: dict[str, str]) -> bytes:
    return b"".join(encode_text(code + value) for code, value in fields.items()) + b"\0"


def columns_of(body: bytes) -> list[tuple[str, int, int]]:
    """Return name, type and type modifier of each column in a RowDescription."""
    (count,) = struct.unpack_from("!H", body)
    columns = []
    at = 2
    for _ in range(count):
        end = body.index(b"\0", at)
        _, _, oid, _, modifier, _ = struct.unpack_from("!IhIhih", body, end + 1)
        columns.append((body[at:end].decode(), oid, modifier))
        at = end + 19
    return columns


def values_of(body: bytes) -> list[str | None]:
    """Return the values of a DataRow in text format."""
    (count,) = struct.unpack_from("!H", body)
    values: list[str | None] = []
    at = 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if length < 0 else body[at : at + length].decode())
        at += max(length, 0)
    return values
