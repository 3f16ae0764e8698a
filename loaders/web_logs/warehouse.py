"""The logs in the warehouse: DuckDB reads the staged files through a view, Redshift copies them.

They do not go through dlt's load, which would take each row apart and put it together again.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pyarrow as pa
from dlt.common.exceptions import DltException

from loaders import redshift, settings
from loaders.lake.folder import FolderLake
from loaders.lake.lake import Lake, map_parallel
from loaders.pipeline import load
from loaders.pipeline.load import LoadError
from loaders.warehouse_file import WarehouseInUseError
from loaders.web_logs import NAME, files, rows
from loaders.web_logs.config import LogsConfig

SQL_TYPES = {
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.string(): "varchar(20)",
    pa.timestamp("ms"): "timestamp",
    pa.date32(): "date",
}
LOADED_TABLE = "_loaded"
"""Table in Redshift with the staged files that it has copied, by table and date."""


Mend = Callable[[str], None]
"""Generates a file again unless it is as recorded."""


def load_table(
    lake: Lake, config: LogsConfig, table: str, dates: Iterable[date], mend: Mend
) -> int:
    """Make the warehouse's table equal to the staged files of these dates, and return its rows.

    Rows of other dates are removed. Files are verified before they are loaded. Raise LoadError.
    """
    staged = {day: files.file_keys(config, table, day) for day in dates}
    with _connect() as client:
        return _load_files(client, lake, table, staged, mend)


def count_rows(table: str) -> dict[date, int]:
    """Return the number of rows of each date of a table. Raise LoadError."""
    with _connect() as client:
        name = client.make_qualified_table_name(table)
        query = f"select logical_date, count(*) from {name} group by logical_date"
        with client.execute_query(query) as cursor:
            return dict(cursor.fetchall())


def forget(table: str, dates: Iterable[date]) -> None:
    """Have Redshift copy dates of a table again with the next load. Raise LoadError."""
    days = ", ".join(f"'{day}'" for day in dates)
    if days and settings.dbt_target() == "redshift":
        with _connect() as client:
            loaded_table = client.make_qualified_table_name(LOADED_TABLE)
            client.execute_sql(
                f"delete from {loaded_table}"
                f" where table_name = '{table}' and logical_date in ({days})"
            )


def empty_tables(lake: Lake, tables: Iterable[str]) -> None:
    """Remove all rows of tables, or create them without any. Raise LoadError."""
    with _connect() as client:
        for table in tables:
            _load_files(client, lake, table, {}, _mend_nothing)


def _mend_nothing(key: str) -> None:
    raise AssertionError(key)  # no file is loaded


@contextmanager
def _connect() -> Iterator[Any]:
    """Connect to the schema of the logs, which is created if it is missing. Raise LoadError."""
    pipe = load.pipeline(NAME)
    try:
        with load.open_client(pipe) as client:
            if not client.has_dataset():
                client.create_dataset()
        with pipe.sql_client() as client:  # enters the schema, which exists now
            yield client
    except WarehouseInUseError as error:
        raise LoadError(f"not loaded: {error}") from None
    except (DltException, psycopg2.Error) as error:
        raise LoadError(f"not loaded: {load.reason(error)}") from error


def _load_files(
    client: Any, lake: Lake, table: str, staged: dict[date, list[str]], mend: Mend
) -> int:
    if settings.dbt_target() == "redshift":
        _copy_changed_dates(client, lake, table, staged, mend)
        return _count(client, table)
    return _create_view(client, lake, table, staged, mend)


def _count(client: Any, table: str) -> int:
    name = client.make_qualified_table_name(table)
    with client.execute_query(f"select count(*) from {name}") as cursor:
        ((count,),) = cursor.fetchall()
    return int(count)


def _create_view(
    client: Any, lake: Lake, table: str, staged: dict[date, list[str]], mend: Mend
) -> int:
    """Create a view on the files, and return its rows.

    It lists them by name, so that it never reads a date of which only some parts are staged. A view
    on the same files is kept, since DuckDB opens each file to create or to count one.
    """
    paths = [_local_path(lake, key, mend) for keys in staged.values() for key in keys]
    if paths:
        path_list = ", ".join(redshift.literal(str(path)) for path in paths)
        query = f"select * from read_parquet([{path_list}], hive_partitioning = false)"
    else:
        columns = [
            f'null::{SQL_TYPES[field.type]} as "{field.name}"' for field in rows.SCHEMAS[table]
        ]
        query = f"select {', '.join(columns)} where false"
    digest = hashlib.sha256(query.encode()).hexdigest()
    kept_digest, _, kept_count = _comment(client, table).partition(" ")
    if kept_digest == digest:
        return int(kept_count)
    name = client.make_qualified_table_name(table)
    client.execute_sql(f"create or replace view {name} as {query}")
    count = _count(client, table)
    client.execute_sql(f"comment on view {name} is '{digest} {count}'")
    return count


def _comment(client: Any, table: str) -> str:
    """Return the comment of a view, which has the digest of its query and its rows, or nothing."""
    query = "select comment from duckdb_views() where schema_name = %s and view_name = %s"
    with client.execute_query(query, client.dataset_name, table) as cursor:
        rows_found = cursor.fetchall()
    return str(rows_found[0][0] or "") if rows_found else ""


def _local_path(lake: Lake, key: str, mend: Mend) -> Path:
    """Return the local path of a file of the lake, verified. One on S3 is downloaded once.

    A file that is not newer than its record was verified when that was written.
    """
    if isinstance(lake, FolderLake):
        path, record = lake.root / key, lake.root / files.record_key(key)
        if not _is_verified(path, record):
            mend(key)
            lake.write(files.record_key(key), record.read_bytes())
        return path
    path = settings.home() / "fetched" / key
    record = path.with_suffix(".json")
    if not _is_verified(path, record):
        _fetch(lake, key, path)
        with path.open("rb") as file:
            is_sound = files.matches(files.read_record(lake, key), file)
        if not is_sound:
            mend(key)
            _fetch(lake, key, path)
        record.write_bytes(lake.read(files.record_key(key)))
    return path


def _is_verified(path: Path, record: Path) -> bool:
    try:
        return path.stat().st_mtime_ns <= record.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def _fetch(lake: Lake, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with lake.open(key) as source, unfinished.open("wb") as target:
        shutil.copyfileobj(source, target)
    unfinished.replace(path)


def _copy_changed_dates(
    client: Any, lake: Lake, table: str, staged: dict[date, list[str]], mend: Mend
) -> None:
    """Copy the dates whose files differ from the copied ones, in one transaction."""
    name, loaded_table = map(client.make_qualified_table_name, (table, LOADED_TABLE))
    _create_tables(client, table, name, loaded_table)
    with client.execute_query(
        f"select logical_date, files from {loaded_table} where table_name = '{table}'"
    ) as cursor:
        loaded = dict(cursor.fetchall())
    wanted = {day: " ".join(keys) for day, keys in staged.items()}
    changed = sorted(day for day in wanted | loaded if wanted.get(day) != loaded.get(day))
    if not changed:
        return
    to_copy = [day for day in changed if day in wanted]
    map_parallel(mend, [key for day in to_copy for key in staged[day]])
    manifest = f"{redshift.COPIED_FROM}/{NAME}/{uuid4().hex}.manifest"
    if to_copy:
        lake.write(manifest, _manifest(lake, [key for day in to_copy for key in staged[day]]))
    try:
        with client.begin_transaction():
            dates = ", ".join(f"'{day}'" for day in changed)
            client.execute_sql(f"delete from {name} where logical_date in ({dates})")
            client.execute_sql(
                f"delete from {loaded_table}"
                f" where table_name = '{table}' and logical_date in ({dates})"
            )
            if to_copy:
                manifest_url = redshift.literal(f"{lake.url}/{manifest}")
                client.execute_sql(
                    f"copy {name} from {manifest_url} {redshift.authorization()}"
                    " format as parquet manifest"
                )
                values = ", ".join(f"('{table}', '{day}', '{wanted[day]}')" for day in to_copy)
                client.execute_sql(f"insert into {loaded_table} values {values}")
    finally:
        lake.delete(manifest)


def _create_tables(client: Any, table: str, name: str, loaded_table: str) -> None:
    columns = ", ".join(f'"{field.name}" {SQL_TYPES[field.type]}' for field in rows.SCHEMAS[table])
    client.execute_sql(
        f"create table if not exists {name} ({columns}) diststyle even sortkey (logical_date)"
    )
    client.execute_sql(
        f"create table if not exists {loaded_table}"
        " (table_name varchar(20), logical_date date, files varchar(max)) diststyle all"
    )


def _manifest(lake: Lake, keys: list[str]) -> bytes:
    """Return COPY's manifest of parquet files, which must contain their lengths."""
    entries = [
        {
            "url": f"{lake.url}/{key}",
            "mandatory": True,
            "meta": {"content_length": lake.size(key)},
        }
        for key in keys
    ]
    return json.dumps({"entries": entries}).encode()
