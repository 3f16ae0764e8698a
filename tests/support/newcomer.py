"""Commands in a fresh checkout: no keys, and nothing edited."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from support.project import PROJECT

BIN = Path(sys.executable).parent


class Newcomer:
    """Somebody who runs the commands of the environment in the checkout, with a home of their own.

    `environment`: further environment variables.
    """

    def __init__(self, home: Path, profiles: Path, **environment: str) -> None:
        self.home = home
        self.outputs: dict[str, str] = {}
        """Standard output of the first commands, by command."""
        self.first_export: dict[str, Any] = {}
        """Report of the first export."""
        self.environment = os.environ | {
            "HELLO_KOREA_HOME": str(home),
            "DBT_PROFILES_DIR": str(profiles),
            "DBT_TARGET_PATH": str(home / "target"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            **environment,
        }

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [BIN / words[0], *words[1:]],
            cwd=PROJECT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def check_output(self, *words: str, **environment: str) -> str:
        """Run a command that must succeed. Return its standard output."""
        process = self.run(*words, **environment)
        assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
        return process.stdout

    def new_target(self, name: str) -> Path:
        """Return a new target folder in the home, where dbt need not parse the project again."""
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        shutil.copy(self.home / "target" / "partial_parse.msgpack", folder)
        return folder

    def artifact(self, name: str) -> dict[str, Any]:
        """Return a file of dbt's target folder, such as `manifest.json`."""
        content: dict[str, Any] = orjson.loads((self.home / "target" / name).read_bytes())
        return content
