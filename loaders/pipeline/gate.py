"""The gate of one API: how many calls are in flight, and how many begin in a minute."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from threading import Condition, Event

MINUTE = 60.0
LONGEST_WAIT = 0.2
"""Seconds after which a waiting call looks whether the run is stopping."""


class StoppedError(Exception):
    """Raised instead of a call when the run is stopping."""


class Gate:
    """The calls of one API, from all its tables. Thread-safe."""

    def __init__(self, parallel: int, per_minute: int | None, stopping: Event) -> None:
        """`per_minute` limits the calls that begin in any 60 seconds; None is no limit."""
        self.parallel = parallel
        self._per_minute = per_minute
        self._stopping = stopping
        self._changed = Condition()
        self._in_flight = 0
        self._opens_at = 0.0
        self._begun: deque[float] = deque(maxlen=per_minute)
        """Times at which the last calls began, on the monotonic clock."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """Wait until a call may begin; it is in flight until the block ends. Raise StoppedError."""
        with self._changed:
            while not self._stopping.is_set() and (seconds := self._seconds_to_wait()):
                self._changed.wait(min(seconds, LONGEST_WAIT))
            if self._stopping.is_set():
                raise StoppedError
            self._in_flight += 1
            if self._per_minute:
                self._begun.append(time.monotonic())
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Begin no call for some seconds, because the API asked for it."""
        with self._changed:
            self._opens_at = max(self._opens_at, time.monotonic() + seconds)

    def _seconds_to_wait(self) -> float:
        if self._in_flight >= self.parallel:
            return LONGEST_WAIT
        now = time.monotonic()
        is_full = self._per_minute and len(self._begun) == self._per_minute
        next_at = self._begun[0] + MINUTE if is_full else 0.0
        return max(0.0, self._opens_at - now, next_at - now)


def seconds_to_retry(header: str) -> float:
    """Return the seconds that a `Retry-After` asks to wait, or 0 if it can't be read."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
