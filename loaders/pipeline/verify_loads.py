"""Compare the ledger of loads, and the rows of staging, with the staged files."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from dlt.common.destination.exceptions import DestinationUndefinedEntity

from loaders import redshift, settings
from loaders.pipeline import load, loaded_dates, lost
from loaders.pipeline.differences import Difference, Repair
from loaders.pipeline.load import staging_table
from loaders.pipeline.loaded_dates import Key, LoadedDate
from loaders.pipeline.locks import warehouse_lock
from loaders.sources.source import Source, Table

Counts = Mapping[date, Mapping[str, int]]
"""Rows in staging by logical date and staged file."""


@dataclass(frozen=True)
class Staged:
    """The staged file of a date."""

    file: str
    rows: int


@dataclass(frozen=True)
class Loads:
    """What the warehouse has of one source."""

    by_date: Mapping[Key, LoadedDate]
    """The ledger, of all sources."""
    counts: Mapping[str, Counts]
    """By table."""

    def has_any(self, source: str) -> bool:
        return any(key[0] == source for key in self.by_date)

    def of_table(self, source: str, table: str) -> dict[date, LoadedDate]:
        return {day: load for (*key, day), load in self.by_date.items() if key == [source, table]}


def is_missing() -> bool:
    """Return whether the warehouse is a file that is missing. It is not to be created."""
    return settings.dbt_target() == "local" and not (settings.home() / "warehouse.duckdb").is_file()


def read(source: Source, wanted: Mapping[Table, Collection[date] | None]) -> Loads:
    """Read the ledger, and count the rows of tables in staging, on some dates or on all if None.

    Raise LoadError.
    """
    with warehouse_lock(), load.connect() as client:
        ledger = loaded_dates.read(client)
        counts = {table.name: _count(client, source, table, days) for table, days in wanted.items()}
    return Loads(ledger, counts)


def _count(client: Any, source: Source, table: Table, days: Collection[date] | None) -> Counts:
    where = ""
    if days is not None:
        where = f" where logical_date in ({', '.join(redshift.literal(str(day)) for day in days)})"
    query = (
        f"select logical_date, stage_file, count(*) from {staging_table(source, table)}{where}"
        " group by logical_date, stage_file"
    )
    counts: dict[date, dict[str, int]] = {}
    try:
        with client.execute_query(query) as cursor:
            while rows := cursor.fetchmany(1000):
                for day, file, count in rows:
                    counts.setdefault(day, {})[file] = count
    except DestinationUndefinedEntity:  # the table does not exist
        return {}
    return counts


def of_lost_warehouse(source: str, dates: int) -> Difference:
    """Return the difference of a warehouse that has nothing of the dates that are staged."""
    problem = f"has none of {dates:,} staged dates of its tables"
    return Difference(f"{source} in the warehouse", problem, remedy=lost.REMEDY)


def of_loads(
    name: str,
    staged: Mapping[date, Staged],
    loads: Mapping[date, LoadedDate],
    counts: Counts,
) -> Iterator[tuple[date, Difference]]:
    """Yield what differs between the staged files of a table and the warehouse, by date.

    Staging has only some rows of dates that are not whole: these are not compared in number.
    """
    for day in sorted(staged.keys() | loads.keys() | counts.keys()):
        problem = _problem(staged.get(day), loads.get(day), counts.get(day, {}))
        if problem:
            can_load = Repair.LOAD if day in staged else Repair.NONE
            remedy = "restore the file from a backup, or stage it again from raw"
            yield day, Difference(f"{name} {day} in the warehouse", problem, can_load, remedy)


def _problem(
    staged: Staged | None, load: LoadedDate | None, counts: Mapping[str, int]
) -> str | None:
    rows = sum(counts.values())
    if staged is None:
        if load is None:
            return f"has {rows:,} rows that no load has recorded"
        return f"was loaded from {load.file or 'a file'}, which the lake lacks"
    if load is None:
        return f"is missing, though {staged.file} is staged"
    if load.file != staged.file:
        return f"was loaded from {load.file or 'a file that changed'}, but {staged.file} is staged"
    if load.rows != staged.rows:
        return f"has {load.rows:,} rows in the ledger, but {staged.file} has {staged.rows:,}"
    others = rows - counts.get(staged.file, 0)
    if others:
        return f"has {others:,} rows that are not of {staged.file}"
    if rows > staged.rows or (load.is_whole and rows < staged.rows):
        return f"has {rows:,} rows, but {staged.file} has {staged.rows:,}"
    return None
