"""Runs commands as somebody does who has just checked the project out: no key, nothing edited."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from support.project import PROJECT

BIN = Path(sys.executable).parent


class Newcomer:
    """Runs commands of the environment in the checkout, with a home of its own."""

    def __init__(self, home: Path, profiles: Path, **environment: str) -> None:
        self.home = home
        self.said: dict[str, str] = {}
        """What its first commands printed."""
        self.exported: dict[str, Any] = {}
        """The report of its first export."""
        self.environment = os.environ | {
            "HELLO_KOREA_HOME": str(home),
            "DBT_PROFILES_DIR": str(profiles),
            "DBT_TARGET_PATH": str(home / "target"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            **environment,
        }

    def types(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / words[0], *words[1:]],
            cwd=PROJECT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeeds(self, *words: str, **environment: str) -> str:
        """What a command that must succeed prints."""
        done = self.types(*words, **environment)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def artifact(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads((self.home / "target" / name).read_bytes())
        return content
