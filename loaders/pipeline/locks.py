"""Locks between processes on this machine, as files in the home."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from loaders import settings

_held = threading.local()
"""Whether the thread holds the lock of the warehouse."""


class AlreadyRunningError(Exception):
    """Raised when another process runs the same pipeline."""


@contextmanager
def pipeline_lock(name: str) -> Iterator[None]:
    """Hold the lock of a whole pipeline. Raise AlreadyRunningError that names a process which holds
    it, or a part of it."""
    with _lock(name, fcntl.LOCK_EX):
        yield


@contextmanager
def part_lock(name: str, part: str) -> Iterator[None]:
    """Hold the lock of a part of a pipeline, such as `places.stage`. Raise AlreadyRunningError.

    Different parts run side by side, but not beside the whole pipeline.
    """
    with _lock(name, fcntl.LOCK_SH), _lock(f"{name}.{part}", fcntl.LOCK_EX):
        yield


@contextmanager
def shared_lock(name: str) -> Iterator[None]:
    """Keep a whole pipeline from running, but not its parts. Raise AlreadyRunningError."""
    with _lock(name, fcntl.LOCK_SH):
        yield


@contextmanager
def _lock(name: str, kind: int) -> Iterator[None]:
    with _lock_file(name).open("a+") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
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
    """Wait until no other pipeline loads: DuckDB allows one writing process at a time.

    A thread that holds the lock enters it again.
    """
    if getattr(_held, "warehouse", False):
        yield
        return
    with _lock_file("warehouse").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _held.warehouse = True
        try:
            yield
        finally:
            _held.warehouse = False


def _lock_file(name: str) -> Path:
    folder = settings.home() / "locks"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.lock"
