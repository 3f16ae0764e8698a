"""Files of a folder lake: their number, their time, and what one archive an extraction would gain.

It reads the lake of `HELLO_KOREA_HOME`, which `dlt pipeline run` has filled, and writes copies of
its largest extraction to a temporary folder.
"""

import os
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from loaders import settings
from loaders.lake.folder import FolderLake
from loaders.lake.raw import COMPLETE, META

ROUNDS = 3


def main() -> None:
    root = Path(settings.lake_url())
    lake = FolderLake(root)
    print(f"\nthe lake: {_described([root / key for key in lake.keys('.')])}")
    raw = lake.keys("raw")
    print(f"raw: {_described([root / key for key in raw])}, listed in {_fastest(lake, 'raw')}")
    ((largest, _),) = Counter(key.rpartition("/")[0] for key in raw).most_common(1)
    keys = lake.keys(largest)
    print(f"{largest}: {_described([root / key for key in keys])}, listed in", end=" ")
    print(_fastest(lake, largest))

    bodies = [key for key in keys if not key.endswith((META, COMPLETE))]
    responses = [(key, lake.read(key), lake.description(key)) for key in bodies]
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        copies = FolderLake(Path(folder) / "lake")

        def write_files(number: int) -> None:
            for key, body, description in responses:
                copies.write_once(f"{number}/{key}", body, description)

        def write_unsynced_files(number: int) -> None:
            with mock.patch("os.fsync"):
                write_files(number + ROUNDS)

        def read_files(number: int) -> None:
            for key, _, _ in responses:
                copies.read(f"{number}/{key}")
                copies.description(f"{number}/{key}")

        def write_archive(number: int) -> None:
            """Append each response, and wait for the disk as a file of its own does."""
            path = Path(folder) / f"{number}.zip"
            with path.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
                for key, body, description in responses:
                    archive.writestr(key, body)
                    archive.writestr(key + META, description)
                    file.flush()
                    os.fsync(file.fileno())

        def read_archive(number: int) -> None:
            with zipfile.ZipFile(Path(folder) / f"{number}.zip") as archive:
                for key, _, _ in responses:
                    archive.read(key)
                    archive.read(key + META)

        for name, action in {
            "write files": write_files,
            "write files without a sync": write_unsynced_files,
            "read files": read_files,
            "write an archive": write_archive,
            "read an archive": read_archive,
        }.items():
            print(f"{name} of {len(responses)} responses: {_best(action):.2f} s")
        print(f"the archive: {_described([Path(folder) / '0.zip'])}")


def _described(paths: list[Path]) -> str:
    stats = [path.stat() for path in paths]
    size = sum(stat.st_size for stat in stats) / 1e6
    on_disk = sum(512 * stat.st_blocks for stat in stats) / 1e6
    return f"{len(paths):,} files, {size:.2f} MB, {on_disk:.2f} MB on the disk"


def _fastest(lake: FolderLake, prefix: str) -> str:
    return f"{1000 * _best(lambda _: lake.keys(prefix)):.1f} ms"


def _best(action: Callable[[int], object]) -> float:
    """Return the shortest of some times that an action takes, in seconds."""
    times = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
