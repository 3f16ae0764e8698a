"""The daily allowance of calls of each operation, counted in the lake."""

import re
import threading
from collections.abc import Callable
from datetime import date

import orjson

from loaders.lake.lake import Lake


class AllowanceSpentError(Exception):
    """Raised when an operation has no calls left today."""


class Budget:
    """The calls of one source per KST day, kept under `budget/<source>/day=<day>/`.

    A call is counted before it is made, so that a killed run has counted every call. Only one
    process at a time runs a source, so each count is read once.
    """

    def __init__(
        self, lake: Lake, source: str, day: Callable[[], date], allowance: int, setting: str
    ) -> None:
        """`day` returns the current KST day; `setting` is named when the allowance is spent."""
        self.allowance = allowance
        self._lake = lake
        self._source = source
        self._day = day
        self._setting = setting
        self._counts: dict[str, dict[str, int]] = {}
        self._locks: dict[str, threading.Lock] = {}
        """One lock per operation, so that operations do not wait for each other."""

    def left(self, operation: str) -> int:
        """Return the calls left today."""
        key = self._key(operation)
        with self._lock(key):
            count = self._read(key)
        return 0 if count["spent"] else max(0, self.allowance - int(count["calls"]))

    def spend(self, operation: str) -> None:
        """Count one call. Raise AllowanceSpentError if none is left."""
        key = self._key(operation)
        with self._lock(key):
            count = self._read(key)
            if count["spent"]:
                raise AllowanceSpentError(
                    f"the API reports that today's allowance of {operation} is spent:"
                    " run again after midnight KST"
                )
            if count["calls"] >= self.allowance:
                raise AllowanceSpentError(
                    f"{count['calls']} calls of {operation} today are all that {self._setting}"
                    " allows: run again after midnight KST, or raise it"
                )
            self._write(key, count | {"calls": count["calls"] + 1})

    def close(self, operation: str) -> None:
        """Record that the API refused further calls today."""
        key = self._key(operation)
        with self._lock(key):
            self._write(key, self._read(key) | {"spent": True})

    def _lock(self, key: str) -> threading.Lock:
        return self._locks.setdefault(key, threading.Lock())

    def _key(self, operation: str) -> str:
        name = re.sub("[^A-Za-z0-9]+", ".", operation).strip(".")
        return f"budget/{self._source}/day={self._day()}/{name}.json"

    def _read(self, key: str) -> dict[str, int]:
        if key not in self._counts:
            try:
                self._counts[key] = orjson.loads(self._lake.read(key))
            except FileNotFoundError:
                self._counts[key] = {"calls": 0, "spent": False}
        return self._counts[key]

    def _write(self, key: str, count: dict[str, int]) -> None:
        self._lake.write(key, orjson.dumps(count))
        self._counts[key] = count
