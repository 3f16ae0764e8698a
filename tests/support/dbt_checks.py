"""dbt on a home's warehouse, in schemas of its own (`checks…`), exporting nothing.

The warehouse's path is relative, so that the connection is one for all homes: dbt then takes the
project as it has parsed it before.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.project import FOLDER, PROJECT

PROFILE = """
hello_korea:
  target: checks
  outputs:
    checks:
      type: duckdb
      path: warehouse.duckdb
      schema: checks
      threads: 2
"""
NO_TESTS = ("--exclude-resource-type", "test", "unit_test")
PARSED = FOLDER / "partial_parse.msgpack"


def dbt(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Whatever dbt writes lies in the home too. Without unit tests, which say the same anywhere."""
    target = home / "target"
    target.mkdir(parents=True, exist_ok=True)
    (home / "profiles.yml").write_text(PROFILE)
    if PARSED.exists():
        shutil.copy(PARSED, target)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), *words, f"--project-dir={PROJECT}"),
            *(f"--profiles-dir={home}", f"--target-path={target}", f"--log-path={home / 'logs'}"),
        ],
        cwd=home,
        env={
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
            **os.environ,
            "HELLO_KOREA_HOME": str(home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        shutil.copy(target / PARSED.name, PARSED)
    return done


def succeeds(home: Path, *words: str) -> str:
    """What a command that must succeed prints."""
    done = dbt(home, *words)
    assert done.returncode == 0, done.stdout
    return done.stdout
