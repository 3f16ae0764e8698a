"""A deadline for a whole HTTP exchange, from its connection to the last byte of its trailers."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """Shuts the connection of one thread's exchange when its time is over.

    The time-out of a socket begins anew with each byte, so headers, interim responses or trailers
    that drip would outlive it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self.is_over = False
        """Whether the last exchange was shut."""

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Give the block its seconds, after which its reads find the connection closed."""
        self.is_over = False
        timer = Timer(self._seconds, self._shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def watch(self, manager: PoolManager) -> None:
        """Let the deadline know each connection that a pool manager opens."""
        hold = self._hold

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return hold(super()._new_conn())

        class Encrypted(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return hold(super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls: Any = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls: Any = Encrypted

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}

    def _hold(self, opened: socket.socket) -> socket.socket:
        """Keep a duplicate, since TLS takes the socket itself. A thread has one connection."""
        if self._socket:
            self._socket.close()
        self._socket = opened.dup()
        if self.is_over:  # connecting took all the time
            self._shut()
        return opened

    def _shut(self) -> None:
        self.is_over = True
        if self._socket:
            with suppress(OSError):  # the other side may have closed it
                self._socket.shutdown(socket.SHUT_RDWR)
