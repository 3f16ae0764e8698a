"""The ledger of loads: which date of which table staging holds, and from which file.

It is the table `staging_runs.loaded_dates` of the warehouse, with one row per table and date. A
date stays in it after staging has forgotten the date's rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from dlt.common.destination.exceptions import DestinationUndefinedEntity

from loaders import redshift
from loaders.sources import SOURCES

PIPELINE = "runs"
"""The dlt pipeline in whose dataset the table is."""
SCHEMA = f"staging_{PIPELINE}"
NAME = f"{SCHEMA}.loaded_dates"
COLUMNS = (
    "source_name varchar(50) not null",
    "table_name varchar(50) not null",
    "logical_date date not null",
    "stage_file varchar(500) not null",
    "row_count bigint not null",
    "is_whole boolean not null",
)

Key = tuple[str, str, date]
"""Source, table and logical date."""


@dataclass(frozen=True)
class LoadedDate:
    """A date that a table was loaded with."""

    file: str
    """Key in the lake of the staged file."""
    rows: int
    """Number of rows in the file."""
    is_whole: bool
    """Whether staging still has all rows of the file."""


def read(client: Any, dates: Iterable[date] | None = None) -> dict[Key, LoadedDate]:
    """Return the loads of `dates`, or of all dates if None. Create the table if it is missing.

    Loads of `dates` whose rows are not in staging any more, for example because somebody dropped a
    table, are left out.
    """
    where = "" if dates is None else f" where {_is_one_of(dates)}"
    columns = "source_name, table_name, logical_date, stage_file, row_count, is_whole"
    try:
        with client.execute_query(f"select {columns} from {NAME}{where}") as cursor:
            rows = cursor.fetchall()
    except DestinationUndefinedEntity:
        _create(client)
        return read(client, dates)
    loads = {
        (source, table, day): LoadedDate(file, count, is_whole)
        for source, table, day, file, count, is_whole in rows
    }
    return loads if dates is None else _present(client, loads)


def _present(client: Any, loads: dict[Key, LoadedDate]) -> dict[Key, LoadedDate]:
    """Return the loads whose rows are in staging. Of partial dates, only the table is checked."""
    with client.execute_query(
        "select table_schema, table_name from information_schema.tables"
        " where left(table_schema, 8) = 'staging_'"
    ) as cursor:
        existing = {(schema[8:], table) for schema, table in cursor.fetchall()}
    dates = _is_one_of({day for _, _, day in loads})
    counts = [
        f"select '{source}', '{table}', logical_date, count(*) from staging_{source}.{table}"
        f" where {dates} group by logical_date"
        for source, table in sorted({key[:2] for key in loads} & existing)
    ]
    found: dict[Key, int] = {}
    if counts:
        with client.execute_query(" union all ".join(counts)) as cursor:
            found = {(source, table, day): count for source, table, day, count in cursor.fetchall()}
    return {
        key: load
        for key, load in loads.items()
        if key[:2] in existing and (not load.is_whole or found.get(key, 0) == load.rows)
    }


def record(client: Any, source: str, table: str, loads: Mapping[date, LoadedDate]) -> None:
    """Replace the rows of dates of a table, in one transaction."""
    values = ", ".join(
        f"({redshift.literal(source)}, {redshift.literal(table)}, '{day}',"
        f" {redshift.literal(load.file)}, {load.rows}, {str(load.is_whole).lower()})"
        for day, load in loads.items()
    )
    with client.begin_transaction():
        client.execute_sql(f"delete from {NAME} where {_of_table(source, table, loads)}")
        client.execute_sql(f"insert into {NAME} values {values}")


def invalidate(client: Any, source: str, table: str, dates: Iterable[date]) -> None:
    """Record that dates of a table are to be loaded again."""
    client.execute_sql(f"update {NAME} set stage_file = '' where {_of_table(source, table, dates)}")


def remove(client: Any, source: str, table: str) -> None:
    """Delete all rows of a table."""
    client.execute_sql(f"delete from {NAME} where {_of_table(source, table)}")


def mark_partial(client: Any, source: str, table: str, before: date) -> None:
    """Record that staging has forgotten rows of the dates of a table before a day."""
    client.execute_sql(
        f"update {NAME} set is_whole = false"
        f" where {_of_table(source, table)} and is_whole and logical_date < '{before}'"
    )


def tables_with_whole_dates(client: Any, before: date) -> set[tuple[str, str]]:
    """Return source and name of the tables of which staging has all rows of a date before a day."""
    where = f"is_whole and logical_date < '{before}'"
    query = f"select distinct source_name, table_name from {NAME} where {where}"
    with client.execute_query(query) as cursor:
        return {(source, table) for source, table in cursor.fetchall()}


def newest(client: Any) -> date | None:
    """Return the newest date of any table, if there is one."""
    with client.execute_query(f"select max(logical_date) from {NAME}") as cursor:
        ((newest,),) = cursor.fetchall()
    return newest  # type: ignore[no-any-return]


def newest_partial(client: Any, source: str, table: str) -> date | None:
    """Return the newest date of which staging has forgotten rows, if there is one."""
    where = f"{_of_table(source, table)} and not is_whole"
    with client.execute_query(f"select max(logical_date) from {NAME} where {where}") as cursor:
        ((newest,),) = cursor.fetchall()
    return newest  # type: ignore[no-any-return]


def _create(client: Any) -> None:
    """Create the table with the dates that an earlier version of the loader has loaded."""
    client.execute_sql(f"create table if not exists {NAME} ({', '.join(COLUMNS)})")
    for source in SOURCES.values():
        for table in source.tables:
            try:
                client.execute_sql(
                    f"insert into {NAME}"
                    f" select {redshift.literal(source.name)}, {redshift.literal(table.name)},"
                    " logical_date, max(stage_file), count(*), true"
                    f" from staging_{source.name}.{table.name} group by logical_date"
                )
            except DestinationUndefinedEntity:
                continue


def _of_table(source: str, table: str, dates: Iterable[date] | None = None) -> str:
    condition = (
        f"source_name = {redshift.literal(source)} and table_name = {redshift.literal(table)}"
    )
    return condition if dates is None else f"{condition} and {_is_one_of(dates)}"


def _is_one_of(dates: Iterable[date]) -> str:
    days = ", ".join(f"'{day}'" for day in dates)
    return f"logical_date in ({days})" if days else "false"
