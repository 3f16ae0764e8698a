"""Running pipelines, and looking at what they left."""

import sys
from pathlib import Path
from typing import Any

import duckdb
import orjson

from loaders import settings
from loaders.cli import commands
from loaders.lake import raw
from loaders.lake.lake import Lake, open_lake

DLT = Path(sys.executable).with_name("dlt")


def run(
    pipeline: str | None = None,
    *,
    date: str | None = None,
    only: str | None = None,
    table: str | None = None,
    refresh: bool = False,
    plan: bool = False,
    scale: str | None = None,
) -> tuple[int, str]:
    arguments = commands.RunArguments(date, only, table, refresh, plan, scale)
    return commands.run(pipeline, arguments)


def outcomes(home: Path) -> dict[str, Any]:
    """The last run's outcome of each table."""
    return {
        f"{it['source']}.{it['table']}": it
        for it in orjson.loads((home / "last_run.json").read_bytes())
    }


def query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.sql(sql).fetchall()


def lake() -> Lake:
    """The lake that the settings tell."""
    return open_lake(settings.lake_url())


def raw_files(folder: str = "") -> dict[str, bytes]:
    """What raw holds, by its keys in the lake."""
    of = lake()
    return {key: of.read(key) for key in of.keys(f"raw/{folder}".rstrip("/"))}


def bodies(folder: str) -> list[str]:
    """The keys of the answers, without what is kept beside them."""
    keys = lake().keys(f"raw/{folder}")
    return [key for key in keys if "/_" not in key and not key.endswith(raw.META)]
