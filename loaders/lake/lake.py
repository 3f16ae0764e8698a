"""The interface of a lake, how to open one, and parallel and streaming reads."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from loaders import settings
from loaders.lake.folder import PARTS, FolderLake
from loaders.settings import SettingError

READERS = 16
"""Threads of a parallel read. They mostly wait for S3."""
BATCH_ROWS = 50_000
"""Rows of a record batch."""
READ_AHEAD = 1 << 20
"""Bytes to buffer per column."""

T = TypeVar("T")
R = TypeVar("R")


class Lake(Protocol):
    """Objects under keys, which are relative paths with `/`. Thread-safe.

    Every failure is an OSError with a one-line message.
    """

    url: str
    """Address of the lake, in the form of `LAKE__URL`."""

    def write_once(self, key: str, data: bytes, description: bytes = b"") -> None:
        """Write `data` under a new key, atomically. Raise FileExistsError if the key exists.

        `description`, which is JSON, is kept with the object. S3 writes both at once; a folder
        writes it afterwards, to `<key>.meta.json`.
        """

    def write(self, key: str, data: bytes) -> None:
        """Write `data` under the key, atomically, and replace any earlier object."""

    def write_file(self, key: str, path: Path) -> None:
        """Write the contents of a file like `write`, without holding them in memory."""

    def read(self, key: str) -> bytes:
        """Return the object. Raise FileNotFoundError."""

    def description(self, key: str) -> bytes:
        """Return the description of the object. Raise FileNotFoundError if it has none."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open the object as a seekable file, without holding it in memory.

        Raise FileNotFoundError.
        """

    def exists(self, key: str) -> bool: ...

    def modified_at(self, key: str) -> float:
        """Return the time of the last write, in seconds since 1970 (UTC).

        Raise FileNotFoundError.
        """

    def size(self, key: str) -> int:
        """Return the size in bytes. Raise FileNotFoundError."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below the folder `prefix`, sorted, without unfinished writes."""

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders in the folder `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Delete the object, if it exists."""


def open_lake(url: str) -> Lake:
    """Open the lake at `url` and check that it is writable. Raise SettingError."""
    if url.startswith("s3:"):
        from loaders.lake.s3 import open_bucket  # boto3 is slow to import

        return open_bucket(url)
    if "://" in url:
        shown = "(not shown)" if "@" in url else url  # the URL may contain a password
        raise SettingError(
            "LAKE__URL", shown, "expected a folder on this machine, or s3://bucket/prefix"
        )
    if encryption := settings.lake_encryption():
        expected = "expected LAKE__URL=s3://bucket/prefix with it: a folder is not encrypted"
        raise SettingError("LAKE__ENCRYPTION", encryption["ServerSideEncryption"], expected)
    root = Path(url).expanduser().absolute()
    try:
        lake = FolderLake(root)
        with tempfile.NamedTemporaryFile(dir=root / PARTS):
            pass
        lake.remove_abandoned_parts()
    except OSError as error:
        raise SettingError("LAKE__URL", url, f"can't be written ({error.strerror})") from None
    return lake


def map_parallel(read: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return `read` of each item, in order, computed by `READERS` threads."""
    with ThreadPoolExecutor(READERS) as threads:
        return list(threads.map(read, items))


def batches(lake: Lake, key: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a parquet file, which may be larger than memory, in batches."""
    with lake.open(key) as parquet:
        # Reading one row group at a time, without threads, keeps memory constant: row groups read
        # together stay in memory until the end of the file.
        file = pq.ParquetFile(parquet, buffer_size=READ_AHEAD)
        for group in range(file.num_row_groups):
            yield from file.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False)
