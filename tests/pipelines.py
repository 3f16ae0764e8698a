"""Running pipelines, and looking at what they left."""

import sys
from pathlib import Path
from typing import Any

import duckdb
import orjson

from loaders import commands

DLT = Path(sys.executable).with_name("dlt")


def run(
    pipeline: str | None = None,
    *,
    date: str | None = None,
    only: str | None = None,
    table: str | None = None,
    refresh: bool = False,
    plan: bool = False,
) -> tuple[int, str]:
    return commands.run(pipeline, date, only, table, refresh, plan)


def outcomes(home: Path) -> dict[str, Any]:
    """The last run's outcome of each table."""
    return {
        f"{it['source']}.{it['table']}": it
        for it in orjson.loads((home / "last_run.json").read_bytes())
    }


def query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.sql(sql).fetchall()


def raw_files(home: Path, folder: str = "") -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted((home / "lake" / "raw" / folder).rglob("*"))
        if path.is_file()
    }


def bodies(home: Path, folder: str) -> list[Path]:
    return sorted(
        path
        for path in (home / "lake" / "raw" / folder).rglob("*")
        if path.is_file() and not path.name.startswith("_") and ".meta." not in path.name
    )
