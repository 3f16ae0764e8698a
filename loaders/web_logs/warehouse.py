"""The logs in the warehouse: DuckDB reads them where they stand, Redshift copies them.

They do not go through dlt's load, which would take each row apart and put it together again.
"""

import json
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pyarrow as pa
from dlt.common.exceptions import DltException

from loaders import redshift, settings
from loaders.lake.folder import FolderLake
from loaders.lake.lake import Lake
from loaders.pipeline import load
from loaders.pipeline.load import LoadError
from loaders.web_logs import NAME, files, rows
from loaders.web_logs.logs import Logs

TYPES = {
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.string(): "varchar(20)",
    pa.timestamp("ms"): "timestamp",
    pa.date32(): "date",
}
LOADED = "_loaded"
"""Which staged files Redshift holds, by table and date."""


def load_table(lake: Lake, logs: Logs, table: str, dates: Iterable[date]) -> int:
    """Makes the warehouse hold of these dates what stage has, and of no other date anything.

    Returns the rows of the table. Raises LoadError.
    """
    staged = {on: files.keys(logs, table, on) for on in dates}
    pipe = load.pipeline(NAME)
    try:
        with pipe.sql_client() as client:
            if not client.has_dataset():
                client.create_dataset()
        with pipe.sql_client() as client:  # in the schema that is there now
            name = client.make_qualified_table_name(table)
            if settings.dbt_target() == "redshift":
                _copy(client, lake, table, staged)
            else:
                _read_in_place(client, lake, table, staged)
            with client.execute_query(f"select count(*) from {name}") as cursor:
                ((count,),) = cursor.fetchall()
    except (DltException, psycopg2.Error) as error:
        raise LoadError(f"not loaded: {load.reason(error)}") from error
    return int(count)


def _read_in_place(client: Any, lake: Lake, table: str, staged: dict[date, list[str]]) -> None:
    """A view on the files. Their list stands in it, so that a file that is half way between two
    runs is none of its own."""
    paths = [_path(lake, key) for keys in staged.values() for key in keys]
    listed = ", ".join(redshift.literal(str(path)) for path in paths)
    if paths:
        query = f"select * from read_parquet([{listed}], hive_partitioning = false)"
    else:
        columns = [f'null::{TYPES[it.type]} as "{it.name}"' for it in rows.SCHEMAS[table]]
        query = f"select {', '.join(columns)} where false"
    name = client.make_qualified_table_name(table)
    client.execute_sql(f"create or replace view {name} as {query}")


def _path(lake: Lake, key: str) -> Path:
    """Where DuckDB finds a file of the lake; one on S3 is fetched once."""
    if isinstance(lake, FolderLake):
        return lake.root / key
    path = settings.home() / "fetched" / key
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with lake.open(key) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        part.replace(path)
    return path


def _copy(client: Any, lake: Lake, table: str, staged: dict[date, list[str]]) -> None:
    """The dates whose files are not those that were copied, in one transaction."""
    columns = ", ".join(f'"{it.name}" {TYPES[it.type]}' for it in rows.SCHEMAS[table])
    name, known = map(client.make_qualified_table_name, (table, LOADED))
    client.execute_sql(
        f"create table if not exists {name} ({columns}) diststyle even sortkey (logical_date)"
    )
    client.execute_sql(
        f"create table if not exists {known}"
        " (table_name varchar(20), logical_date date, files varchar(max)) diststyle all"
    )
    with client.execute_query(
        f"select logical_date, files from {known} where table_name = '{table}'"
    ) as cursor:
        loaded = dict(cursor.fetchall())
    wanted = {on: " ".join(keys) for on, keys in staged.items()}
    other = {on for on in wanted | loaded if wanted.get(on) != loaded.get(on)}
    new = sorted(other & wanted.keys())
    if not other:
        return
    manifest = f"{redshift.COPIED_FROM}/{NAME}/{uuid4().hex}.manifest"
    if new:
        lake.write(manifest, _manifest(lake, [key for on in new for key in staged[on]]))
    try:
        with client.begin_transaction():
            days = ", ".join(f"'{on}'" for on in sorted(other))
            client.execute_sql(f"delete from {name} where logical_date in ({days})")
            client.execute_sql(
                f"delete from {known} where table_name = '{table}' and logical_date in ({days})"
            )
            if new:
                where = redshift.literal(f"{lake.url}/{manifest}")
                client.execute_sql(
                    f"copy {name} from {where} {redshift.authorization()}"
                    " format as parquet manifest"
                )
                said = ", ".join(f"('{table}', '{on}', '{wanted[on]}')" for on in new)
                client.execute_sql(f"insert into {known} values {said}")
    finally:
        lake.delete(manifest)


def _manifest(lake: Lake, keys: list[str]) -> bytes:
    """What COPY reads, file by file: of parquet it wants to know the lengths before."""
    entries = [
        {
            "url": f"{lake.url}/{key}",
            "mandatory": True,
            "meta": {"content_length": lake.size(key)},
        }
        for key in keys
    ]
    return json.dumps({"entries": entries}).encode()
