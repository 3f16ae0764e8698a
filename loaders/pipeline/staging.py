"""The tables of `staging_<source>` in the warehouse, also of sources that do not run.

The models read all of them, so a table that was never loaded exists too, without rows.
"""

from contextlib import suppress
from typing import Any

from loaders.pipeline import load, loaded_dates
from loaders.pipeline.locks import AlreadyRunningError, shared_lock, warehouse_lock
from loaders.sources import SOURCES

Tables = set[tuple[str, str]]
"""Tables by pipeline and name."""
ALL: Tables = {(source.name, table.name) for source in SOURCES.values() for table in source.tables}


def existing() -> Tables:
    """Return the staging tables and views in the warehouse. Raise LoadError."""
    rows = _query(
        "select substring(table_schema, 9), table_name from information_schema.tables"
        " where left(table_schema, 8) = 'staging_'"
    )
    return {(pipeline, table) for pipeline, table in rows}


def create(missing: Tables) -> None:
    """Create the missing tables of the APIs, without rows. Raise LoadError.

    A pipeline that another process runs is left out: that process creates them.
    """
    with warehouse_lock(), load.connect() as client:
        loaded_dates.read(client, ())  # creates the ledger
    for source in SOURCES.values():
        tables = [table for table in source.tables if (source.name, table.name) in missing]
        if tables:
            with suppress(AlreadyRunningError), shared_lock(source.name), warehouse_lock():
                load.read_settings_again()  # other tables of it may have been loaded meanwhile
                load.create_tables(load.pipeline(source.name), source, tables)


def filled(tables: Tables) -> Tables:
    """Return those of the existing tables that have rows. Raise LoadError."""
    if not tables:
        return set()
    checks = [
        f"(select '{pipeline}' as pipeline, '{table}' as name"
        f" from staging_{pipeline}.{table} limit 1)"
        for pipeline, table in sorted(tables)
    ]
    return {(pipeline, table) for pipeline, table in _query(" union all ".join(checks))}


def remove_rows(tables: Tables) -> None:
    """Delete all rows of tables of the APIs. Raise LoadError."""
    if tables:
        with warehouse_lock(), load.connect() as client:
            for pipeline, table in sorted(tables):
                loaded_dates.remove(client, pipeline, table)
                client.execute_sql(f"delete from staging_{pipeline}.{table}")


def _query(sql: str) -> list[Any]:
    with warehouse_lock(), load.connect() as client, client.execute_query(sql) as cursor:
        return list(cursor.fetchall())
