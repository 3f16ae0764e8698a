"""A second `dbt build` without new data, compared with `dbt parse` and the tests' own time.

The parts of the build are: the time of `dbt parse`, the time in which at least one test was
running, the time in which only models were, and the rest (the export, and dbt's own work before and
after). dbt's threads share one interpreter, so tests and models are measured by the clock and not
per thread.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from loaders import settings
from loaders.cli import commands
from loaders.export import embedded_postgres
from loaders.sample_api import SampleApi

PROJECT = Path(__file__).resolve().parents[2]
MAX_RATIO = 1.3
TESTS = ("test", "unit_test")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["HELLO_KOREA_HOME"] = os.environ["DBT_PROFILES_DIR"] = home
        os.environ["DBT_TARGET_PATH"] = f"{home}/target"
        shutil.copy(PROJECT / "profiles.yml.example", f"{home}/profiles.yml")
        try:
            load()
            dbt("build")
            parse, build = dbt("parse"), dbt("build")
            results = json.loads(Path(home, "target", "run_results.json").read_bytes())["results"]
        finally:
            embedded_postgres.stop()
    kinds = [kind(result) for result in results]
    tests = length(spans(result for result in results if kind(result) in TESTS))
    models = length(spans(results)) - tests
    for part, seconds in (
        ("dbt parse", parse),
        (f"tests, {sum(kind in TESTS for kind in kinds)}", tests),
        (f"models alone, {kinds.count('model')}", models),
        ("the rest, with the export", build - parse - tests - models),
    ):
        print(f"  {part:<44} {seconds:>6.2f} s")
    ratio = build / (parse + tests)
    print(
        f"  {'a second build':<44} {build:>6.2f} s: {ratio:.2f} of the first two"
        f" (at most {MAX_RATIO})"
    )


def load() -> None:
    """Load all tables of a day from the sample API."""
    with SampleApi(today=settings.today()) as api:
        for source, url in api.base_urls().items():
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = url
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        code, message = commands.run(None, commands.RunArguments())
    assert code == 0, message


def dbt(command: str) -> float:
    """Run a dbt command, and return its seconds, including the start of the process."""
    began = time.monotonic()
    subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--quiet", command],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def kind(result: dict[str, Any]) -> str:
    """Return the type of a result's node, such as `model`."""
    node_type: str = result["unique_id"].partition(".")[0]
    return node_type


def spans(results: Iterable[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """Return the spans in which dbt compiled or executed the nodes."""
    return [
        (datetime.fromisoformat(step["started_at"]), datetime.fromisoformat(step["completed_at"]))
        for result in results
        for step in result["timing"]
    ]


def length(spans: list[tuple[datetime, datetime]]) -> float:
    """Return the seconds that at least one of the spans covers."""
    total, ended = 0.0, datetime.min.replace(tzinfo=spans[0][0].tzinfo)
    for start, end in sorted(spans):
        total += max(0.0, (end - max(start, ended)).total_seconds())
        ended = max(ended, end)
    return total


if __name__ == "__main__":
    main()
