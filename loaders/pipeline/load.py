"""Load: write staged parquet into the schema `staging_<source>` of the warehouse, through dlt.

A table's date is replaced in one transaction (dlt's delete-insert on `logical_date`). Redshift
copies the rows from the lake, where dlt puts them under `load/`.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TTableSchema, TTableSchemaColumns
from dlt.common.schema.utils import new_table
from dlt.pipeline.exceptions import PipelineStepFailed

from loaders import redshift, settings, warehouse_file
from loaders.errors import one_line
from loaders.lake.lake import Lake, batches
from loaders.pipeline import loaded_dates
from loaders.pipeline.loaded_dates import LoadedDate
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.stage import schema
from loaders.settings import SettingError
from loaders.sources.source import Source, Table
from loaders.warehouse_file import WarehouseInUseError, wait_until_free


class LoadError(Exception):
    """Raised when the warehouse did not load a table."""


def pipeline(name: str) -> dlt.Pipeline:
    """Return the dlt pipeline of a source, for the warehouse of the dbt target.

    Raise SettingError.
    """
    return _pipeline(name, settings.home())


def read_settings_again() -> None:
    """Forget the pipelines, which keep the settings that they were made with."""
    _pipeline.cache_clear()


# dlt takes longer to resolve a pipeline's settings than to load a small table.
@cache
def _pipeline(name: str, home: Path) -> dlt.Pipeline:
    # dlt logs pages for each retried error; a final failure is reported in one line.
    logging.getLogger("dlt").setLevel(settings.read("runtime.log_level", "CRITICAL", str.upper, ""))
    # Without this, arrow tables get no load id.
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = True
    # Redshift's merge uses intermediate tables, whose rows are not needed afterwards.
    dlt.config["load.truncate_staging_dataset"] = True
    destination, staging = warehouse()
    for resolver in filter(None, (destination, staging)):
        _resolve_capabilities_once(resolver)
    if staging is None:
        _resolve_configuration_once(destination)
    return dlt.pipeline(
        pipeline_name=name,
        destination=destination,
        staging=staging,
        dataset_name=f"staging_{name}",
    )


def _resolve_capabilities_once(destination: Any) -> None:
    """Let dlt read the settings of a destination's capabilities once for each naming convention.

    It would read them again at every step of a load.
    """
    resolve, resolved = destination.capabilities, {}

    def capabilities(config: Any = None, naming: Any = None) -> Any:
        if config is not None:
            return resolve(config, naming)
        if type(naming) not in resolved:
            resolved[type(naming)] = resolve(None, naming)
        return copy(resolved[type(naming)])

    destination.capabilities = capabilities


def _resolve_configuration_once(destination: Any) -> None:
    """Let dlt read the settings of DuckDB once for each dataset.

    It would read them again for every client.
    """
    resolve, resolved = destination.configuration, {}

    def configuration(initial: Any, accept_partial: bool = False) -> Any:
        if initial is None or accept_partial:
            return resolve(initial, accept_partial)
        dataset = (initial.dataset_name, initial.default_schema_name)
        if dataset not in resolved:
            resolved[dataset] = resolve(initial)
        config = resolved[dataset].copy()
        config.credentials.on_resolved()  # gives the copy connections of its own
        return config

    destination.configuration = configuration


@contextmanager
def connect() -> Iterator[Any]:
    """Connect to the warehouse, with the schema of the ledger as the default. Raise LoadError."""
    try:
        with open_client(pipeline(loaded_dates.PIPELINE)) as client:
            if not client.has_dataset():
                client.create_dataset()
            yield client
    except WarehouseInUseError as error:
        raise LoadError(f"not loaded: {error}") from None
    except (DltException, psycopg2.Error) as error:
        raise LoadError(f"not loaded: {reason(error)}") from error


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep the warehouse open and locked, since DuckDB takes longer to open a file than to answer.

    If it can't be opened, the next function that needs it says so.
    """
    with warehouse_lock(), ExitStack() as stack:
        with suppress(LoadError):
            stack.enter_context(connect())
        yield


@contextmanager
def open_client(pipe: dlt.Pipeline) -> Iterator[Any]:
    """Open a client of the warehouse, as soon as no other process has the DuckDB file open. Raise
    WarehouseInUseError."""
    with ExitStack() as stack:

        def enter() -> Any:
            client: Any = pipe.sql_client()  # its types are not those of a context manager
            return stack.enter_context(client)

        yield wait_until_free(enter)


def warehouse() -> tuple[Any, Any]:
    """Return dlt's destination for the dbt target, and its staging destination or None.

    Raise SettingError.
    """
    target = settings.dbt_target()
    if target == "local":
        home = str(settings.home())
        if "'" in home:
            expected = "expected a path without an apostrophe, below which dlt can't load"
            raise SettingError("HELLO_KOREA_HOME", home, expected)
        return dlt.destinations.duckdb(f"{home}/warehouse.duckdb"), None
    if target == "redshift":
        return redshift.destination(), redshift.staging()
    raise SettingError("DBT_TARGET", target, "expected local or redshift")


def load(
    pipe: dlt.Pipeline,
    ledger: Any,
    source: Source,
    table: Table,
    lake: Lake,
    files: Mapping[date, str],
) -> dict[date, LoadedDate]:
    """Replace dates of a table with their staged files, and record them in the ledger.

    `ledger` is an open client of `connect`. Raise LoadError.
    """
    try:
        drop_pending_packages(pipe)
        rows = {day: _count_rows(lake, file) for day, file in files.items()}
        filled = [file for day, file in files.items() if rows[day]]
        # A load that is killed is repeated.
        loaded_dates.invalidate(ledger, source.name, table.name, files)
        if filled or not _exists(ledger, source, table):
            pipe.run(_source(source, table, lake, filled))
            remove_copied_files(lake, source.name)
        _delete_dates(ledger, source, table, [day for day in files if rows[day] == 0])
        loads = {day: LoadedDate(file, rows[day], is_whole=True) for day, file in files.items()}
        loaded_dates.record(ledger, source.name, table.name, loads)
        return loads
    except (DltException, psycopg2.Error) as error:
        raise LoadError(f"not loaded: {reason(error)}") from error


def create_tables(pipe: dlt.Pipeline, source: Source, tables: list[Table]) -> None:
    """Create tables without rows, with the columns that a load of rows gives them.

    Raise LoadError.
    """
    try:
        known = source.name in pipe.schemas
        described = pipe.schemas[source.name] if known else Schema(source.name)
        for table in tables:
            described.update_table(_without_rows(table))
        pipe.schemas.save_schema(described)
        pipe.sync_schema(source.name)
    except (DltException, psycopg2.Error) as error:
        raise LoadError(
            f"the empty tables of {source.name} were not created: {reason(error)}"
        ) from error


def reason(error: Exception) -> str:
    """Return the database's own message, without dlt's text around it, in one line."""
    cause = error.exception if isinstance(error, PipelineStepFailed) else error
    *_, message = re.split(r"^[\w.]+(?:Error|Exception)\w*: ", str(cause), flags=re.MULTILINE)
    message = message.partition("\nCONTEXT:")[0].partition(". The job has been queued")[0]
    message = message.rpartition("The actual reason given is: ")[2]
    return one_line(message) + redshift.remedy(message) + warehouse_file.remedy(message)


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
            yield _empty(table)

    @dlt.source(name=source.name)
    def staged() -> Any:
        return rows

    return staged()


def _without_rows(table: Table) -> TTableSchema:
    """Return the table as dlt describes it once it has loaded rows."""
    columns = py_arrow_to_table_schema_columns(_empty(table).schema)
    for name, hints in _hints(table).items():
        columns[name].update(hints)
    load_id: TColumnSchema = {"name": "_dlt_load_id", "data_type": "text", "nullable": False}
    return new_table(table.name, write_disposition="merge", columns=[*columns.values(), load_id])


def _empty(table: Table) -> pa.Table:
    return _with_origin(schema(table).empty_table(), "")


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


def _exists(client: Any, source: Source, table: Table) -> bool:
    try:
        client.execute_sql(f"select 1 from {staging_table(source, table)} limit 1")
    except DestinationUndefinedEntity:
        return False
    return True


def _delete_dates(client: Any, source: Source, table: Table, dates: list[date]) -> None:
    """Delete dates that have no rows any more, which dlt's merge would leave as they are."""
    if dates:
        days = ", ".join(f"'{day}'" for day in dates)
        client.execute_sql(
            f"delete from {staging_table(source, table)} where logical_date in ({days})"
        )


def staging_table(source: Source, table: Table) -> str:
    return f"staging_{source.name}.{table.name}"


def query(pipe: dlt.Pipeline, sql: str, table: str) -> list[Any] | None:
    """Return the rows of a query, with `{}` for the table, or None if it does not exist yet."""
    try:
        with pipe.sql_client() as client:
            name = client.make_qualified_table_name(table)
            with client.execute_query(sql.format(name)) as cursor:
                return list(cursor.fetchall())
    except DestinationUndefinedEntity:
        return None
