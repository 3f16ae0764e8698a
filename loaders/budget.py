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

    A call is counted before it is made, so that a killed run has counted all that it made.
    """

    def __init__(
        self, lake: Lake, source: str, day: Callable[[], date], allowance: int, setting: str
    ) -> None:
        self._lake = lake
        self._source = source
        self._day = day
        self._lock = threading.Lock()
        self.allowance = allowance
        self._setting = setting

    def left(self, operation: str) -> int:
        count = self._count(operation)
        return 0 if count["spent"] else max(0, self.allowance - int(count["calls"]))

    def spend(self, operation: str) -> None:
        """Counts one call. Raises AllowanceSpentError when none is left."""
        with self._lock:
            count = self._count(operation)
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
            self._lake.write(
                self._key(operation), orjson.dumps(count | {"calls": count["calls"] + 1})
            )

    def close(self, operation: str) -> None:
        """Remembers that the API itself refused further calls today."""
        with self._lock:
            self._lake.write(
                self._key(operation), orjson.dumps(self._count(operation) | {"spent": True})
            )

    def _key(self, operation: str) -> str:
        name = re.sub("[^A-Za-z0-9]+", ".", operation).strip(".")
        return f"budget/{self._source}/day={self._day()}/{name}.json"

    def _count(self, operation: str) -> dict[str, int]:
        try:
            count: dict[str, int] = orjson.loads(self._lake.read(self._key(operation)))
        except FileNotFoundError:
            return {"calls": 0, "spent": False}
        return count
