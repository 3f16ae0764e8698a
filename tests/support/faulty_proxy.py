"""A proxy in front of a server on this machine, which cuts responses off and throttles requests."""

import socket
import socketserver
import threading
from collections import Counter
from contextlib import suppress
from typing import Self

METHODS = (b"GET ", b"PUT ", b"HEAD ", b"POST ", b"DELETE ")
SLOW_DOWN_BODY = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
SLOW_DOWN = b"\r\n".join(
    [
        b"HTTP/1.1 503 Slow Down",
        b"Content-Type: application/xml",
        b"Connection: close",
        f"Content-Length: {len(SLOW_DOWN_BODY)}".encode(),
        b"",
        SLOW_DOWN_BODY,
    ]
)


class FaultyProxy:
    """A context manager that forwards bytes between clients and the server on `port`.

    `cut["PUT"] = 2` lets the next two PUT requests reach the server, and closes their connections
    after `cut_after` bytes of the response. `throttle["PUT"] = 2` answers the next two PUT requests
    with 503 Slow Down, without forwarding them.
    """

    def __init__(self, port: int) -> None:
        self.cut: Counter[str] = Counter()
        self.cut_after = 0
        self.cut_count = 0
        """Number of responses cut off so far."""
        self.throttle: Counter[str] = Counter()
        proxy = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._forward(self.request, port)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, client: socket.socket, port: int) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            methods: list[str] = []
            threading.Thread(target=self._forward_requests, args=(client, server, methods)).start()
            while response := _receive(server):
                if self.cut[methods[-1]] and not response.startswith(b"HTTP/1.1 100"):
                    self.cut[methods[-1]] -= 1
                    self.cut_count += 1
                    client.sendall(response[: self.cut_after])
                    break
                client.sendall(response)
            _close(client, server)

    def _forward_requests(
        self, client: socket.socket, server: socket.socket, methods: list[str]
    ) -> None:
        """Forward requests until the connection closes, and append the method of each."""
        while request := _receive(client):
            if request.startswith(METHODS):
                method = request.split(b" ")[0].decode()
                methods.append(method)
                if self.throttle[method]:
                    self.throttle[method] -= 1
                    client.sendall(SLOW_DOWN)
                    _close(client, server)
                    return
            try:
                server.sendall(request)
            except OSError:
                return


def _close(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):  # closed by the other end
            connection.shutdown(socket.SHUT_RDWR)


def _receive(connection: socket.socket) -> bytes:
    """Return the next bytes, or b"" when the connection is closed."""
    try:
        return connection.recv(65536)
    except OSError:
        return b""
