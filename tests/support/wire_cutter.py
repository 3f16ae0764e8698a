"""A proxy in front of a database that cuts the connection, or calls a function, after a number of
bytes."""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

BUFFER = 65_536
"""Maximum number of bytes to pass on at a time."""


class WireCutter:
    """Pass bytes on between its own `url` and the server at `url`, a socket or a port.

    After `at` bytes in one direction, `to_server` or `to_client`, it calls `then`, or cuts the
    connection if there is none. With a certificate it accepts TLS, which the embedded server does
    not.
    """

    def __init__(
        self,
        url: str,
        direction: str = "to_server",
        at: int = -1,
        then: Callable[[], None] | None = None,
        certificate: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        (folder,) = parse_qs(parts.query).get("host", [""])
        self._server = (
            str(Path(folder, ".s.PGSQL.5432")) if folder else (parts.hostname, parts.port)
        )
        self._direction, self._at = direction, at
        self._then = then
        self._certificate = certificate
        self.passed = {"to_server": 0, "to_client": 0}
        """Number of bytes passed on in each direction."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"postgresql://{parts.username or 'postgres'}@127.0.0.1:{self.port}{parts.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=[client], daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        if self._certificate:
            client.recv(8)  # the request for TLS, of PostgreSQL's protocol
            client.sendall(b"S")
            try:
                client = self._certificate.wrap_socket(client, server_side=True)
            except OSError:  # the client did not trust the certificate
                return
        family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
        with client, socket.socket(family) as server:
            server.connect(self._server)
            directions = {client: (server, "to_server"), server: (client, "to_client")}
            while True:
                for side in select.select(list(directions), [], [])[0]:
                    other, direction = directions[side]
                    try:
                        data = side.recv(self._read_size(direction))
                        if not data:
                            return
                        other.sendall(data)
                    except OSError:
                        return
                    self.passed[direction] += len(data)
                    if direction == self._direction and self.passed[direction] == self._at:
                        if self._then is None:
                            return
                        self._then()

    def _read_size(self, direction: str) -> int:
        """Return the number of bytes to read, at most up to the point `at`."""
        left = self._at - self.passed[direction]
        return min(BUFFER, left) if direction == self._direction and left > 0 else BUFFER
