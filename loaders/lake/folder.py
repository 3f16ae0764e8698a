"""The lake in a folder: one file per object."""

import os
import shutil
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PARTS = ".parts"
"""Folder of unfinished writes. No key begins with it."""
DESCRIPTION = ".meta.json"
"""Ending of the object that describes another one, unless S3 keeps the description with it."""
OLDEST_PART = 24 * 60 * 60
"""Age in seconds from which an unfinished write counts as abandoned."""


class FolderLake:
    """A lake whose objects are files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        (root / PARTS).mkdir(parents=True, exist_ok=True)

    def write_once(self, key: str, data: bytes, description: bytes = b"") -> None:
        contents = {key: data} | ({key + DESCRIPTION: description} if description else {})
        parts = {key: self._new_part(self.root / key) for key in contents}
        try:
            for name, part in parts.items():
                part.write_bytes(contents[name])
                _sync(part)
            for name, part in parts.items():
                os.link(part, self.root / name)  # atomic, and fails if the name exists
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
        if not description:
            # A mark is on the disk after its pages. A page that is lost alone is asked for again.
            _sync((self.root / key).parent)

    def write(self, key: str, data: bytes) -> None:
        path = self.root / key
        part = self._new_part(path)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def write_file(self, key: str, path: Path) -> None:
        target = self.root / key
        part = self._new_part(target)
        try:
            shutil.copyfile(path, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def description(self, key: str) -> bytes:
        return self.read(key + DESCRIPTION)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return (self.root / key).open("rb")

    def exists(self, key: str) -> bool:
        return (self.root / key).is_file()

    def modified_at(self, key: str) -> float:
        return (self.root / key).stat().st_mtime

    def size(self, key: str) -> int:
        return (self.root / key).stat().st_size

    def keys(self, prefix: str) -> list[str]:
        keys = []
        for folder, _, names in os.walk(self.root / prefix):
            parent = os.path.relpath(folder, self.root)
            keys += names if parent == os.curdir else [f"{parent}/{name}" for name in names]
        return sorted(key for key in keys if not key.startswith(PARTS))

    def folders(self, prefix: str) -> list[str]:
        folder = self.root / prefix
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)

    def remove_abandoned_parts(self) -> None:
        """Delete what killed processes left unfinished. Younger parts may still be in use."""
        for path in (self.root / PARTS).iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > OLDEST_PART:
                    path.unlink()

    def _new_part(self, target: Path) -> Path:
        """Return a new path for an unfinished write, and create the folder of `target`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        return self.root / PARTS / uuid4().hex


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
