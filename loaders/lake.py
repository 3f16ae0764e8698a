"""The lake: bytes under keys such as `raw/tour/places/dt=2026-11-22/…`, in a folder or on S3."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from loaders.settings import SettingError

READERS = 16
"""Threads that read at once where much is read: an answer of S3 is mostly waited for."""

BATCH_ROWS = 50_000
READ_AHEAD = 1 << 20
"""Bytes of a column."""

PARTS = ".parts"
"""Where a lake in a folder keeps what is not finished; no key begins so."""
OLDEST_PART = 24 * 60 * 60
"""Seconds."""

T = TypeVar("T")
R = TypeVar("R")


class Lake(Protocol):
    """Objects under keys: relative paths with `/`. Safe for threads.

    What goes wrong is an OSError, of one line.
    """

    url: str
    """Where it is, as `LAKE__URL` says it."""

    def write_once(self, key: str, data: bytes) -> None:
        """Keeps `data` under a new key, whole or not at all. Raises FileExistsError when the key
        is taken."""

    def write(self, key: str, data: bytes) -> None:
        """Keeps `data` under the key, in place of what was there, whole or not at all."""

    def write_file(self, key: str, path: Path) -> None:
        """The same with what stands in a file, which never is in memory whole."""

    def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The object as a file that can be sought, and never is in memory whole.

        Raises FileNotFoundError.
        """

    def exists(self, key: str) -> bool: ...

    def modified_at(self, key: str) -> float:
        """Seconds since 1970 (UTC). Raises FileNotFoundError."""

    def size(self, key: str) -> int:
        """In bytes. Raises FileNotFoundError."""

    def keys(self, prefix: str) -> list[str]:
        """The keys below the folder `prefix`, sorted. Half-written ones are none."""

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders in the folder `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Removes the object, if there is one."""


def at_once(read: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """What `read` returns for each of the things, in their order, read side by side."""
    with ThreadPoolExecutor(READERS) as threads:
        return list(threads.map(read, things))


def open_lake(url: str) -> Lake:
    """The lake at `url`, which was written to. Raises SettingError."""
    if url.startswith("s3:"):
        from loaders.s3 import open_bucket  # with boto3, which takes a while that folders save

        return open_bucket(url)
    if "://" in url:
        shown = "(not shown)" if "@" in url else url  # it may hold a password
        raise SettingError(
            "LAKE__URL", shown, "wants a folder on this machine, or s3://bucket/prefix"
        )
    root = Path(url).expanduser().absolute()
    try:
        lake = FolderLake(root)
        with tempfile.NamedTemporaryFile(dir=root / PARTS):
            pass
        _remove_left_over(root / PARTS)
    except OSError as error:
        raise SettingError("LAKE__URL", url, f"can't be written ({error.strerror})") from None
    return lake


def _remove_left_over(parts: Path) -> None:
    """What kills have left half written; what is younger may be another process's work."""
    for path in parts.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > OLDEST_PART:
                path.unlink()


def batches(lake: Lake, key: str) -> Iterator[pa.RecordBatch]:
    """A parquet file's rows, a few at a time: it may be larger than the memory."""
    with lake.open(key) as parquet:
        # Read at once, row groups are kept to the end of the file; and threads keep memory each.
        file = pq.ParquetFile(parquet, buffer_size=READ_AHEAD)
        for group in range(file.num_row_groups):
            yield from file.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False)


class FolderLake:
    """A folder that keeps each object as a file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        (root / PARTS).mkdir(parents=True, exist_ok=True)

    def write_once(self, key: str, data: bytes) -> None:
        """A hard link to a finished file is atomic, and fails where a name exists."""
        path = self.root / key
        written = self._part(path)
        try:
            written.write_bytes(data)
            os.link(written, path)
        finally:
            written.unlink(missing_ok=True)

    def write(self, key: str, data: bytes) -> None:
        path = self.root / key
        written = self._part(path)
        try:
            written.write_bytes(data)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)

    def write_file(self, key: str, path: Path) -> None:
        target = self.root / key
        written = self._part(target)
        try:
            shutil.copyfile(path, written)
            written.replace(target)
        finally:
            written.unlink(missing_ok=True)

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return (self.root / key).open("rb")

    def exists(self, key: str) -> bool:
        return (self.root / key).is_file()

    def modified_at(self, key: str) -> float:
        return (self.root / key).stat().st_mtime

    def size(self, key: str) -> int:
        return (self.root / key).stat().st_size

    def keys(self, prefix: str) -> list[str]:
        folder = self.root / prefix
        found = (path for path in folder.rglob("*") if path.is_file())
        keys = (path.relative_to(self.root).as_posix() for path in found)
        return sorted(key for key in keys if not key.startswith(PARTS))

    def folders(self, prefix: str) -> list[str]:
        folder = self.root / prefix
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)

    def _part(self, path: Path) -> Path:
        """A new name for what is not finished and will be moved to `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return self.root / PARTS / uuid4().hex
