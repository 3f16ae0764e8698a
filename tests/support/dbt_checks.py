"""dbt on the warehouse of a home, in the schemas `checks…`, without an export.

The path of the warehouse in the profile is relative, so that the profile is the same for all homes
and dbt can reuse the parsed project.
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
"""The parsed project, shared by all homes of this test process."""


def dbt(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run dbt to its end; everything that it writes is in the home.

    Unit tests are left out, since their results do not depend on the warehouse.
    """
    target = home / "target"
    target.mkdir(parents=True, exist_ok=True)
    (home / "profiles.yml").write_text(PROFILE)
    if PARSED.exists():
        shutil.copy(PARSED, target)
    process = subprocess.run(
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
    if process.returncode == 0:
        shutil.copy(target / PARSED.name, PARSED)
    return process


def check_dbt(home: Path, *words: str) -> str:
    """Run a dbt command that must succeed. Return its standard output."""
    process = dbt(home, *words)
    assert process.returncode == 0, process.stdout
    return process.stdout
