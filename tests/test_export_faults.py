"""The website's database is lost, slow or locked by another session during an export."""

import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import psycopg2
import pytest
import trustme
from support.small_project import SmallProject
from support.wire_cutter import WireCutter

from loaders.export import embedded_postgres, rds, tables
from loaders.export.export import Report, export
from loaders.export.marts import ExportError, Mart

TABLES = ("districts", "rates", "venues", "events")


@pytest.fixture
def project(small_copy: SmallProject, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project that was exported once and whose marts have changed since."""
    for name, value in small_copy.environment.items():
        monkeypatch.setenv(name, value)
    export(small_copy.target_dir)
    change_marts(small_copy, "!")
    return small_copy


def change_marts(project: SmallProject, suffix: str) -> None:
    """Add and delete an event, and append the suffix to every venue and to half of the events."""
    project.warehouse(
        f"""
        update main_serving.rds_events set title = title || '{suffix}' where event_id % 2 = 0;
        delete from main_serving.rds_events where event_id = (
            select min(event_id) from main_serving.rds_events
        );
        insert into main_serving.rds_events
        select max(event_id) + 1, 'v1', 'New', date '2026-11-22', date '2026-11-23', 1, true,
            timestamp '2026-11-22 19:30:00', 0.5
        from main_serving.rds_events;
        update main_serving.rds_venues set venue_name = venue_name || '{suffix}';
        """
    )


def exported_rows(project: SmallProject) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of each table without the time of the export."""
    return {
        table: project.rds(
            f"select (to_jsonb(t) - 'updated_at')::text from public.{table} as t order by 1"
        )
        for table in TABLES
    }


def export_through(
    wire: WireCutter, project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> Report:
    with monkeypatch.context() as settings:
        settings.setenv("RDS__URL", wire.url)
        return export(project.target_dir)


def count_bytes(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return the number of bytes that an undisturbed export sends in each direction."""
    with WireCutter(project.url) as wire:
        export_through(wire, project, monkeypatch)
    return wire.passed


def change_counts(report: Report) -> set[tuple[int, int, int]]:
    """Return the distinct counts of inserted, changed and deleted rows of the tables."""
    return {(table.inserted, table.changed, table.deleted) for table in report.tables}


@pytest.mark.long
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_a_connection_lost_at_any_point_leaves_all_or_nothing_and_the_next_export_completes(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    total = count_bytes(project, monkeypatch)[direction]
    spread = [total * part // 12 for part in range(1, 12)]
    for number, at in enumerate([*spread, total - 60, total - 20, total - 6, total - 2]):
        change_marts(project, str(number % 10))
        before = exported_rows(project)
        with WireCutter(project.url, direction, at) as wire, pytest.raises(ExportError) as failure:
            export_through(wire, project, monkeypatch)
        assert "\n" not in str(failure.value)
        after = exported_rows(project)
        if "completely or not at all" not in str(failure.value):
            assert after == before, at
        elif after != before:
            assert [table.inserted for table in export(project.target_dir).tables] == [0, 0, 0, 0]
        report = export(project.target_dir)
        expected = {table.table: table.rows for table in report.tables}
        assert {table: len(rows) for table, rows in exported_rows(project).items()} == expected
        assert change_counts(export(project.target_dir)) == {(0, 0, 0)}


def test_a_connection_lost_during_the_commit_is_reported_as_such(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_marts(project, "?")
    total = count_bytes(project, monkeypatch)["to_client"]
    change_marts(project, "c")
    # The last response is to COMMIT: the client's goodbye has none.
    wire = WireCutter(project.url, "to_client", total - 3)
    with wire, pytest.raises(ExportError) as failure:
        export_through(wire, project, monkeypatch)
    assert "dlt pipeline rds run" in str(failure.value)
    assert change_counts(export(project.target_dir)) == {(0, 0, 0)}


@pytest.mark.parametrize("cause", ["its backend is ended", "the server crashes"])
def test_a_database_that_is_lost_during_an_export_is_unchanged(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    total = count_bytes(project, monkeypatch)["to_server"]
    change_marts(project, "x")
    before = exported_rows(project)

    def lose_database() -> None:
        if cause == "its backend is ended":
            project.rds(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = %s",
                rds.APPLICATION,
            )
        else:
            crash(project.url)

    wire = WireCutter(project.url, "to_server", total // 2, lose_database)
    with wire, pytest.raises(ExportError, match="nothing was exported"):
        export_through(wire, project, monkeypatch)
    assert exported_rows(project) == before
    report = export(project.target_dir)
    assert sum(table.inserted + table.changed for table in report.tables) > 0


def crash(url: str) -> None:
    """Stop the server as a power cut does, and start it again."""
    folder = Path(psycopg2.extensions.parse_dsn(url)["host"])
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(folder.parent))
        server = embedded_postgres._server(folder)
        stop = [server.bin_path / "pg_ctl", "-D", folder, "-m", "immediate", "-w", "stop"]
        subprocess.run(stop, user=server.system_user, check=True, capture_output=True)
        embedded_postgres.start()


def test_a_remote_database_needs_a_certificate_of_its_name_by_a_trusted_authority(
    project: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, untrusted = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    untrusted.cert_pem.write_to_path(tmp_path / "untrusted.pem")
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example").configure_cert(certificate)
    with WireCutter(project.url, certificate=certificate) as wire:
        for host, file, message in (
            ("other.example", "authority.pem", "does not match host name"),
            ("db.example", "untrusted.pem", "certificate verify failed"),
            ("db.example", "authority.pem", None),
        ):
            monkeypatch.setenv(
                "RDS__URL",
                wire.url.replace("127.0.0.1", host)
                + f"?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={tmp_path / file}",
            )
            if message is None:
                assert export(project.target_dir).tables
                continue
            with pytest.raises(ExportError, match=message) as refusal:
                export(project.target_dir)
            assert "expected in RDS__URL" in str(refusal.value)
            assert "sslrootcert" in str(refusal.value)


def test_a_statement_that_takes_too_long_is_ended_and_the_error_names_the_setting(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = exported_rows(project)
    project.rds(
        "create function public.slow() returns trigger language plpgsql as"
        " 'begin perform pg_sleep(3); return new; end';"
        " create trigger slow before insert or update on public.events"
        " for each statement execute function public.slow()"
    )
    monkeypatch.setenv("RDS__STATEMENT_TIMEOUT", "1")
    with pytest.raises(ExportError, match="RDS__STATEMENT_TIMEOUT"):
        export(project.target_dir)
    assert exported_rows(project) == before


def test_an_exporter_in_another_process_that_holds_the_lock_is_named(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, psycopg2; from loaders.export import rds;"
        f" connection = rds.connect({project.url!r}); cursor = connection.cursor();"
        " rds.lock(cursor); print(connection.info.backend_pid, flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    pid = holder.stdout.readline().strip()
    monkeypatch.setenv("RDS__LOCK_TIMEOUT", "1")
    before = exported_rows(project)
    with pytest.raises(ExportError, match=rf"{rds.APPLICATION} \(pid {pid}\)"):
        export(project.target_dir)
    assert exported_rows(project) == before
    holder.communicate("")
    assert export(project.target_dir).tables


def test_a_reader_that_keeps_a_table_locked_is_named(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__LOCK_TIMEOUT", "1")
    with closing(psycopg2.connect(project.url, application_name="a long report")) as reader:
        reader.cursor().execute("lock table public.events in share mode")
        with pytest.raises(ExportError, match="a long report"):
            export(project.target_dir)


def test_an_export_waits_for_another_program_that_has_the_warehouse_open(
    project: SmallProject,
) -> None:
    holding = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", holding, project.home / "warehouse.duckdb"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin
    assert holder.stdout
    with holder, ThreadPoolExecutor(1) as threads:
        holder.stdout.readline()
        exporting = threads.submit(export, project.target_dir)
        with pytest.raises(TimeoutError):
            exporting.result(timeout=1)
        holder.stdin.close()
        assert exporting.result().held_back == {}


def test_readers_pass_while_a_change_of_a_table_waits_for_one_of_them(
    project: SmallProject,
) -> None:
    project.rds("alter table rates drop column rate")  # the export adds it again
    with closing(psycopg2.connect(project.url)) as idle, ThreadPoolExecutor(1) as threads:
        idle.cursor().execute("select from rates")
        exporting = threads.submit(export, project.target_dir)
        limit = 3 * tables.LOCK_TRY_SECONDS
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        while project.rds(waiting) != [(1,)]:
            assert not exporting.done(), exporting.result()
            sleep(0.01)
        for _ in range(3):
            # A reader waits no longer than one try.
            project.rds(f"set statement_timeout = '{limit}s'; select from rates")
            sleep(tables.LOCK_TRY_SECONDS / 2)
        assert not exporting.done()
        idle.rollback()
        assert exporting.result().held_back == {}
    assert project.rds("select count(rate) > 0 from rates") == [(True,)]


def test_readers_do_not_wait_for_the_rows_of_a_table_that_got_a_new_column(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = tables.upsert
    project.rds("alter table rates drop column rate")  # the export adds it again
    read: list[Any] = []

    def read_and_upsert(cursor: Any, mart: Mart) -> tuple[int, int]:
        counts = upsert(cursor, mart)
        read.extend(project.rds("set statement_timeout = '1s'; select count(rate) from rates"))
        return counts

    monkeypatch.setattr(tables, "upsert", read_and_upsert)
    export(project.target_dir)
    assert set(read) == {(0,)}
    assert project.rds("select count(rate) > 0 from rates") == [(True,)]


def test_a_new_column_stays_the_exports_own_if_the_export_fails(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.rds("alter table rates drop column rate")

    def fail(*_: Any) -> tuple[int, int]:
        raise ExportError("the power failed")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "upsert", fail)
        with pytest.raises(ExportError, match="the power failed"):
            export(project.target_dir)
    (commented,) = project.rds(
        "select count(col_description(attrelid, attnum)) from pg_attribute"
        " where attrelid = 'rates'::regclass and attname = 'rate'"
    )
    assert commented == (1,)
    assert export(project.target_dir).held_back == {}
    assert project.rds("select count(rate) > 0 from rates") == [(True,)]


def test_a_deadlock_ends_the_whole_export_and_the_next_one_completes(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, upsert = exported_rows(project), tables.upsert
    blocked = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
    with closing(psycopg2.connect(project.url)) as connection, connection.cursor() as other:
        # With a longer timeout here, the database ends the export and not this session.
        other.execute("set deadlock_timeout = '1min'; lock table public.events in share mode")
        waiter = Thread(target=other.execute, args=("update venues set venue_name = 'x'",))

        def upsert_and_wait(cursor: Any, mart: Mart) -> tuple[int, int]:
            counts = upsert(cursor, mart)
            if mart.table == "venues":
                waiter.start()
                while waiter.is_alive() and not project.rds(blocked):
                    sleep(0.01)
            return counts

        monkeypatch.setattr(tables, "upsert", upsert_and_wait)
        with pytest.raises(ExportError, match=r"nothing was exported: .*\(a deadlock\)"):
            export(project.target_dir)
        waiter.join()
        connection.rollback()
    monkeypatch.setattr(tables, "upsert", upsert)
    assert exported_rows(project) == before
    assert export(project.target_dir).tables
