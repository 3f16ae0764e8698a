"""What changed in a staged table since the date before: for a person at a terminal."""

from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from loaders.lake.lake import Lake, map_parallel
from loaders.pipeline.results import TableResult
from loaders.pipeline.stage import staged_file
from loaders.sources import SOURCES
from loaders.sources.source import Table

ORIGIN = {"logical_date", "raw_file"}
"""Columns that differ on each date."""


@dataclass(frozen=True)
class Changes:
    """The rows of a table's newest date in a run, against those of the date before."""

    source: str
    table: str
    day: date
    rows: int
    since: date | None = None
    """The date before, None if the table has none."""
    rows_before: int = 0
    new_changed_gone: tuple[int, int, int] | None = None
    """Number of rows by their keys, None for a table whose keys are others on each date."""


def changes(lake: Lake, results: list[TableResult]) -> list[Changes]:
    """Return the changes of each table that was staged, in order. Raise OSError.

    Details are left out, since each date has only those that were asked for.
    """
    staged = [
        (result, table)
        for result in results
        for table in (SOURCES[result.source].tables if result.source in SOURCES else ())
        if table.name == result.table and result.files and not table.details_of
    ]
    return map_parallel(lambda each: _changes(lake, *each), staged)


def _changes(lake: Lake, result: TableResult, table: Table) -> Changes:
    day, file = max(result.files.items())
    folders = lake.folders(f"stage/{result.source}/{table.name}")
    days = [date.fromisoformat(folder.removeprefix("dt=")) for folder in folders]
    since = max((each for each in days if each < day), default=None)
    before = since and staged_file(lake, result.source, table.name, since)
    rows = _count(lake, file)
    if not before:
        return Changes(result.source, table.name, day, rows)
    counts = _compare(lake, table, file, before) if _is_list(table) else None
    return Changes(result.source, table.name, day, rows, since, _count(lake, before), counts)


def _is_list(table: Table) -> bool:
    """Return whether keys return on each date: then no time is in them."""
    types = {column.name: column.type for column in table.columns}
    return not any(pa.types.is_temporal(types[name]) for name in table.primary_key)


def _count(lake: Lake, file: str) -> int:
    with lake.open(file) as parquet:
        rows: int = pq.read_metadata(parquet).num_rows
    return rows


def _compare(lake: Lake, table: Table, file: str, before: str) -> tuple[int, int, int]:
    """Return the number of rows that are new, changed and gone, by their keys."""
    newer, older = (pq.read_table(pa.BufferReader(lake.read(key))) for key in (file, before))
    # A new version of the table may have other columns.
    shared = [name for name in newer.column_names if name in older.column_names]
    content = ", ".join(f'"{name}"' for name in shared if name not in ORIGIN)
    key = ", ".join(f'"{name}"' for name in table.primary_key)
    with duckdb.connect() as memory:
        memory.register("newer", newer)
        memory.register("older", older)
        counts = memory.execute(f"""
            with today as (select {key}, row({content}) as content from newer),
            yesterday as (select {key}, row({content}) as content from older)
            select
                count(*) filter (where yesterday.content is null),
                count(*) filter (where today.content <> yesterday.content),
                count(*) filter (where today.content is null)
            from today
            full join yesterday using ({key})
        """).fetchone()
    assert counts
    return counts
