"""The targets of the Makefile, in a folder that has little else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.project import PROJECT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with blanks in its path, the Makefile and the example settings."""
    folder = tmp_path / "my own checkout"
    (folder / ".dlt").mkdir(parents=True)
    for name in ("Makefile", *(path.name for path in PROJECT.glob("*.example"))):
        shutil.copy(PROJECT / name, folder)
    for example in (PROJECT / ".dlt").glob("*.example"):
        shutil.copy(example, folder / ".dlt")
    return folder


def write_program(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def make(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # The tests may run under make, whose variables would make this one print its folder.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *words], cwd=checkout, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("python", [None, "exit 0", "echo 'it does not start' >&2; exit 1"])
def test_clean_removes_everything_whether_or_not_the_environment_works(
    checkout: Path, python: str | None
) -> None:
    for name in (".local/rds", "target", "logs"):
        (checkout / name).mkdir(parents=True)
    if python is not None:
        write_program(checkout / ".venv" / "bin" / "python", python)

    process = make(checkout, "clean")
    assert process.returncode == 0, process.stderr
    assert {path.name for path in checkout.iterdir()}.isdisjoint({".local", "target", "logs"})


def test_setup_prints_a_line_per_step_and_hides_the_keys_from_others(checkout: Path) -> None:
    write_program(
        checkout / "python", 'if [ "$2" = venv ]; then mkdir -p .venv/bin && cp pip .venv/bin; fi'
    )
    write_program(checkout / "pip", "exit 0")
    (checkout / "requirements.lock").write_text("duckdb==2.0.0\ndlt[s3]==1.30.0\n    # via this\n")
    (checkout / "pyproject.toml").touch()

    process = make(checkout, "setup", "PYTHON=./python")
    assert process.returncode == 0, process.stderr
    assert [re.sub(r"\d+ s$", "1 s", line) for line in process.stdout.splitlines()] == [
        "setup: create .venv ... 1 s",
        "setup: install 2 packages ... 1 s",
        "setup: install this project ... 1 s",
        "setup: create profiles.yml",
        "setup: create .dlt/config.toml",
        "setup: create .dlt/secrets.toml",
    ]
    assert (checkout / ".dlt" / "secrets.toml").stat().st_mode & 0o777 == 0o600
    assert "setup: " not in make(checkout, "setup", "PYTHON=./python").stdout


def test_setup_stops_at_a_step_that_fails(checkout: Path) -> None:
    write_program(checkout / "python", 'test "$2" != venv || { echo "no venv" >&2; exit 1; }')
    (checkout / "requirements.lock").touch()
    (checkout / "pyproject.toml").touch()

    process = make(checkout, "setup", "PYTHON=./python")
    assert process.returncode == 2
    assert "no venv" in process.stderr
    assert "install" not in process.stdout
