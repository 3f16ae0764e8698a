"""Run the project's commands in the project's own environment."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = "HELLO_KOREA_BIN"
PR_SET_PDEATHSIG = 1
"""From Linux' prctl.h."""
OF_AIRFLOW = ("AIRFLOW", "_AIRFLOW", "__AIRFLOW", "PYTHONPATH", "VIRTUAL_ENV")
"""Prefixes of the variables that commands do not get. Some contain secrets of Airflow."""

Settings = Mapping[str, str]
"""Settings of the project, by their names in the environment."""


class ProjectError(Exception):
    """Raised if the project's environment can't be used. The message has the remedy."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str
    """The document that it printed to standard output, if it was to print one."""
    last_line: str
    """The last line that was logged."""

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of its standard output, or nothing if it was killed before it."""
        document: dict[str, Any] = json.loads(self.output) if self.output.strip() else {}
        return document


def program(name: str) -> str:
    """Return the path of a program of the project. Raise ProjectError if it is missing."""
    folder = Path(os.environ.get(BIN) or CHECKOUT / ".venv" / "bin")
    if not (folder / name).is_file():
        raise ProjectError(
            f"{BIN} is '{folder}', which has no {name}: run `make setup` in the checkout, or name"
            " the folder of the project's programs"
        )
    return str(folder / name)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a command: that of this process, and settings that win over it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_AIRFLOW)}
    return {**kept, **settings}


def home(settings: Settings) -> Path:
    """Return the folder of the project's state."""
    return Path(environment(settings).get("HELLO_KOREA_HOME") or CHECKOUT / ".local").expanduser()


def artifacts(settings: Settings) -> Path:
    """Return the folder to which dbt writes its manifest and results."""
    return CHECKOUT / (environment(settings).get("DBT_TARGET_PATH") or "target")


def run(
    words: list[str],
    settings: Settings,
    log: Callable[[str], None],
    *,
    has_document: bool = True,
) -> Ended:
    """Run a command of the project, and log each line as it comes.

    With a document, these are the lines of its standard error, otherwise all. The command ends with
    this process, however that ends. Raise ProjectError.
    """
    command = [program(words[0]), *words[1:]]
    last_line = ""
    with (
        TemporaryFile("w+") as output,
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment(settings),
            stdout=output if has_document else subprocess.PIPE,
            stderr=subprocess.PIPE if has_document else subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        ) as process,
    ):
        lines = process.stderr if has_document else process.stdout
        assert lines
        try:
            for line in lines:
                log(line.rstrip())
                last_line = line.strip() or last_line
        except BaseException:  # such as the end of the task by somebody
            process.terminate()
            raise
        code = process.wait()
        output.seek(0)
        return Ended(code, output.read(), last_line)


def _end_with_parent() -> None:
    """Make the system end this process when its parent dies, so that no command outlives its
    task."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
