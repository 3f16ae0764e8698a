"""Load: staged parquet into the schema `staging_<source>` of the warehouse, by dlt.

A table's date is replaced in one transaction (dlt's delete-insert on `logical_date`).
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.pipeline.exceptions import PipelineStepFailed

from loaders import settings
from loaders.lake import Lake
from loaders.settings import SettingError
from loaders.source import Source, Table
from loaders.stage import read_staged, schema


class LoadError(Exception):
    """The warehouse did not take a table."""


def pipeline(source: Source) -> dlt.Pipeline:
    """The dlt pipeline of a source, on the warehouse of the dbt target."""
    # Arrow tables get the load id only when this is set.
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = True
    return dlt.pipeline(
        pipeline_name=source.name,
        destination=warehouse(),
        dataset_name=f"staging_{source.name}",
    )


def warehouse() -> Any:
    """dlt's destination for the dbt target. Raises SettingError."""
    target = settings.dbt_target()
    if target == "local":
        return dlt.destinations.duckdb(str(settings.home() / "warehouse.duckdb"))
    raise SettingError("DBT_TARGET", target, "wants local")


def load(
    pipe: dlt.Pipeline, source: Source, table: Table, lake: Lake, files: dict[date, str]
) -> int:
    """Replaces the dates of a table by their staged files; returns the rows now there.

    A date that the warehouse holds from the very same file is left as it is. Raises LoadError.
    """
    try:
        _finish_what_was_begun(pipe)
        loaded = _loaded_files(pipe, table)
        changed = {day: file for day, file in files.items() if loaded.get(day) != file}
        arrows = {day: _with_origin(read_staged(lake, file), file) for day, file in changed.items()}
        for day, arrow in arrows.items():
            if len(arrow) == 0 and day in loaded:
                _empty(pipe, table, day)
        filled = [arrow for arrow in arrows.values() if len(arrow)]
        if filled or not _exists(pipe, table):
            empty = _with_origin(schema(table).empty_table(), "")
            pipe.run(_source(source, table, filled or [empty]))
        return _count(pipe, table, list(files))
    except DltException as error:
        raise LoadError(f"not loaded: {_reason(error)}") from error


def _reason(error: DltException) -> str:
    """The words of the database, in one line, without dlt's own around them."""
    cause = error.exception if isinstance(error, PipelineStepFailed) else error
    words = " ".join(str(cause).split())
    return words.rpartition("The actual reason given is: ")[2]


def _source(source: Source, table: Table, arrows: list[pa.Table]) -> Any:
    @dlt.resource(
        name=table.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key="logical_date",
        columns=_local_times(table),
    )
    def rows() -> Iterator[pa.Table]:
        yield from arrows

    @dlt.source(name=source.name)
    def staged() -> Any:
        return rows

    return staged()


def _local_times(table: Table) -> TTableSchemaColumns:
    """That times have no zone: dlt would make them UTC, and a cast then shifts them to the zone of
    whoever reads."""
    return {
        column.name: {"name": column.name, "data_type": "timestamp", "timezone": False}
        for column in table.columns
        if pa.types.is_timestamp(column.type)
    }


def _with_origin(arrow: pa.Table, file: str) -> pa.Table:
    return arrow.append_column(
        pa.field("stage_file", pa.string(), nullable=False),
        pa.repeat(file, len(arrow)),
    )


def _finish_what_was_begun(pipe: dlt.Pipeline) -> None:
    """A run that was killed leaves packages, and dlt would load these in place of new data."""
    if pipe.has_pending_data:
        pipe.run()


def _loaded_files(pipe: dlt.Pipeline, table: Table) -> dict[date, str]:
    rows = _query(pipe, f"select distinct logical_date, stage_file from {table.name}")
    return dict(rows or [])


def _exists(pipe: dlt.Pipeline, table: Table) -> bool:
    return _query(pipe, f"select 1 from {table.name} limit 1") is not None


def _count(pipe: dlt.Pipeline, table: Table, days: list[date]) -> int:
    counts = _query(pipe, f"select logical_date, count(*) from {table.name} group by logical_date")
    return sum(count for day, count in counts or [] if day in days)


def _empty(pipe: dlt.Pipeline, table: Table, day: date) -> None:
    """dlt's merge leaves a date alone that has no rows any more."""
    with pipe.sql_client() as client:
        client.execute_sql(f"delete from {table.name} where logical_date = '{day}'")


def _query(pipe: dlt.Pipeline, sql: str) -> list[Any] | None:
    """The rows of a query; None where the table does not exist yet."""
    try:
        with pipe.sql_client() as client, client.execute_query(sql) as cursor:
            return list(cursor.fetchall())
    except DestinationUndefinedEntity:
        return None
