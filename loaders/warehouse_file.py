"""The DuckDB file of the warehouse, which only one process can open to write to it."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from loaders import settings
from loaders.errors import one_line

T = TypeVar("T")

SECONDS_BETWEEN_TRIES = 0.2

_given_up: set[str] = set()
"""Programs for which this process has waited in vain, and does not wait again at each table."""


class WarehouseInUseError(Exception):
    """Raised if another process keeps the file open. The message names it in one line."""


def wait_until_free(open_file: Callable[[], T]) -> T:
    """Return what `open_file` returns, as soon as no other process has the file open.

    Raise WarehouseInUseError after the seconds of `warehouse.lock_timeout`, and whatever else
    `open_file` raises.
    """
    seconds = settings.read(
        "warehouse.lock_timeout", 60, settings.non_negative_integer, "expected a number of seconds"
    )
    deadline = time.monotonic() + seconds
    while True:
        try:
            return open_file()
        except Exception as error:
            holder = _holder(error)
            if holder is None:
                raise
            if time.monotonic() >= deadline or holder in _given_up:
                _given_up.add(holder)
                raise WarehouseInUseError(
                    f"the warehouse has been open in {holder} for longer than "
                    f"WAREHOUSE__LOCK_TIMEOUT={seconds}; end that program, then run this again"
                ) from error
        time.sleep(SECONDS_BETWEEN_TRIES)


def remedy(message: str) -> str:
    """Return what to do about DuckDB's message, or nothing."""
    if "not a valid DuckDB database" not in message:
        return ""
    return " Move it away: `dlt pipeline run --rebuild` fills a new one from the lake"


def _holder(error: Exception) -> str | None:
    """Return the program that holds the file, as DuckDB names it, or None for another error."""
    message = one_line(error)
    if "Could not set lock on file" not in message:
        return None
    held = re.search(r"Conflicting lock is held in (.+?\(PID \d+\)|PID \d+)", message)
    return held[1] if held else "another program"
