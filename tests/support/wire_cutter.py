"""A network that breaks: a proxy before a database, which does something at one point of what
passes through."""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

ONCE = 65_536


class WireCutter:
    """Passes bytes on between `wire.url` and `url`, which names a server's socket or its port.

    After `at` bytes in one direction, `to_server` or `to_client`, it calls `then`, or else cuts the
    connection. With a certificate it speaks TLS, which the embedded server does not.
    """

    def __init__(
        self,
        url: str,
        way: str = "to_server",
        at: int = -1,
        then: Callable[[], None] | None = None,
        certificate: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        (folder,) = parse_qs(parts.query).get("host", [""])
        self._server = (
            str(Path(folder, ".s.PGSQL.5432")) if folder else (parts.hostname, parts.port)
        )
        self._way, self._at = way, at
        self._then = then
        self._certificate = certificate
        self.passed = {"to_server": 0, "to_client": 0}
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
            client.recv(8)  # the request for TLS
            client.sendall(b"S")
            try:
                client = self._certificate.wrap_socket(client, server_side=True)
            except OSError:  # the client did not trust it
                return
        family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
        with client, socket.socket(family) as server:
            server.connect(self._server)
            ways = {client: (server, "to_server"), server: (client, "to_client")}
            while True:
                for side in select.select(list(ways), [], [])[0]:
                    other, way = ways[side]
                    try:
                        data = side.recv(self._at_most(way))
                        if not data:
                            return
                        other.sendall(data)
                    except OSError:
                        return
                    self.passed[way] += len(data)
                    if way == self._way and self.passed[way] == self._at:
                        if self._then is None:
                            return
                        self._then()

    def _at_most(self, way: str) -> int:
        left = self._at - self.passed[way]
        return min(ONCE, left) if way == self._way and left > 0 else ONCE
