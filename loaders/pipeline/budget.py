"""The daily allowance of calls of each operation, counted in the lake."""

import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import orjson

from loaders.lake.lake import Lake

BLOCK = 50
"""Maximum number of calls that are counted together."""


class AllowanceSpentError(Exception):
    """Raised when an operation has no calls left today."""


@dataclass
class _Count:
    """The calls of one operation on one day."""

    used: int = 0
    counted: int = 0
    """Calls in the lake: those used, and those counted ahead."""
    is_closed: bool = False
    """Whether the API refuses further calls today."""


class Budget:
    """The calls of one source per KST day, kept under `budget/<source>/day=<day>/`.

    A call is counted before it is made, several together, so that a killed run has counted every
    call, and at most `BLOCK` more of each operation. Only one process at a time runs a source, so
    each count is read once.
    """

    def __init__(
        self,
        lake: Lake,
        source: str,
        day: Callable[[], date],
        allowance: int,
        setting: str,
        count_kept: Callable[[date], Counter[str]],
    ) -> None:
        """`day` returns the current KST day; `setting` is named when the allowance is spent.

        `count_kept` counts the responses in raw of a day, by operation, for a count that is lost.
        """
        self.allowance = allowance
        self._lake = lake
        self._source = source
        self._day = day
        self._setting = setting
        self._count_kept = count_kept
        self._remarks: list[str] = []
        self._kept: dict[str, set[str]] = {}
        """The keys of a day's folder in the lake, as first listed."""
        self._listing = threading.Lock()
        self._counts: dict[str, _Count] = {}
        self._locks: dict[str, threading.Lock] = {}
        """One lock per operation, so that operations do not wait for each other."""

    def left(self, operation: str) -> int:
        """Return the calls left today."""
        key = self._key(operation)
        with self._lock(key):
            count = self._read(key)
        return 0 if count.is_closed else max(0, self.allowance - count.used)

    def spend(self, operation: str, expected: int = 1) -> None:
        """Count one call of about `expected` to come. Raise AllowanceSpentError for none left."""
        key = self._key(operation)
        with self._lock(key):
            count = self._read(key)
            if count.is_closed:
                raise AllowanceSpentError(
                    f"the API reports that today's allowance of {operation} is spent:"
                    " run again after midnight KST"
                )
            if count.used >= self.allowance:
                raise AllowanceSpentError(
                    f"{count.used} calls of {operation} today are all that {self._setting}"
                    " allows: run again after midnight KST, or raise it"
                )
            if count.used == count.counted:
                ahead = min(max(expected, 1), BLOCK, self.allowance - count.used)
                self._write(key, count.counted + ahead, count.is_closed)
                count.counted += ahead
            count.used += 1

    def close(self, operation: str) -> None:
        """Record that the API refused further calls today."""
        key = self._key(operation)
        with self._lock(key):
            count = self._read(key)
            self._write(key, count.counted, is_closed=True)
            count.is_closed = True

    def give_back(self) -> None:
        """Take back what was counted ahead and not used. A failure leaves it counted."""
        for key in list(self._counts):
            with self._lock(key), suppress(OSError):
                count = self._counts[key]
                if count.used < count.counted:
                    self._write(key, count.used, count.is_closed)
                    count.counted = count.used

    def take_remarks(self) -> list[str]:
        """Return what is to be told of the counts, once."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def _lock(self, key: str) -> threading.Lock:
        return self._locks.setdefault(key, threading.Lock())

    def _key(self, operation: str) -> str:
        name = re.sub("[^A-Za-z0-9]+", ".", operation).strip(".")
        return f"budget/{self._source}/day={self._day()}/{name}.json"

    def _read(self, key: str) -> _Count:
        if key not in self._counts:
            folder = key.rpartition("/")[0]
            with self._listing:
                if folder not in self._kept:
                    self._kept[folder] = set(self._lake.keys(folder))
            is_kept = key in self._kept[folder]
            self._counts[key] = self._read_file(key) if is_kept else _Count()
        return self._counts[key]

    def recount(self, key: str) -> None:
        """Replace a count of the day that can't be read by the number of responses in raw."""
        self._read_file(key)

    def _read_file(self, key: str) -> _Count:
        try:
            calls, is_closed = _parse(self._lake.read(key))
        except (ValueError, TypeError, KeyError):
            by_operation = self._count_kept(self._day())
            calls = sum(
                count for operation, count in by_operation.items() if self._key(operation) == key
            )
            is_closed = False
            self._write(key, calls, is_closed)
            self._remarks.append(
                f"{key} was damaged: {calls} calls are counted in raw, which has none that failed"
            )
        return _Count(calls, calls, is_closed)

    def _write(self, key: str, calls: int, is_closed: bool) -> None:
        self._lake.write(key, orjson.dumps({"calls": calls, "spent": is_closed}))


def is_damaged(lake: Lake, key: str) -> bool:
    """Return whether a count in the lake can't be read."""
    try:
        _parse(lake.read(key))
    except (ValueError, TypeError, KeyError):
        return True
    return False


def _parse(data: bytes) -> tuple[int, bool]:
    """Return a count of calls, and whether the API refuses more."""
    kept = orjson.loads(data)
    return int(kept["calls"]), bool(kept["spent"])
