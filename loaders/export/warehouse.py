"""The warehouse as the export reads it: a mart's rows, a few at a time, all marts in one state.

DuckDB hands its rows over directly. Redshift unloads them to the lake as parquet, each slice its
own file, from where they are read: its leader node would have to hold what goes by a cursor.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa

from loaders import redshift, settings
from loaders.export.marts import ExportError
from loaders.lake.lake import BATCH_ROWS, Lake, batches, open_lake

UNLOADED_TO = "unload"
"""The folder of the lake that Redshift unloads to."""


class Warehouse(Protocol):
    def count(self, relation: str) -> int: ...

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]: ...


def opened(credentials: Any) -> AbstractContextManager[Warehouse]:
    """The warehouse of dbt's credentials, in one transaction. Raises ExportError, SettingError."""
    return {"duckdb": _duckdb, "redshift": _redshift}[credentials.type](credentials)


class _DuckDB:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def count(self, relation: str) -> int:
        ((rows,),) = self._connection.sql(f"select count(*) from {relation}").fetchall()
        return int(rows)

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        query = self._connection.sql(f"select {_listed(columns)} from {relation}")
        yield from query.to_arrow_reader(BATCH_ROWS)


@contextmanager
def _duckdb(credentials: Any) -> Iterator[Warehouse]:
    # Opened as dbt-duckdb opens it: within one process DuckDB lets a file be opened twice only
    # with the same settings, and after `dbt build` dbt still has it open.
    import duckdb
    from dbt.adapters.duckdb import environments

    try:
        environment = environments.create(credentials)
        try:
            connection = environment.handle().cursor()  # type: ignore[no-untyped-call]
            connection.begin()
            yield _DuckDB(connection)
        finally:
            environment.close()  # type: ignore[no-untyped-call]
    except duckdb.Error as error:
        raise ExportError(f"the warehouse {credentials.path}: {_one_line(error)}") from error


class _Redshift:
    def __init__(self, connection: Any, host: str, lake: Lake) -> None:
        self._connection = connection
        self._host = host
        self._lake = lake
        self.folder = f"{UNLOADED_TO}/{uuid4().hex}"
        """Of this export alone: UNLOAD wants an empty place."""

    def count(self, relation: str) -> int:
        with _driver(self._host), closing(self._connection.cursor()) as cursor:
            cursor.execute(f"select count(*) from {relation}")
            ((rows,),) = cursor.fetchall()
        return int(rows)

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        folder = f"{self.folder}/" + relation.replace('"', "")
        with _driver(self._host), closing(self._connection.cursor()) as cursor:
            cursor.execute(
                f"unload ({redshift.literal(f'select {_listed(columns)} from {relation}')})"
                f" to {redshift.literal(f'{self._lake.url}/{folder}/')} {redshift.authorization()}"
                f" format as parquet maxfilesize 256 mb {_encryption()}"
            )
        for file in self._lake.keys(folder):
            yield from batches(self._lake, file)
            self._lake.delete(file)

    def clean(self) -> None:
        for file in self._lake.keys(self.folder):
            self._lake.delete(file)


@contextmanager
def _redshift(credentials: Any) -> Iterator[Warehouse]:
    from dbt.adapters.redshift.connections import get_connection_method

    url = settings.lake_url()
    if not url.startswith("s3://"):
        raise settings.SettingError(
            "LAKE__URL", url, "expected s3://bucket/prefix: Redshift unloads the marts there"
        )
    with _driver(credentials.host):
        connection = get_connection_method(credentials)()
    try:
        connection.autocommit = False  # one transaction is one state
        source = _Redshift(connection, credentials.host, open_lake(url))
        try:
            yield source
        finally:
            source.clean()
    except OSError as error:
        raise ExportError(f"the marts of {credentials.host} were not read: {error}") from error
    finally:
        with suppress(Exception):  # of a connection that is lost already
            connection.close()


@contextmanager
def _driver(host: str) -> Iterator[None]:
    """What Redshift's driver raises, which is anything where an answer breaks off."""
    try:
        yield
    except Exception as error:
        raise ExportError(f"the warehouse {host}: {_said(error)}") from None


def _listed(columns: tuple[str, ...]) -> str:
    names = (name.replace('"', '""') for name in columns)
    return ", ".join(f'"{name}"' for name in names)


def _encryption() -> str:
    """UNLOAD encrypts by S3's own key unless told of another."""
    key = settings.lake_encryption().get("SSEKMSKeyId")
    return f"kms_key_id '{key}' encrypted" if key else ""


def _said(error: Exception) -> str:
    """Redshift's words without the statement, which may hold a key of the lake."""
    from redshift_connector.error import Error

    said = error.args[0] if error.args else ""
    if isinstance(said, dict):
        return str(said.get("M", ""))
    if isinstance(error, Error | OSError):
        return _one_line(error)
    return f"its answer broke off ({_one_line(error)})"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
