"""A disk that fills up: a few megabytes of memory, mounted where only its own commands see it."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from support.project import ENOUGH_SECONDS


class SmallDisk:
    """A disk that is mounted on a folder inside `with`.

    The test is skipped if the machine does not permit the mount.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # This process keeps the namespace of the mount alive.
        self.namespace_holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.namespace_holder.stdout
        self.namespace_holder.stdout.readline()
        mounted = self.run(f"mount -t tmpfs -o size={megabytes}m none {folder}")
        if mounted.returncode:
            self.__exit__(None, None, None)
            pytest.skip(f"expected to mount a file system: {mounted.stderr.strip()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.namespace_holder.communicate(timeout=ENOUGH_SECONDS)

    def grow(self, megabytes: int) -> None:
        assert self.run(f"mount -o remount,size={megabytes}m {self.folder}").returncode == 0

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command that sees the disk."""
        pid = str(self.namespace_holder.pid)
        enter = ["nsenter", "--target", pid, "--user", "--mount", "--preserve-credentials"]
        return subprocess.run(
            [*enter, f"--wd={Path.cwd()}", "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )
