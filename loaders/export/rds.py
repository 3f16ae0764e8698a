"""The website's database: its URL, the lock of its exporters, its reader role and its log."""

import os
import re
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Identifier

from loaders import settings
from loaders.errors import one_line
from loaders.export import embedded_postgres
from loaders.export.marts import ExportError
from loaders.export.roles import READER

APPLICATION = "hello-korea export"
LOCK = 20_261_122
"""Id of the export's advisory lock: any number that no other program of this database uses."""


@dataclass(frozen=True)
class TableReport:
    """Numbers of rows of one exported table."""

    table: str
    rows: int
    """In the mart."""
    inserted: int
    changed: int
    unchanged: int
    started_at: str
    """ISO 8601, with time zone."""
    duration_seconds: float
    deleted: int = 0
    kept: int = 0
    """No longer in the mart, but kept because a table that was kept out refers to them."""
    missing_extensions: tuple[str, ...] = ()
    """Extensions of PostgreSQL that the database lacks, so that the table lacks an index."""

    def __str__(self) -> str:
        kept = f", {self.kept:,} kept for tables that were kept out" if self.kept else ""
        return (
            f"{self.table}: {self.rows:,} rows, {self.inserted:,} inserted, "
            f"{self.changed:,} changed, {self.deleted:,} deleted{kept}"
        )


def database_url(target: str) -> str:
    """Return `RDS__URL`, or, for the target `local`, the embedded PostgreSQL's URL after a start.

    Raise SettingError if the URL is needed and missing, is not valid, or is of another machine
    whose certificate would not be verified.
    """
    url = settings.rds_url()
    if url is not None:
        _check_url(url)
        return url
    if target == "local":
        return embedded_postgres.start()
    raise settings.SettingError(
        "RDS__URL",
        None,
        f"expected the website's database, or RDS__TARGETS without {target}",
    )


def _check_url(url: str) -> None:
    try:
        parts = parse_dsn(url)
    except psycopg2.ProgrammingError:
        raise settings.SettingError(
            "RDS__URL", "(not shown)", "expected postgresql://user:password@host:5432/name"
        ) from None
    if "@" in (parts.get("host") or ""):
        raise settings.SettingError(
            "RDS__URL", "(not shown)", "expected an @ in the password written as %40"
        )
    if not re.fullmatch(r"\d{0,5}(,\d{0,5})*", parts.get("port") or ""):
        raise settings.SettingError(
            "RDS__URL", f"of port {parts['port']}", "expected a port number"
        )
    used = _used_by_libpq(parts)
    hosts = [host for name in ("host", "hostaddr") for host in used[name].split(",")]
    is_local = all(map(_is_local, hosts)) and not used["service"]
    if not is_local and used["sslmode"] != "verify-full":
        raise settings.SettingError(
            "RDS__URL",
            f"postgresql://…@{used['service'] or ' '.join(filter(None, hosts))}"
            f"/{parts.get('dbname', '')}",
            "expected ?sslmode=verify-full for a host that is not this machine",
        )


def _used_by_libpq(parts: Mapping[str, str]) -> dict[str, str]:
    """Return where libpq connects to, and how: what a URL leaves out comes from `PG…` variables.

    A service file outranks the variables, so beside one only the URL's own `sslmode` counts.
    """
    used = {
        name: parts.get(name) or os.environ.get(f"PG{name.upper()}", "")
        for name in ("host", "hostaddr", "service", "sslmode")
    }
    return used | {"sslmode": parts.get("sslmode", "")} if used["service"] else used


def _is_local(host: str) -> bool:
    return host in ("", "localhost", "::1") or host.startswith(("/", "127."))


def connect(url: str, outcome: str = "nothing was exported") -> Connection:
    """Connect to the database. Raise ExportError, whose message begins with the outcome."""
    try:
        return psycopg2.connect(
            url,
            application_name=APPLICATION,
            connect_timeout=30,
            # A lost network is noticed within two minutes, not after hours.
            keepalives_idle=60,
            keepalives_interval=10,
            keepalives_count=6,
            tcp_user_timeout=120_000,
        )
    except psycopg2.OperationalError as error:
        message = one_line(error)
        remedy = (
            "the server's own name as its host, and sslrootcert=<file of its authorities>"
            if "certificate" in message
            else "a database that lets its user in"
        )
        raise ExportError(f"{outcome}: {message}; expected in RDS__URL {remedy}") from None


def commit(connection: Connection) -> None:
    """Commit. Raise ExportError if the database did not report whether it committed."""
    try:
        connection.commit()
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise ExportError(
            "the connection to the database was lost while the export was committed: it is there"
            f" completely or not at all ({one_line(error)}); run `dlt pipeline rds run` to make"
            " sure"
        ) from None


def lock(cursor: Cursor) -> None:
    """Wait until no other export runs, and lock others out until the end of the transaction.

    Also set its timeouts.
    """
    set_timeouts(cursor)
    cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])


def set_timeouts(cursor: Cursor) -> None:
    """Set the timeouts of locks and statements in the transaction, from the settings
    `rds.lock_timeout` and `rds.statement_timeout`, in seconds."""
    cursor.execute(
        "select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true), "
        "set_config('maintenance_work_mem', '256MB', true), "
        # An exporter whose machine is lost releases its lock within two minutes.
        "set_config('tcp_keepalives_idle', '60', true), "
        "set_config('tcp_keepalives_interval', '10', true), "
        "set_config('tcp_keepalives_count', '6', true)",
        [
            f"{_seconds('rds.lock_timeout', 300)}s",
            f"{_seconds('rds.statement_timeout', 1800)}s",
        ],
    )


def _seconds(name: str, default: int) -> int:
    return settings.read(
        name, default, settings.non_negative_integer, "expected a number of seconds, such as 300"
    )


def lock_holders(url: str, tables: list[str]) -> str:
    """Return the sessions that hold the export's lock, or else any lock on these tables.

    The form is `psql (pid 12), …`.
    """
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct
                coalesce(nullif(application_name, ''), usename::text),
                pid,
                locktype = 'advisory'
            from pg_locks join pg_stat_activity using (pid)
            where granted and pid <> pg_backend_pid()
                and (
                    (locktype = 'advisory' and classid = 0 and objid = %s and objsubid = 1)
                    or relation = any (
                        select oid from pg_class
                        where relname = any (%s) and relnamespace = 'public'::regnamespace
                    )
                )
            order by pid
            """,
            [LOCK, tables],
        )
        sessions = cursor.fetchall()
    exporters = [session for session in sessions if session[2]]
    holders = exporters or sessions
    return ", ".join(f"{name} (pid {pid})" for name, pid, _ in holders) or "a session that ended"


def prepare(cursor: Cursor) -> None:
    """Create the log of exports, and the website's role, which may only select, if missing."""
    _prepare_log(cursor)
    _prepare_reader(cursor, Identifier(READER))


def _prepare_log(cursor: Cursor) -> None:
    cursor.execute("select to_regclass('public.export_log')")
    if cursor.fetchone() == (None,):
        cursor.execute(
            """
            create table public.export_log (
                run_id text not null,
                table_name text not null,
                rows bigint not null,
                inserted bigint not null,
                changed bigint not null,
                deleted bigint not null,
                unchanged bigint not null,
                started_at timestamptz not null,
                duration_seconds double precision not null,
                primary key (run_id, table_name, started_at)
            );
            comment on table public.export_log is
                'What each export did to each table; run_id is the invocation of dbt build.';
            """
        )


def _prepare_reader(cursor: Cursor, role: Identifier) -> None:
    cursor.execute("select from pg_roles where rolname = %s", [READER])
    if cursor.rowcount == 0:
        # Without a password, until the database's owner sets one.
        cursor.execute(SQL("create role {} login").format(role))
        cursor.execute(SQL("alter role {} set default_transaction_read_only = on").format(role))
    if not _reader_may(cursor, "usage"):
        cursor.execute(SQL("grant usage on schema public to {}").format(role))
    if _reader_may(cursor, "create"):
        cursor.execute("revoke create on schema public from public")
        if _reader_may(cursor, "create"):
            raise ExportError(
                f"{READER} may create objects in the schema public: as the schema's owner, run "
                f"`revoke create on schema public from public, {READER}`"
            )


def _reader_may(cursor: Cursor, privilege: str) -> bool:
    cursor.execute("select has_schema_privilege(%s, 'public', %s)", [READER, privilege])
    return cursor.fetchone() == (True,)


def tables_without_mart(cursor: Cursor, known: Collection[str]) -> tuple[str, ...]:
    """Return the tables that earlier exports wrote and that are still there, except the known."""
    cursor.execute(
        """
        select distinct table_name from public.export_log
        where table_name <> all (%s) and to_regclass(format('public.%%I', table_name)) is not null
        order by table_name
        """,
        [list(known)],
    )
    return tuple(table for (table,) in cursor)


def log(cursor: Cursor, run_id: str, report: TableReport) -> None:
    """Append the report of one table to `export_log`."""
    cursor.execute(
        """
        insert into public.export_log (
            run_id, table_name, rows, inserted, changed, deleted, unchanged,
            started_at, duration_seconds
        )
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            run_id,
            report.table,
            report.rows,
            report.inserted,
            report.changed,
            report.deleted,
            report.unchanged,
            report.started_at,
            report.duration_seconds,
        ],
    )
