"""Load: staged parquet into the schema `staging_<source>` of the warehouse, by dlt.

A table's date is replaced in one transaction (dlt's delete-insert on `logical_date`). Redshift
takes the rows by COPY from the lake, where dlt puts them under `load/`.
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
from loaders.lake import Lake, batches
from loaders.settings import SettingError
from loaders.source import Source, Table
from loaders.stage import schema


class LoadError(Exception):
    """The warehouse did not take a table."""


def pipeline(name: str) -> dlt.Pipeline:
    """The dlt pipeline of a source, on the warehouse of the dbt target."""
    # What it logs of a fault is pages long; what fails in the end is told in one line.
    logging.getLogger("dlt").setLevel(settings.read("runtime.log_level", "CRITICAL", str.upper, ""))
    # Arrow tables get the load id only when this is set.
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = True
    # Redshift's merge goes over tables beside the real ones, which need not keep their rows.
    dlt.config["load.truncate_staging_dataset"] = True
    destination, staging = warehouse()
    return dlt.pipeline(
        pipeline_name=name,
        destination=destination,
        staging=staging,
        dataset_name=f"staging_{name}",
    )


def warehouse() -> tuple[Any, Any]:
    """dlt's destination for the dbt target, and where it stages what is copied from there, if it
    does. Raises SettingError."""
    target = settings.dbt_target()
    if target == "local":
        return dlt.destinations.duckdb(str(settings.home() / "warehouse.duckdb")), None
    if target == "redshift":
        return redshift.destination(), redshift.staging()
    raise SettingError("DBT_TARGET", target, "wants local or redshift")


_COUNTS = "select logical_date, count(*) from {} group by logical_date"


def load(
    pipe: dlt.Pipeline, source: Source, table: Table, lake: Lake, files: dict[date, str]
) -> dict[date, int]:
    """Replaces the dates of a table by their staged files; returns the rows that each now has.

    A date that the warehouse holds from the very same file is left as it is. Raises LoadError.
    """
    try:
        drop_what_was_begun(pipe)
        loaded = _loaded_files(pipe, table)
        changed = {day: file for day, file in files.items() if loaded.get(day) != file}
        rows = {day: _rows(lake, file) for day, file in changed.items()}
        for day in changed:
            if rows[day] == 0 and day in loaded:
                _empty(pipe, table, day)
        filled = [file for day, file in changed.items() if rows[day]]
        if filled or not _exists(pipe, table):
            pipe.run(_source(source, table, lake, filled))
            remove_copied(lake, source.name)
        counts = dict(query(pipe, _COUNTS, table.name) or [])
        return {day: counts.get(day, 0) for day in files}
    except (DltException, psycopg2.Error) as error:
        raise LoadError(f"not loaded: {reason(error)}") from error


def reason(error: Exception) -> str:
    """The words of the database, in one line, without dlt's own around them."""
    cause = error.exception if isinstance(error, PipelineStepFailed) else error
    *_, said = re.split(r"^[\w.]+(?:Error|Exception)\w*: ", str(cause), flags=re.MULTILINE)
    said = said.partition("\nCONTEXT:")[0].partition(". The job has been queued")[0]
    said = said.rpartition("The actual reason given is: ")[2]
    return " ".join(said.split()) + redshift.remedy(said)


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


def _rows(lake: Lake, file: str) -> int:
    with lake.open(file) as parquet:
        rows: int = pq.read_metadata(parquet).num_rows
    return rows


def _hints(table: Table) -> TTableSchemaColumns:
    """That times have no zone: dlt would make them UTC, and a cast then shifts them to the zone of
    whoever reads. And that Redshift sorts by the date, by which rows are replaced and read."""
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


def drop_what_was_begun(pipe: dlt.Pipeline) -> None:
    """A run that was killed, or whose rows the warehouse refused, leaves packages, and dlt would
    load these in place of new data. All that is in them is staged, and is loaded from there."""
    if pipe.has_pending_data:
        pipe.abort_packages()


def remove_copied(lake: Lake, name: str) -> None:
    """What Redshift has copied is of no use any more; dlt would keep it until the next load."""
    for key in lake.keys(f"{redshift.COPIED_FROM}/staging_{name}"):
        lake.delete(key)


def _loaded_files(pipe: dlt.Pipeline, table: Table) -> dict[date, str]:
    rows = query(pipe, "select distinct logical_date, stage_file from {}", table.name)
    return dict(rows or [])


def _exists(pipe: dlt.Pipeline, table: Table) -> bool:
    return query(pipe, "select 1 from {} limit 1", table.name) is not None


def _empty(pipe: dlt.Pipeline, table: Table, day: date) -> None:
    """dlt's merge leaves a date alone that has no rows any more."""
    with pipe.sql_client() as client:
        name = client.make_qualified_table_name(table.name)
        client.execute_sql(f"delete from {name} where logical_date = %s", day)


def query(pipe: dlt.Pipeline, sql: str, table: str) -> list[Any] | None:
    """The rows of a query with `{}` for a table; None where the table does not exist yet."""
    try:
        with pipe.sql_client() as client:
            name = client.make_qualified_table_name(table)
            with client.execute_query(sql.format(name)) as cursor:
                return list(cursor.fetchall())
    except DestinationUndefinedEntity:
        return None
