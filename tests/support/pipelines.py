"""Run pipelines, and read what they left in the home and in the lake."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import orjson

from loaders import settings
from loaders.cli import commands
from loaders.lake import raw
from loaders.lake.lake import Lake, open_lake
from support.project import PROJECT, restore_interrupts

DLT = Path(sys.executable).with_name("dlt")
OPEN_WAREHOUSE = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(600)
"""


def run(
    pipeline: str | None = None,
    *,
    date: str | None = None,
    only: str | None = None,
    table: str | None = None,
    refresh: bool = False,
    plan: bool = False,
    scale: str | None = None,
    rebuild: bool = False,
) -> tuple[int, str]:
    """Run `dlt pipeline [pipeline] run` in this process. Return its exit code and message."""
    arguments = commands.RunArguments(date, only, table, refresh, plan, scale, rebuild)
    return commands.run(pipeline, arguments)


def start_run(pipeline: str, output: int | None = None) -> subprocess.Popen[str]:
    """Start `dlt pipeline <pipeline> run` in a process that Ctrl-C reaches.

    `output`: where it prints to, such as `subprocess.PIPE`; by default where the test does.
    """
    return subprocess.Popen(
        [DLT, "pipeline", pipeline, "run"],
        cwd=PROJECT,
        stdout=output,
        stderr=output,
        text=True,
        preexec_fn=restore_interrupts,
    )


def table_results(home: Path) -> dict[str, Any]:
    """Return the results of the last run by table, such as `tour.stays`."""
    results = orjson.loads((home / "last_run.json").read_bytes())
    return {f"{result['source']}.{result['table']}": result for result in results}


def query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the warehouse of the home."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.sql(sql).fetchall()


@contextmanager
def open_warehouse_elsewhere(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Keep the warehouse of the home open, and thereby locked, in another process."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-c", OPEN_WAREHOUSE, str(home / "warehouse.duckdb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def lake() -> Lake:
    """Open the lake of the settings."""
    return open_lake(settings.lake_url())


def raw_files(folder: str = "") -> dict[str, bytes]:
    """Return all files of a folder of raw, by key in the lake."""
    opened = lake()
    return {key: opened.read(key) for key in opened.keys(f"raw/{folder}".rstrip("/"))}


def bodies(folder: str) -> list[str]:
    """Return the keys of the response bodies in a folder of raw."""
    keys = lake().keys(f"raw/{folder}")
    return [key for key in keys if "/_" not in key and not key.endswith(raw.META)]
