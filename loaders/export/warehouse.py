"""Read marts from the warehouse, in batches, all in one transaction.

DuckDB yields its rows directly. Redshift unloads them to the lake as parquet, one file per slice:
through a cursor, its leader node would have to hold the result.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa

from loaders import redshift, settings
from loaders.errors import one_line
from loaders.export.marts import ExportError
from loaders.lake.lake import BATCH_ROWS, Lake, batches, open_lake
from loaders.warehouse_file import WarehouseInUseError, wait_until_free


class Warehouse(Protocol):
    """One transaction in the warehouse. Relations are quoted names, columns are not quoted."""

    def count(self, relation: str) -> int:
        """Return the number of rows."""

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches."""


def open_warehouse(credentials: Any) -> AbstractContextManager[Warehouse]:
    """Open the warehouse of dbt's credentials. Raise ExportError, SettingError."""
    return {"duckdb": _open_duckdb, "redshift": _open_redshift}[credentials.type](credentials)


class _DuckDB:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def count(self, relation: str) -> int:
        ((rows,),) = self._connection.sql(f"select count(*) from {relation}").fetchall()
        return int(rows)

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        query = self._connection.sql(f"select {_column_list(columns)} from {relation}")
        yield from query.to_arrow_reader(BATCH_ROWS)


@contextmanager
def _open_duckdb(credentials: Any) -> Iterator[Warehouse]:
    # In the same way as dbt-duckdb: within one process DuckDB opens a file twice only with the same
    # settings, and after `dbt build` dbt still has it open.
    import duckdb
    from dbt.adapters.duckdb import environments

    try:
        environment = environments.create(credentials)
        try:
            handle = wait_until_free(environment.handle)
            connection = handle.cursor()
            connection.begin()
            yield _DuckDB(connection)
        finally:
            environment.close()  # type: ignore[no-untyped-call]
    except WarehouseInUseError as error:
        raise ExportError(f"nothing was exported: {error}") from None
    except duckdb.Error as error:
        raise ExportError(f"the warehouse {credentials.path}: {one_line(error)}") from error


class _Redshift:
    def __init__(self, connection: Any, host: str, lake: Lake) -> None:
        self._connection = connection
        self._host = host
        self._lake = lake
        self._folder = f"{redshift.UNLOADED_TO}/{uuid4().hex}"
        """Used by this export only, since UNLOAD needs an empty folder."""

    def count(self, relation: str) -> int:
        with _redshift_errors(self._host), closing(self._connection.cursor()) as cursor:
            cursor.execute(f"select count(*) from {relation}")
            ((rows,),) = cursor.fetchall()
        return int(rows)

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        folder = f"{self._folder}/" + relation.replace('"', "")
        query = f"select {_column_list(columns)} from {relation}"
        with _redshift_errors(self._host), closing(self._connection.cursor()) as cursor:
            cursor.execute(
                f"unload ({redshift.literal(query)})"
                f" to {redshift.literal(f'{self._lake.url}/{folder}/')} {redshift.authorization()}"
                f" format as parquet maxfilesize 256 mb {_encryption()}"
            )
        for file in self._lake.keys(folder):
            yield from batches(self._lake, file)
            self._lake.delete(file)

    def clean(self) -> None:
        """Delete the files that were not read to their end."""
        for file in self._lake.keys(self._folder):
            self._lake.delete(file)


@contextmanager
def _open_redshift(credentials: Any) -> Iterator[Warehouse]:
    from dbt.adapters.redshift.connections import get_connection_method

    url = settings.lake_url()
    if not url.startswith("s3://"):
        raise settings.SettingError(
            "LAKE__URL", url, "expected s3://bucket/prefix: Redshift unloads the marts there"
        )
    with _redshift_errors(credentials.host):
        connection = get_connection_method(credentials)()
    try:
        connection.autocommit = False  # so that all marts are read in one transaction
        source = _Redshift(connection, credentials.host, open_lake(url))
        try:
            yield source
        finally:
            source.clean()
    except OSError as error:
        raise ExportError(f"the marts of {credentials.host} were not read: {error}") from error
    finally:
        with suppress(Exception):  # if the connection is already lost
            connection.close()


@contextmanager
def _redshift_errors(host: str) -> Iterator[None]:
    """Turn the errors of Redshift's driver into ExportError. They have any type if a connection is
    lost in the middle of a response."""
    try:
        yield
    except Exception as error:
        raise ExportError(f"the warehouse {host}: {_redshift_message(error)}") from None


def _redshift_message(error: Exception) -> str:
    """Return the message without the statement, which may contain a key of the lake."""
    from redshift_connector.error import Error

    content = error.args[0] if error.args else ""
    if isinstance(content, dict):
        return str(content.get("M", ""))
    if isinstance(error, Error | OSError):
        return one_line(error)
    return f"the connection was lost during a response ({one_line(error)})"


def _column_list(columns: tuple[str, ...]) -> str:
    names = (name.replace('"', '""') for name in columns)
    return ", ".join(f'"{name}"' for name in names)


def _encryption() -> str:
    """Return the encryption clause of UNLOAD. Without one, UNLOAD encrypts with S3's own key."""
    key = settings.lake_encryption().get("SSEKMSKeyId")
    return f"kms_key_id '{key}' encrypted" if key else ""
