"""The website's database is lost, slow or held by another, at any point of an export."""

import ssl
import subprocess
import sys
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

from loaders.export import embedded_postgres, rds
from loaders.export import tables as tables
from loaders.export.export import Report, export
from loaders.export.marts import ExportError, Mart

TABLES = ("districts", "rates", "venues", "events")


@pytest.fixture
def project(
    small_project: SmallProject, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SmallProject:
    """Exported once; since then each mart has new, changed and gone rows."""
    copied = small_project.copy(tmp_path / "copied", database)
    copied.empty_rds()
    for name, value in copied.environment.items():
        monkeypatch.setenv(name, value)
    export(copied.target_dir)
    change(copied, "!")
    return copied


def change(project: SmallProject, mark: str) -> None:
    """The marts of another day."""
    project.warehouse(
        f"""
        update main_serving.rds_events set title = title || '{mark}' where event_id % 2 = 0;
        delete from main_serving.rds_events where event_id = (
            select min(event_id) from main_serving.rds_events
        );
        insert into main_serving.rds_events
        select max(event_id) + 1, 'v1', 'New', date '2026-11-22', date '2026-11-23', 1, true,
            timestamp '2026-11-22 19:30:00', 0.5
        from main_serving.rds_events;
        update main_serving.rds_venues set venue_name = venue_name || '{mark}';
        """
    )


def website(project: SmallProject) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: project.rds(f"select t::text from public.{table} as t order by 1")
        for table in TABLES
    }


def through(wire: WireCutter, project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> Report:
    with monkeypatch.context() as settings:
        settings.setenv("RDS__URL", wire.url)
        return export(project.target_dir)


def undisturbed(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The bytes that pass each way in an export."""
    with WireCutter(project.url) as wire:
        through(wire, project, monkeypatch)
    return wire.passed


@pytest.mark.parametrize("way", ["to_server", "to_client"])
def test_a_connection_lost_at_any_point_leaves_all_or_nothing_and_the_next_export_completes(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    end = undisturbed(project, monkeypatch)[way]
    spread = [end * part // 12 for part in range(1, 12)]
    for number, at in enumerate([*spread, end - 60, end - 20, end - 6, end - 2]):
        change(project, str(number % 10))
        before = website(project)
        with WireCutter(project.url, way, at) as wire, pytest.raises(ExportError) as lost:
            through(wire, project, monkeypatch)
        assert "\n" not in str(lost.value)
        after = website(project)
        if "wholly or not at all" not in str(lost.value):
            assert after == before, at
        elif after != before:
            assert [it.inserted for it in export(project.target_dir).tables] == [0, 0, 0, 0]
        report = export(project.target_dir)
        rows = {it.table: it.rows for it in report.tables}
        assert {table: len(found) for table, found in website(project).items()} == rows
        again = export(project.target_dir)
        assert {(it.inserted, it.changed, it.deleted) for it in again.tables} == {(0, 0, 0)}


def test_a_connection_lost_in_the_commit_is_told_as_what_it_is(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(project, "?")
    end = undisturbed(project, monkeypatch)["to_client"]
    change(project, "c")
    # The last answers are those to COMMIT and, none, to the goodbye.
    with WireCutter(project.url, "to_client", end - 3) as wire, pytest.raises(ExportError) as lost:
        through(wire, project, monkeypatch)
    assert "dlt pipeline rds run" in str(lost.value)
    committed = export(project.target_dir)
    assert {(it.inserted, it.changed, it.deleted) for it in committed.tables} == {(0, 0, 0)}


@pytest.mark.parametrize("how", ["its backend is ended", "the server crashes"])
def test_a_database_that_goes_away_keeps_what_it_had(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    end = undisturbed(project, monkeypatch)["to_server"]
    change(project, "x")
    before = website(project)

    def go_away() -> None:
        if how == "its backend is ended":
            project.rds(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = %s",
                rds.APPLICATION,
            )
        else:
            crash(project.url)

    wire = WireCutter(project.url, "to_server", end // 2, go_away)
    with wire, pytest.raises(ExportError, match="nothing was exported"):
        through(wire, project, monkeypatch)
    assert website(project) == before
    assert sum(it.inserted + it.changed for it in export(project.target_dir).tables) > 0


def crash(url: str) -> None:
    """Ends the server as a power cut does, and starts it again."""
    folder = Path(psycopg2.extensions.parse_dsn(url)["host"])
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(folder.parent))
        server = embedded_postgres._server(folder)
        stop = [server.bin_path / "pg_ctl", "-D", folder, "-m", "immediate", "-w", "stop"]
        subprocess.run(stop, user=server.system_user, check=True, capture_output=True)
        embedded_postgres.start()


def test_a_far_database_must_prove_its_name_by_an_authority_that_is_trusted(
    project: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example").configure_cert(certificate)
    with WireCutter(project.url, certificate=certificate) as wire:
        for host, file, said in (
            ("other.example", "authority.pem", "does not match host name"),
            ("db.example", "other.pem", "certificate verify failed"),
            ("db.example", "authority.pem", None),
        ):
            monkeypatch.setenv(
                "RDS__URL",
                wire.url.replace("127.0.0.1", host)
                + f"?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={tmp_path / file}",
            )
            if said is None:
                assert export(project.target_dir).tables
                continue
            with pytest.raises(ExportError, match=said) as refused:
                export(project.target_dir)
            assert "expected in RDS__URL" in str(refused.value)
            assert "sslrootcert" in str(refused.value)


def test_a_statement_that_takes_too_long_is_ended_and_told_by_its_setting(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = website(project)
    project.rds(
        "create function public.slow() returns trigger language plpgsql as"
        " 'begin perform pg_sleep(3); return new; end';"
        " create trigger slow before insert or update on public.events"
        " for each statement execute function public.slow()"
    )
    monkeypatch.setenv("RDS__STATEMENT_TIMEOUT", "1")
    with pytest.raises(ExportError, match="RDS__STATEMENT_TIMEOUT"):
        export(project.target_dir)
    assert website(project) == before


def test_an_exporter_of_another_process_that_holds_the_lock_is_named(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, psycopg2; from loaders import rds;"
        f" connection = rds.connect({project.url!r}); cursor = connection.cursor();"
        " rds.lock(cursor); print(connection.info.backend_pid, flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    pid = holder.stdout.readline().strip()
    monkeypatch.setenv("RDS__LOCK_TIMEOUT", "1")
    before = website(project)
    with pytest.raises(ExportError, match=rf"{rds.APPLICATION} \(pid {pid}\)"):
        export(project.target_dir)
    assert website(project) == before
    holder.communicate("")
    assert export(project.target_dir).tables


def test_a_table_that_a_reader_keeps_locked_is_named_with_its_reader(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__LOCK_TIMEOUT", "1")
    with closing(psycopg2.connect(project.url, application_name="a long report")) as reader:
        reader.cursor().execute("lock table public.events in share mode")
        with pytest.raises(ExportError, match="a long report"):
            export(project.target_dir)


def test_a_deadlock_ends_the_export_as_a_whole_and_the_next_one_completes(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, upsert = website(project), tables.upsert
    blocked = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
    with closing(psycopg2.connect(project.url)) as connection, connection.cursor() as other:
        # So that the export is the one that the database ends.
        other.execute("set deadlock_timeout = '1min'; lock table public.events in share mode")
        waiting = Thread(target=other.execute, args=("update venues set venue_name = 'x'",))

        def upsert_and_wait(cursor: Any, mart: Mart) -> tuple[int, int]:
            counts = upsert(cursor, mart)
            if mart.table == "venues":
                waiting.start()
                while waiting.is_alive() and not project.rds(blocked):
                    sleep(0.01)
            return counts

        monkeypatch.setattr(tables, "upsert", upsert_and_wait)
        with pytest.raises(ExportError, match=r"nothing was exported: .*\(a deadlock\)"):
            export(project.target_dir)
        waiting.join()
        connection.rollback()
    monkeypatch.setattr(tables, "upsert", upsert)
    assert website(project) == before
    assert export(project.target_dir).tables
