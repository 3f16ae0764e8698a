"""The worked example of docs/add-a-mart.md builds and is exported as it is written."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.newcomer import Newcomer
from support.project import PROJECT

from loaders.export import embedded_postgres

pytestmark = pytest.mark.long

DOCUMENT = (PROJECT / "docs" / "add-a-mart.md").read_text("utf-8")
FILES = dict(re.findall(r"`(dbt_project/[\w./]+)`[^`]*:\n\n```\w+\n(.*?)```", DOCUMENT, re.DOTALL))
"""The contents of each file, by the path in the text before its code block."""
(COMMANDS,) = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
FOLDERS = ("loaders", "dbt_project", "macros", "seeds", "analyses", "tests/dbt")
NEXT_MART = "      - ref('rds_district_glance')\n"


@pytest.fixture
def home(built: Newcomer, home: Path) -> Iterator[Path]:
    """A copy of the built home, without its database of the website."""
    home.mkdir()
    for file in ("warehouse.duckdb", "rows_from"):
        shutil.copy(built.home / file, home)
    yield home
    embedded_postgres.stop()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project with the files of the document, and its line in the exposure."""
    folder = tmp_path / "checkout"
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    for name in (".dbtignore", "dbt_project.yml"):
        shutil.copy(PROJECT / name, folder)
    shutil.copy(PROJECT / "profiles.yml.example", folder / "profiles.yml")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    exposures = folder / "dbt_project" / "models" / "exposures.yml"
    text = exposures.read_text("utf-8")
    assert "`ref('rds_district_events')`" in DOCUMENT
    added = f"      - ref('rds_district_events')\n{NEXT_MART}"
    exposures.write_text(text.replace(NEXT_MART, added), encoding="utf-8")
    return folder


def run(checkout: Path, command: str) -> str:
    """Run a command line on the copy, and return what it printed."""
    tool, *arguments = shlex.split(command)
    done = subprocess.run(
        [str(Path(sys.executable).with_name(tool)), *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_worked_example_builds_in_own_schemas_and_then_for_the_website(
    checkout: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HELLO_KOREA_TODAY")  # the built home is of the day
    assert len(FILES) == 2
    _, build, show = [run(checkout, line) for line in COMMANDS.splitlines()]
    assert "ERROR=0 SKIP=0" in build
    assert "district_events" in show

    run(checkout, "dbt build --select rds_districts rds_district_events")
    (psql,) = re.findall(r"`(python -m loaders\.export\.embedded_postgres psql [^`]+)`", DOCUMENT)
    described = run(checkout, psql)
    assert "PRIMARY KEY, btree (district_id)" in described
    assert "REFERENCES districts(district_id)" in described
    assert "event_day_count" in described
