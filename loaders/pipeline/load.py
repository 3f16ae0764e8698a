"""Load: write staged parquet into the schema `staging_<source>` of the warehouse, through dlt.

A table's date is replaced in one transaction (dlt's delete-insert on `logical_date`). Redshift
copies the rows from the lake, where dlt puts them under `load/`.
"""

import logging
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import dlt
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.pipeline.exceptions import PipelineStepFailed

from loaders import redshift, settings
from loaders.errors import one_line
from loaders.lake.lake import Lake, batches
from loaders.pipeline.stage import schema
from loaders.settings import SettingError
from loaders.sources.source import Source, Table


class LoadError(Exception):
    """Raised when the warehouse did not load a table."""


def pipeline(name: str) -> dlt.Pipeline:
    """Return the dlt pipeline of a source, for the warehouse of the dbt target.

    Raise SettingError.
    """
    # dlt logs pages for each retried error; a final failure is reported in one line.
    logging.getLogger("dlt").setLevel(settings.read("runtime.log_level", "CRITICAL", str.upper, ""))
    # Without this, arrow tables get no load id.
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = True
    # Redshift's merge uses intermediate tables, whose rows are not needed afterwards.
    dlt.config["load.truncate_staging_dataset"] = True
    destination, staging = warehouse()
    return dlt.pipeline(
        pipeline_name=name,
        destination=destination,
        staging=staging,
        dataset_name=f"staging_{name}",
    )


def warehouse() -> tuple[Any, Any]:
    """Return dlt's destination for the dbt target, and its staging destination or None.

    Raise SettingError.
    """
    target = settings.dbt_target()
    if target == "local":
        return dlt.destinations.duckdb(str(settings.home() / "warehouse.duckdb")), None
    if target == "redshift":
        return redshift.destination(), redshift.staging()
    raise SettingError("DBT_TARGET", target, "expected local or redshift")


_COUNTS = "select logical_date, count(*) from {} group by logical_date"


def load(
    pipe: dlt.Pipeline, source: Source, table: Table, lake: Lake, files: dict[date, str]
) -> dict[date, int]:
    """Replace dates of a table with their staged files, and return the row count of each date.

    A date that was loaded from the same file is skipped. Raise LoadError.
    """
    try:
        drop_pending_packages(pipe)
        loaded = _loaded_files(pipe, table)
        changed = {day: file for day, file in files.items() if loaded.get(day) != file}
        rows = {day: _count_rows(lake, file) for day, file in changed.items()}
        for day in changed:
            if rows[day] == 0 and day in loaded:
                _delete_date(pipe, table, day)
        filled = [file for day, file in changed.items() if rows[day]]
        if filled or not _exists(pipe, table):
            pipe.run(_source(source, table, lake, filled))
            remove_copied_files(lake, source.name)
        counts = dict(query(pipe, _COUNTS, table.name) or [])
        return {day: counts.get(day, 0) for day in files}
    except (DltException, psycopg2.Error) as error:
        raise LoadError(f"not loaded: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Return the database's own message, without dlt's text around it, in one line."""
    cause = error.exception if isinstance(error, PipelineStepFailed) else error
    *_, message = re.split(r"^[\w.]+(?:Error|Exception)\w*: ", str(cause), flags=re.MULTILINE)
    message = message.partition("\nCONTEXT:")[0].partition(". The job has been queued")[0]
    message = message.rpartition("The actual reason given is: ")[2]
    return one_line(message) + redshift.remedy(message)


def _source(source: Source, table: Table, lake: Lake, files: list[str]) -> Any:
    @dlt.resource(
        name=table.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key="logical_date",
        columns=_hints(table),
    )
    def rows() -> Iterator[pa.Table]:
        for file in files:
            for batch in batches(lake, file):
                yield _with_origin(pa.Table.from_batches([batch]), file)
        if not files:
            yield _with_origin(schema(table).empty_table(), "")

    @dlt.source(name=source.name)
    def staged() -> Any:
        return rows

    return staged()


def _count_rows(lake: Lake, file: str) -> int:
    with lake.open(file) as parquet:
        rows: int = pq.read_metadata(parquet).num_rows
    return rows


def _hints(table: Table) -> TTableSchemaColumns:
    """Return dlt's column hints.

    Times have no time zone: dlt would store them as UTC, and casts would shift them to the zone of
    the session. Redshift sorts by `logical_date`, by which rows are replaced and read.
    """
    local_times: TTableSchemaColumns = {
        column.name: {"name": column.name, "data_type": "timestamp", "timezone": False}
        for column in table.columns
        if pa.types.is_timestamp(column.type)
    }
    return {**local_times, "logical_date": {"name": "logical_date", "sort": True}}


def _with_origin(arrow: pa.Table, file: str) -> pa.Table:
    return arrow.append_column(
        pa.field("stage_file", pa.string(), nullable=False),
        pa.repeat(file, len(arrow)),
    )


def drop_pending_packages(pipe: dlt.Pipeline) -> None:
    """Drop the load packages of a run that was killed or refused by the warehouse.

    dlt would load them instead of new data. Their rows are staged, and are loaded from there.
    """
    if pipe.has_pending_data:
        pipe.abort_packages()


def remove_copied_files(lake: Lake, name: str) -> None:
    """Delete the files that Redshift has copied, which dlt would keep until the next load."""
    for key in lake.keys(f"{redshift.COPIED_FROM}/staging_{name}"):
        lake.delete(key)


def _loaded_files(pipe: dlt.Pipeline, table: Table) -> dict[date, str]:
    rows = query(pipe, "select distinct logical_date, stage_file from {}", table.name)
    return dict(rows or [])


def _exists(pipe: dlt.Pipeline, table: Table) -> bool:
    return query(pipe, "select 1 from {} limit 1", table.name) is not None


def _delete_date(pipe: dlt.Pipeline, table: Table, day: date) -> None:
    """Delete a date that has no rows any more, which dlt's merge would leave as it is."""
    with pipe.sql_client() as client:
        name = client.make_qualified_table_name(table.name)
        client.execute_sql(f"delete from {name} where logical_date = %s", day)


def query(pipe: dlt.Pipeline, sql: str, table: str) -> list[Any] | None:
    """Return the rows of a query, with `{}` for the table, or None if it does not exist yet."""
    try:
        with pipe.sql_client() as client:
            name = client.make_qualified_table_name(table)
            with client.execute_query(sql.format(name)) as cursor:
                return list(cursor.fetchall())
    except DestinationUndefinedEntity:
        return None
