"""A second `dbt build` with nothing new, beside `dbt parse` and the tests' own time.

The parts are those of one build: what `dbt parse` takes by itself, the time in which at least one
test was running, the time in which only models were, and the rest (the export, and what dbt does
before and after). dbt's threads share one interpreter, so tests and models are counted by the
clock and not by the thread.
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
MARK = 1.3
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
    tests = length(spans(it for it in results if kind(it) in TESTS))
    models = length(spans(results)) - tests
    for part, seconds in (
        ("dbt parse", parse),
        (f"tests, {sum(kind(it) in TESTS for it in results)}", tests),
        (f"models alone, {sum(kind(it) == 'model' for it in results)}", models),
        ("the rest, with the export", build - parse - tests - models),
    ):
        print(f"  {part:<44} {seconds:>6.2f} s")
    times = build / (parse + tests)
    print(
        f"  {'a second build':<44} {build:>6.2f} s: {times:.2f} of the first two (at most {MARK})"
    )


def load() -> None:
    """All tables of a day, from the sample API."""
    with SampleApi(today=settings.today()) as api:
        for source, url in api.base_urls().items():
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = url
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        code, message = commands.run(None, commands.RunArguments())
    assert code == 0, message


def dbt(command: str) -> float:
    """Seconds that a command of dbt takes, from the shell's point of view."""
    began = time.monotonic()
    subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--quiet", command],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def kind(result: dict[str, Any]) -> str:
    name: str = result["unique_id"].partition(".")[0]
    return name


def spans(results: Iterable[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """When dbt compiled or executed something of these."""
    return [
        (datetime.fromisoformat(it["started_at"]), datetime.fromisoformat(it["completed_at"]))
        for result in results
        for it in result["timing"]
    ]


def length(spans: list[tuple[datetime, datetime]]) -> float:
    """Seconds that lie in at least one of the spans."""
    total, ended = 0.0, datetime.min.replace(tzinfo=spans[0][0].tzinfo)
    for start, end in sorted(spans):
        total += max(0.0, (end - max(start, ended)).total_seconds())
        ended = max(ended, end)
    return total


if __name__ == "__main__":
    main()
