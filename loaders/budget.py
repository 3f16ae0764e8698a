"""How often each operation of an API was called on a KST day, counted in the lake."""

import re
import threading
from collections.abc import Callable
from datetime import date

import orjson

from loaders.lake import Lake


class AllowanceSpentError(Exception):
    """The day's calls of one operation are used up."""


class Budget:
    """The calls of one source on the KST day that `day` tells, under `budget/<source>/day=<day>/`.

    A call is counted before it is made, so that a killed run has counted all that it made. One
    process at a time counts a source's calls, so a count is read once.
    """

    def __init__(
        self, lake: Lake, source: str, day: Callable[[], date], allowance: int, setting: str
    ) -> None:
        self._lake = lake
        self._source = source
        self._day = day
        self._counts: dict[str, dict[str, int]] = {}
        self._locks: dict[str, threading.Lock] = {}
        """An operation's calls wait for each other, and not for those of the others."""
        self.allowance = allowance
        self._setting = setting

    def left(self, operation: str) -> int:
        key = self._key(operation)
        with self._lock(key):
            count = self._count(key)
        return 0 if count["spent"] else max(0, self.allowance - int(count["calls"]))

    def spend(self, operation: str) -> None:
        """Counts one call. Raises AllowanceSpentError when none is left."""
        key = self._key(operation)
        with self._lock(key):
            count = self._count(key)
            if count["spent"]:
                raise AllowanceSpentError(
                    f"the API said that today's allowance of {operation} is spent:"
                    " run again after midnight KST"
                )
            if count["calls"] >= self.allowance:
                raise AllowanceSpentError(
                    f"{count['calls']} calls of {operation} today are all that {self._setting}"
                    " allows: run again after midnight KST, or raise it"
                )
            self._keep(key, count | {"calls": count["calls"] + 1})

    def close(self, operation: str) -> None:
        """Remembers that the API itself refused further calls today."""
        key = self._key(operation)
        with self._lock(key):
            self._keep(key, self._count(key) | {"spent": True})

    def _lock(self, key: str) -> threading.Lock:
        return self._locks.setdefault(key, threading.Lock())

    def _key(self, operation: str) -> str:
        name = re.sub("[^A-Za-z0-9]+", ".", operation).strip(".")
        return f"budget/{self._source}/day={self._day()}/{name}.json"

    def _count(self, key: str) -> dict[str, int]:
        if key not in self._counts:
            try:
                self._counts[key] = orjson.loads(self._lake.read(key))
            except FileNotFoundError:
                self._counts[key] = {"calls": 0, "spent": False}
        return self._counts[key]

    def _keep(self, key: str, count: dict[str, int]) -> None:
        self._lake.write(key, orjson.dumps(count))
        self._counts[key] = count
