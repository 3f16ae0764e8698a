"""A wire to a server on this machine that loses what one asks it to lose."""

import socket
import socketserver
import threading
from collections import Counter
from contextlib import suppress
from typing import Self

SAID = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
SLOW_DOWN = b"\r\n".join(
    [
        b"HTTP/1.1 503 Slow Down",
        b"Content-Type: application/xml",
        b"Connection: close",
        f"Content-Length: {len(SAID)}".encode(),
        b"",
        SAID,
    ]
)


class FaultyWire:
    """Passes bytes on between clients and a server. `lose["PUT"] = 2`: the next two requests of
    that method reach the server, and their answers break off after `keep` bytes. `throttle["PUT"]`
    is for requests that do not reach it: they are asked to slow down."""

    def __init__(self, port: int) -> None:
        self.lose: Counter[str] = Counter()
        self.throttle: Counter[str] = Counter()
        self.keep = 0
        self.lost = 0
        wire = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire._pass_on(self.request, port)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, client: socket.socket, port: int) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            asked: list[bytes] = []
            threading.Thread(target=self._requests, args=(client, server, asked)).start()
            while answer := _received(server):
                method = asked[-1].split(b" ")[0].decode()
                if self.lose[method] and not answer.startswith(b"HTTP/1.1 100"):
                    self.lose[method] -= 1
                    self.lost += 1
                    client.sendall(answer[: self.keep])
                    break
                client.sendall(answer)
            _close(client, server)

    def _requests(self, client: socket.socket, server: socket.socket, asked: list[bytes]) -> None:
        while request := _received(client):
            if request.startswith((b"GET ", b"PUT ", b"HEAD ", b"POST ", b"DELETE ")):
                asked.append(request)
                method = request.split(b" ")[0].decode()
                if self.throttle[method]:
                    self.throttle[method] -= 1
                    client.sendall(SLOW_DOWN)
                    _close(client, server)
                    return
            try:
                server.sendall(request)
            except OSError:
                return


def _close(*sides: socket.socket) -> None:
    for side in sides:
        with suppress(OSError):  # it has closed itself
            side.shutdown(socket.SHUT_RDWR)


def _received(of: socket.socket) -> bytes:
    """The next bytes; none when the connection is closed."""
    try:
        return of.recv(65536)
    except OSError:
        return b""
