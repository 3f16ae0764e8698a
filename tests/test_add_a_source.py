"""The worked example of docs/add-a-source.md runs as it is written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.pipelines import query
from support.project import PROJECT, TODAY

DOCUMENT = (PROJECT / "docs" / "add-a-source.md").read_text("utf-8")
FOLDERS = ("loaders", "dbt_project", "macros", "seeds", "analyses", "tests/dbt", ".dlt")


def files_of_the_document() -> dict[str, str]:
    """Return the contents of each file by the path in the line before its code block."""
    blocks = re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", DOCUMENT, re.DOTALL)
    return dict(blocks)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the project with the files of the document."""
    folder = tmp_path / "checkout"
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "*.toml")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    for name in (".dbtignore", "dbt_project.yml"):
        shutil.copy(PROJECT / name, folder)
    shutil.copy(PROJECT / "profiles.yml.example", folder / "profiles.yml")
    for name, text in files_of_the_document().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run_tool(checkout: Path, home: Path, tool: str, *arguments: str) -> str:
    """Run a command line tool on the copy, and return what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(tool)), *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "HELLO_KOREA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.slow
def test_the_worked_example_loads_and_builds(checkout: Path, home: Path) -> None:
    assert len(files_of_the_document()) == 5
    printed = run_tool(checkout, home, "dlt", "pipeline", "holidays", "run")
    assert "holidays.holidays: done, 1 calls" in printed
    rows = query(home, "select holiday_on, name_ko from staging_holidays.holidays order by 1")
    assert (f"{rows[-1][0]}", rows[-1][1]) == (f"{TODAY.year}-10-09", "한글날")
    selection = ("build", "--select", "stg_holidays__holidays")
    assert "PASS=6" in run_tool(checkout, home, "dbt", *selection, "--no-use-colors")
    listed = json.loads(run_tool(checkout, home, "python", "-m", "loaders.cli.listing"))
    assert listed["sources"]["holidays"] == {"holidays": []}  # what its DAGs are made of
