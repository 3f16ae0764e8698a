"""Locks between processes on this machine, as files in the home."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from loaders import settings


class AlreadyRunningError(Exception):
    """Raised when another process runs the same pipeline."""


@contextmanager
def pipeline_lock(name: str) -> Iterator[None]:
    """Hold the lock of a pipeline. Raise AlreadyRunningError that names the process holding it."""
    with _lock_file(name).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunningError(f"{name} is being run by {file.read()}") from None
        file.truncate(0)
        now = datetime.now(settings.KST)
        file.write(f"process {os.getpid()} since {now:%Y-%m-%d %H:%M:%S} KST")
        file.flush()
        yield


@contextmanager
def warehouse_lock() -> Iterator[None]:
    """Wait until no other pipeline loads: DuckDB allows one writing process at a time."""
    with _lock_file("warehouse").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file(name: str) -> Path:
    folder = settings.home() / "locks"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.lock"
