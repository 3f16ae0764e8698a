"""dbt on a home's warehouse, in schemas of its own (`checks…`), exporting nothing."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT

PROFILE = """
hello_korea:
  target: checks
  outputs:
    checks:
      type: duckdb
      path: "{{ env_var('HELLO_KOREA_HOME') }}/warehouse.duckdb"
      schema: checks
      threads: 2
"""


def dbt(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Whatever dbt writes lies in the home too."""
    home.mkdir(exist_ok=True)
    (home / "profiles.yml").write_text(PROFILE)
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), *words, f"--profiles-dir={home}"),
            *(f"--target-path={home / 'target'}", f"--log-path={home / 'logs'}"),
        ],
        cwd=PROJECT,
        env=os.environ | {"HELLO_KOREA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def succeeds(home: Path, *words: str) -> str:
    """What a command that must succeed prints."""
    done = dbt(home, *words)
    assert done.returncode == 0, done.stdout
    return done.stdout
