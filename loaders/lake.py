"""The lake: bytes under keys such as `raw/tour/places/dt=2026-11-22/…`, in a folder."""

import os
import tempfile
from pathlib import Path
from uuid import uuid4

from loaders.settings import SettingError


class Lake:
    """A folder that keeps each object as a file. Keys are relative paths with `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_once(self, key: str, data: bytes) -> None:
        """Keeps `data` under a new key. Raises FileExistsError when the key is taken.

        The file appears whole or not at all: a hard link to a finished file is atomic, and fails
        where a name exists.
        """
        path = self.root / key
        written = self._written(path, data)
        try:
            os.link(written, path)
        finally:
            written.unlink()

    def write(self, key: str, data: bytes) -> None:
        """Keeps `data` under the key, in place of what was there, whole or not at all."""
        path = self.root / key
        self._written(path, data).replace(path)

    def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return (self.root / key).read_bytes()

    def exists(self, key: str) -> bool:
        return (self.root / key).is_file()

    def modified_at(self, key: str) -> float:
        """Seconds since 1970 (UTC)."""
        return (self.root / key).stat().st_mtime

    def keys(self, prefix: str) -> list[str]:
        """The keys below the folder `prefix`, sorted. Half-written files are none."""
        folder = self.root / prefix
        found = (path for path in folder.rglob("*") if path.is_file())
        return sorted(
            path.relative_to(self.root).as_posix() for path in found if path.suffix != ".part"
        )

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders in the folder `prefix`, sorted."""
        folder = self.root / prefix
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)

    def _written(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid4().hex}.part")
        part.write_bytes(data)
        return part


def open_lake(url: str) -> Lake:
    """The lake at the folder `url`. Raises SettingError when it can't be written."""
    if "://" in url:
        raise SettingError("LAKE__URL", url, "wants a folder on this machine")
    root = Path(url).expanduser().absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, suffix=".part"):
            pass
    except OSError as error:
        raise SettingError("LAKE__URL", url, f"can't be written ({error.strerror})") from None
    return Lake(root)
