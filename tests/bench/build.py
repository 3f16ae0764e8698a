"""A second `dbt build` without new data, compared with its SQL alone and `dbt parse`.

The SQL alone is that of all models and data tests, in one DuckDB connection on a copy of the
warehouse. Seconds are of processors, and in brackets those that pass.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from loaders import settings
from loaders.cli import commands
from loaders.export import embedded_postgres
from loaders.sample_api import SampleApi

PROJECT = Path(__file__).resolve().parents[2]
MAX_RATIO = 3


class Seconds(NamedTuple):
    processor: float
    passed: float


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["HELLO_KOREA_HOME"] = os.environ["DBT_PROFILES_DIR"] = home
        os.environ["DBT_TARGET_PATH"] = f"{home}/target"
        shutil.copy(PROJECT / "profiles.yml.example", f"{home}/profiles.yml")
        try:
            load()
            first = measure(lambda: dbt("build"))
            parse, build = measure(lambda: dbt("parse")), measure(lambda: dbt("build"))
        finally:
            embedded_postgres.stop()
        statements = straight_sql(Path(home, "target"))
        with duckdb.connect(f"{home}/warehouse.duckdb") as warehouse:
            sql = measure(lambda: [warehouse.execute(statement) for statement in statements])
    for part, seconds in (
        ("dbt parse", parse),
        (f"SQL of {len(statements)} models and data tests", sql),
        ("a first build", first),
        ("a second build", build),
    ):
        print(f"  {part:<44} {seconds.processor:>6.2f} s ({seconds.passed:.2f})")
    ratio = build.processor / (parse.processor + sql.processor)
    print(f"  a second build, of the first two {ratio:>18.2f} (at most {MAX_RATIO})")


def straight_sql(target_dir: Path) -> list[str]:
    """Return the SQL of the models and data tests of a build, in the order in which they ran."""
    manifest = json.loads((target_dir / "manifest.json").read_bytes())
    results = json.loads((target_dir / "run_results.json").read_bytes())["results"]
    return [
        statement(manifest["nodes"][result["unique_id"]], result["compiled_code"])
        for result in results
        if result["unique_id"].split(".")[0] in ("model", "test")
    ]


def statement(node: dict[str, Any], query: str) -> str:
    if node["resource_type"] == "test":
        return f"select count(*) from ({query})"
    kind = "view" if node["config"]["materialized"] == "view" else "table"
    name = node["relation_name"] if node["config"]["materialized"] != "incremental" else "increment"
    return f"create or replace {kind} {name} as {query}"


def measure(call: Callable[[], object]) -> Seconds:
    began, processor = time.monotonic(), processor_seconds()
    call()
    return Seconds(processor_seconds() - processor, time.monotonic() - began)


def processor_seconds() -> float:
    """Return the processor seconds of this process and of those that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def load() -> None:
    """Load all tables of a day from the sample API."""
    with SampleApi(today=settings.today()) as api:
        for source, url in api.base_urls().items():
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = url
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        code, message = commands.run(None, commands.RunArguments())
    assert code == 0, message


def dbt(command: str) -> None:
    """Run a dbt command, including the start of its process."""
    subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--quiet", command],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
