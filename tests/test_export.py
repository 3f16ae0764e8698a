"""The export, from dbt's artifacts and a real DuckDB to a real PostgreSQL."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from support.project import ENOUGH_SECONDS
from support.small_project import SmallProject

from loaders import settings
from loaders.export import embedded_postgres, exported, rds
from loaders.export.export import Report, export, should_export
from loaders.export.marts import ExportError
from loaders.export.roles import EXPORTER, READER
from loaders.settings import SettingError

ORDER = ["districts", "rates", "venues", "events"]
SERVING = "main_serving"


@pytest.fixture
def project(small_copy: SmallProject, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    shutil.rmtree(small_copy.home / "proofs")  # so that only the artifacts count
    for name, value in small_copy.environment.items():
        monkeypatch.setenv(name, value)
    return small_copy


def run(project: SmallProject) -> Report:
    return export(project.target_dir)


def wait_for_a_waiting_exporter(project: SmallProject) -> None:
    """Wait until an exporter waits for the lock that another one holds."""
    waiting = "select pid from pg_locks where not granted and locktype = 'advisory'"
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not project.rds(waiting):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def changes(report: Report) -> dict[str, tuple[int, int, int]]:
    """Return the numbers of rows inserted, changed and deleted in each table with any."""
    return {
        table.table: (table.inserted, table.changed, table.deleted)
        for table in report.tables
        if table.inserted or table.changed or table.deleted
    }


def set_indexes(project: SmallProject, mart: str, indexes: list[Any]) -> None:
    """Set the indexes in the contract of a mart."""
    manifest = project.manifest()
    manifest["nodes"][f"model.shop.{mart}"]["config"]["meta"]["rds_indexes"] = indexes
    project.write_artifact("manifest.json", manifest)


def row_versions(project: SmallProject) -> list[tuple[Any, ...]]:
    """Return each row's position and the transactions that wrote and locked it."""
    return [
        row
        for table in ORDER
        for row in project.rds(f"select ctid, xmin, xmax from {table} order by ctid")
    ]


def set_status(project: SmallProject, node: str, status: str | None) -> None:
    """Set the status of one node in the build's results, or remove the node if it is None."""
    run_results = project.run_results()
    (result,) = [result for result in run_results["results"] if node in result["unique_id"]]
    if status is None:
        run_results["results"].remove(result)
    else:
        result["status"] = status
    project.write_artifact("run_results.json", run_results)


def test_the_first_export_creates_keys_indexes_comments_and_grants(project: SmallProject) -> None:
    report = run(project)

    assert [(table.table, table.rows, table.inserted) for table in report.tables] == [
        ("districts", 2, 2),
        ("rates", 10, 10),
        ("venues", 10, 10),
        ("events", 100, 100),
    ]
    constraints = project.rds(
        """
        select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
        where contype in ('p', 'f') and connamespace = 'public'::regnamespace
            and conrelid <> 'export_log'::regclass
        order by 1, 2
        """
    )
    assert constraints == [
        ("districts", "PRIMARY KEY (district_id)"),
        ("events", "FOREIGN KEY (venue_id) REFERENCES venues(venue_id)"),
        ("events", "PRIMARY KEY (event_id)"),
        ("rates", "PRIMARY KEY (currency, rate_date)"),
        ("venues", "FOREIGN KEY (district_id) REFERENCES districts(district_id)"),
        ("venues", "PRIMARY KEY (venue_id)"),
    ]
    indexes = project.rds("select indexdef from pg_indexes where tablename = 'events'")
    assert sorted(text.partition("(")[2] for (text,) in indexes) == [
        "event_id)",
        "starts_on, ends_on)",
        "updated_at)",
        "venue_id)",
    ]
    types = project.rds(
        """
        select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute
        where attrelid = 'events'::regclass and attnum > 0 order by attnum
        """
    )
    assert types[:2] == [("event_id", "bigint", True), ("venue_id", "character varying(20)", True)]
    assert types[5:] == [
        ("price", "numeric(38,9)", False),
        ("is_free", "boolean", False),
        ("opens_at", "timestamp without time zone", False),
        ("score", "double precision", False),
        ("updated_at", "timestamp with time zone", True),
    ]
    assert project.rds(
        "select obj_description('districts'::regclass), col_description('districts'::regclass, 2)"
    ) == [("The 25 districts of Seoul.", "한글 이름")]
    assert project.rds(
        "select bool_and(has_table_privilege(%s, name, 'select')) from unnest(%s) as name",
        READER,
        ORDER,
    ) == [(True,)]


def test_a_second_export_writes_only_its_log(project: SmallProject) -> None:
    run(project)
    before = row_versions(project)
    report = run(project)

    assert changes(report) == {}
    assert [table.unchanged for table in report.tables] == [2, 10, 10, 100]
    assert row_versions(project) == before


def test_updated_at_is_the_time_at_which_a_row_last_changed(project: SmallProject) -> None:
    run(project)
    times = "select {}, updated_at from {} order by 1"
    before = dict(project.rds(times.format("event_id", "events")))
    rates = project.rds(times.format("rate_date", "rates"))
    project.warehouse(
        f"""
        update {SERVING}.rds_events set title = 'changed' where event_id = 7;
        insert into {SERVING}.rds_events (event_id, venue_id) values (1000, 'v1');
        """
    )
    run(project)
    after = dict(project.rds(times.format("event_id", "events")))

    newer = {event_id for event_id, time in after.items() if time > max(before.values())}
    assert newer == {7, 1000}
    assert {event_id: after[event_id] for event_id in before if event_id != 7} == {
        event_id: time for event_id, time in before.items() if event_id != 7
    }
    assert project.rds(times.format("rate_date", "rates")) == rates
    assert len(set(before.values())) == 1


def test_a_table_from_before_gains_updated_at_without_a_write_of_its_rows(
    project: SmallProject,
) -> None:
    run(project)
    for table in ORDER:
        project.rds(f"alter table {table} drop column updated_at")
    before = row_versions(project)
    assert changes(run(project)) == {}

    assert row_versions(project) == before
    assert project.rds("select count(updated_at) from events") == [(100,)]
    assert changes(run(project)) == {}


def test_a_reader_of_what_changed_misses_no_export_that_waited_for_another(
    project: SmallProject,
) -> None:
    run(project)
    with closing(rds.connect(project.url)) as first, first.cursor() as cursor:
        rds.lock(cursor)
        project.warehouse(f"update {SERVING}.rds_events set title = 'changed'")
        second = threading.Thread(target=lambda: run(project))
        second.start()
        wait_for_a_waiting_exporter(project)
        cursor.execute("update venues set updated_at = statement_timestamp() returning updated_at")
        ((written_first, *_), *_) = cursor.fetchall()
        first.commit()
        second.join(ENOUGH_SECONDS)

    assert project.rds("select min(updated_at) > %s from events", written_first) == [(True,)]


def test_a_contract_cannot_have_the_column_that_the_export_adds(project: SmallProject) -> None:
    manifest = project.manifest()
    columns = manifest["nodes"]["model.shop.rds_rates"]["columns"]
    columns["updated_at"] = {**columns["rate"], "name": "updated_at"}
    project.write_artifact("manifest.json", manifest)

    with pytest.raises(ExportError, match="rds_rates: the export itself adds updated_at"):
        run(project)


def test_an_index_may_have_a_method_an_expression_and_a_condition(project: SmallProject) -> None:
    indexes = [
        {"method": "gin", "expressions": ["to_tsvector('simple', coalesce(title, '{}%'))"]},
        {"method": "gist", "expressions": ["point(score, score)"]},
        {"columns": ["starts_on"], "where": "is_free"},
        {"columns": ["event_id", "starts_on"], "unique": True},
    ]
    set_indexes(project, "rds_events", indexes)
    run(project)
    definitions = project.rds(
        "select indexrelid, pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = 'events'::regclass order by 1"
    )

    texts = [re.sub(r" INDEX \S+ ON .* USING", "", text) for _, text in definitions]
    assert sorted(texts) == [
        "CREATE UNIQUE btree (event_id)",
        "CREATE UNIQUE btree (event_id, starts_on)",
        "CREATE btree (starts_on) WHERE is_free",
        "CREATE btree (updated_at)",
        "CREATE btree (venue_id)",
        "CREATE gin (to_tsvector('simple'::regconfig, (COALESCE(title, '{}%'::character varying))"
        "::text))",
        "CREATE gist (point(score, score))",
    ]
    assert changes(run(project)) == {}
    assert definitions == project.rds(
        "select indexrelid, pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = 'events'::regclass order by 1"
    )


def test_an_index_that_needs_an_absent_extension_is_left_out_in_one_line(
    project: SmallProject,
) -> None:
    trigrams = {
        "method": "gin",
        "expressions": ["title gin_trgm_ops"],
        "extension": "pg_trgm_of_nobody",
    }
    set_indexes(project, "rds_events", [trigrams])
    report = run(project)

    assert not report.failure
    assert report.lines()[-1] == (
        "  left out: indexes of events, because the database has no extension pg_trgm_of_nobody; "
        "its owner may create it"
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (
            {"expressions": ["(nowhere + 1)"]},
            'events: its index btree .* column "nowhere" does not',
        ),
        ({"method": "hush", "columns": ["title"]}, 'access method "hush" does not exist'),
        ({"columns": ["nowhere"]}, "rds_events: meta.rds_indexes names nowhere"),
        ({"columns": ["title"], "expressions": ["title"]}, "expected a list of columns, or a mapp"),
        ({"colums": ["title"]}, "rds_events: meta.rds_indexes has .* expected a list of columns"),
        ("title", "rds_events: meta.rds_indexes has title; expected a list of columns"),
    ],
)
def test_a_wrong_index_stops_the_export_with_one_line_that_names_it(
    project: SmallProject, index: object, message: str
) -> None:
    set_indexes(project, "rds_events", [index])

    with pytest.raises(ExportError, match=message) as refusal:
        run(project)
    assert "\n" not in str(refusal.value)


def test_an_empty_table_is_filled_with_its_keys_in_place(project: SmallProject) -> None:
    run(project)
    project.rds("truncate events")

    assert changes(run(project)) == {"events": (100, 0, 0)}
    assert project.rds("select count(*) from pg_index where indrelid = 'events'::regclass") == [
        (4,)
    ]


def test_the_log_has_the_run_the_table_its_counts_and_its_duration(project: SmallProject) -> None:
    report = run(project)
    project.warehouse(f"update {SERVING}.rds_rates set rate = 1 where rate_date = '2026-11-01'")
    run(project)

    logged = project.rds(
        """
        select run_id, rows, inserted, changed, deleted, unchanged, duration_seconds > 0
        from export_log where table_name = 'rates' order by started_at
        """
    )
    assert logged == [(report.run_id, 10, 10, 0, 0, 0, True), (report.run_id, 10, 0, 1, 0, 9, True)]


def test_only_new_changed_and_removed_rows_are_written(project: SmallProject) -> None:
    run(project)
    project.warehouse(
        f"""
        update {SERVING}.rds_events set title = null where event_id < 3;
        update {SERVING}.rds_events set price = price + 0.000000001 where event_id = 3;
        delete from {SERVING}.rds_events where event_id between 90 and 99;
        insert into {SERVING}.rds_events (event_id, venue_id) values (1000, 'v1');
        """
    )
    report = run(project)

    assert changes(report) == {"events": (1, 4, 10)}
    assert project.rds("select count(*), count(title), max(event_id) from events") == [
        (91, 87, 1000)
    ]


def test_a_table_that_lost_too_many_rows_is_held_back_and_the_others_are_exported(
    project: SmallProject,
) -> None:
    run(project)
    events = "select * from events order by event_id"
    before = project.rds(events)
    project.warehouse(
        f"""
        delete from {SERVING}.rds_events where event_id >= 79;
        update {SERVING}.rds_events set title = 'changed';
        update {SERVING}.rds_districts set district_name = 'changed';
        """
    )
    report = run(project)

    assert report.failure
    assert report.failure.startswith("not exported: events: 21 of 100 rows would be deleted")
    assert "RDS__MAX_DELETE_SHARE=0.2" in report.failure
    assert "\n" not in report.failure
    assert project.rds(events) == before
    assert changes(report) == {"districts": (0, 2, 0)}
    assert list(report.kept_out) == ["events"]


def test_a_table_of_which_a_column_lost_too_many_values_is_held_back_whoever_keeps_its_rows(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project)
    events = "select * from events order by event_id"
    before = project.rds(events)
    project.warehouse(
        f"""
        update {SERVING}.rds_events set title = null where event_id >= 79;
        update {SERVING}.rds_districts set district_name = null;
        """
    )
    report = run(project)
    assert report.failure
    assert report.failure.startswith("not exported: events: 21 of 100 values of title would become")
    assert "RDS__MAX_NULL_SHARE=0.2" in report.failure
    assert project.rds(events) == before
    assert changes(report) == {"districts": (0, 2, 0)}  # too few values to judge

    monkeypatch.setenv("RDS__MAX_NULL_SHARE", "0.21")
    assert changes(run(project)) == {"events": (0, 21, 0)}


def test_values_of_rows_that_leave_are_no_lost_values(project: SmallProject) -> None:
    project.warehouse(f"update {SERVING}.rds_events set title = null where event_id >= 20")
    run(project)
    project.warehouse(
        f"""
        delete from {SERVING}.rds_events where event_id < 20;
        update {SERVING}.rds_events set title = 'new' where event_id >= 90;
        """
    )
    assert changes(run(project)) == {"events": (0, 10, 20)}


def test_the_children_of_a_table_that_is_held_back_are_kept_out(project: SmallProject) -> None:
    project.warehouse(
        f"insert into {SERVING}.rds_venues select 'w' || i, 11, 'Hall' from range(30) as r (i)"
    )
    run(project)
    project.warehouse(
        f"""
        delete from {SERVING}.rds_venues where venue_id like 'w%';
        update {SERVING}.rds_events set title = 'changed';
        """
    )
    before = project.rds("select * from events order by event_id")
    report = run(project)

    assert list(report.held_back) == ["venues"]
    assert report.kept_out["events"] == "its parent venues was kept out"
    assert project.rds("select * from events order by event_id") == before


def test_an_empty_mart_deletes_no_row_whatever_share_it_may_lose(
    project: SmallProject,
) -> None:
    run(project)
    project.warehouse(f"delete from {SERVING}.rds_events")
    manifest = project.manifest()
    manifest["nodes"]["model.shop.rds_events"]["config"]["meta"]["rds_max_delete_share"] = 1.0
    project.write_artifact("manifest.json", manifest)

    assert list(run(project).held_back) == ["events"]
    assert project.rds("select count(*) from events") == [(100,)]


def test_the_maximum_share_of_deletes_can_be_set(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project)
    project.warehouse(f"delete from {SERVING}.rds_events where event_id >= 79")
    monkeypatch.setenv("RDS__MAX_DELETE_SHARE", "0.25")

    assert changes(run(project)) == {"events": (0, 0, 21)}


def test_a_mart_may_have_a_larger_maximum_share_of_deletes(project: SmallProject) -> None:
    run(project)
    project.warehouse(f"delete from {SERVING}.rds_events where event_id >= 40")
    manifest = project.manifest()
    manifest["nodes"]["model.shop.rds_events"]["config"]["meta"]["rds_max_delete_share"] = 0.6
    project.write_artifact("manifest.json", manifest)

    assert changes(run(project)) == {"events": (0, 0, 60)}


def test_new_rows_do_not_allow_more_deletes(project: SmallProject) -> None:
    run(project)
    project.warehouse(
        f"""
        insert into {SERVING}.rds_events
        select events.* replace (event_id + 1000 * number as event_id)
        from {SERVING}.rds_events as events cross join range(1, 6) as numbers (number);
        delete from {SERVING}.rds_events where event_id < 1000;
        """
    )
    assert "100 of 100 rows" in run(project).held_back["events"]


def test_a_small_table_may_lose_any_share_of_its_rows_but_not_all(project: SmallProject) -> None:
    run(project)
    project.warehouse(f"delete from {SERVING}.rds_rates where rate_date > '2026-11-01'")
    assert changes(run(project)) == {"rates": (0, 0, 9)}
    project.warehouse(f"delete from {SERVING}.rds_rates")

    assert "1 of 1 rows" in run(project).held_back["rates"]


def test_children_and_their_parents_are_deleted_together(project: SmallProject) -> None:
    run(project)
    project.warehouse(
        f"""
        delete from {SERVING}.rds_events where venue_id = 'v9';
        delete from {SERVING}.rds_venues where venue_id = 'v9';
        """
    )

    assert changes(run(project)) == {"events": (0, 0, 10), "venues": (0, 0, 1)}


def test_a_parent_row_is_kept_while_a_child_that_was_kept_out_refers_to_it(
    project: SmallProject,
) -> None:
    run(project)
    project.warehouse(
        f"""
        delete from {SERVING}.rds_events where venue_id = 'v9';
        delete from {SERVING}.rds_venues where venue_id = 'v9';
        """
    )
    set_status(project, "model.shop.rds_events", "error")
    report = run(project)

    assert changes(report) == {}
    assert {table.table: table.kept for table in report.tables}["venues"] == 1
    set_status(project, "model.shop.rds_events", "success")
    assert changes(run(project)) == {"events": (0, 0, 10), "venues": (0, 0, 1)}


def test_an_orphan_holds_back_its_table_with_its_key(project: SmallProject) -> None:
    project.warehouse(
        f"""
        create or replace table {SERVING}.rds_events as
        select * replace (if(event_id = 7, 'nowhere', venue_id) as venue_id)
        from {SERVING}.rds_events
        """
    )

    report = run(project)
    assert "Key (venue_id)=(nowhere) is not present" in report.held_back["events"]
    assert "rds_events may only refer to rows that the parent has" in report.held_back["events"]
    assert [table.table for table in report.tables] == ["districts", "rates", "venues"]
    assert project.rds("select to_regclass('events')") == [(None,)]


def test_a_failing_test_keeps_its_mart_and_every_child_out(project: SmallProject) -> None:
    set_status(project, "unique_rds_venues_venue_id", "fail")
    report = run(project)

    assert [table.table for table in report.tables] == ["districts", "rates"]
    assert report.kept_out == {
        "venues": "its test unique_rds_venues_venue_id failed",
        "events": "its parent venues was kept out",
    }
    record = exported.read("local")
    assert record["venues"]["reason"] == "its test unique_rds_venues_venue_id failed"
    assert record["venues"]["exported_at"] is None
    assert (record["rates"]["reason"], record["rates"]["rows"]) == (None, report.tables[1].rows)


@pytest.mark.parametrize(
    ("node", "status", "reason"),
    [
        ("not_null_rds_rates", None, "its test not_null_rds_rates_rate_date did not run"),
        ("not_null_rds_rates", "warn", None),
        ("unit_test.shop.rds_rates", "fail", "its test rates_are_rounded failed"),
        ("unit_test.shop.rds_rates", "error", "its test rates_are_rounded could not run"),
        ("model.shop.rds_rates", "error", "its build failed"),
        ("model.shop.rds_rates", None, "it was never built"),
    ],
)
def test_a_mart_is_exported_only_if_its_build_and_all_its_tests_passed(
    project: SmallProject, node: str, status: str | None, reason: str | None
) -> None:
    set_status(project, node, status)

    assert run(project).kept_out.get("rates") == reason


def test_orphans_keep_the_child_out_and_not_the_parent(project: SmallProject) -> None:
    set_status(project, "relationships_rds_venues", "fail")

    assert [table.table for table in run(project).tables] == ["districts", "rates"]


def test_a_cycle_of_foreign_keys_is_named(project: SmallProject) -> None:
    manifest = project.manifest()
    manifest["nodes"]["model.shop.rds_districts"]["constraints"] = [
        {
            "type": "foreign_key",
            "columns": ["district_name"],
            "expression": "main_serving.rds_events (title)",
        }
    ]
    project.write_artifact("manifest.json", manifest)

    with pytest.raises(ExportError) as refusal:
        run(project)
    assert "districts -> events -> venues -> districts" in str(refusal.value)


def test_a_reader_never_sees_a_child_without_its_parent(project: SmallProject) -> None:
    run(project)
    done = threading.Event()
    orphans: list[set[str]] = []
    numbers_of_venues: set[int] = set()

    def read() -> None:
        with closing(psycopg2.connect(project.url)) as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
            while not done.is_set():
                cursor.execute("select venue_id from events")
                referenced = {venue for (venue,) in cursor}
                cursor.execute("select venue_id from venues")
                venues = {venue for (venue,) in cursor}
                connection.rollback()
                orphans.append(referenced - venues)
                numbers_of_venues.add(len(venues))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(4):
            project.warehouse(
                f"""
                insert into {SERVING}.rds_venues values ('new', 11, 'New');
                insert into {SERVING}.rds_events (event_id, venue_id) values (1000, 'new');
                """
            )
            run(project)
            project.warehouse(
                f"""
                delete from {SERVING}.rds_events where venue_id = 'new';
                delete from {SERVING}.rds_venues where venue_id = 'new';
                """
            )
            run(project)
    finally:
        done.set()
        reader.join()
    assert numbers_of_venues == {10, 11}
    assert not any(orphans)


def test_a_snapshot_older_than_a_first_export_sees_none_of_its_rows(project: SmallProject) -> None:
    with closing(psycopg2.connect(project.url)) as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
        cursor.execute("select")
        run(project)
        cursor.execute("select from events")
        assert cursor.rowcount == 0


@pytest.mark.parametrize(
    "statement",
    [
        "insert into districts values (1)",
        "update districts set district_name = ''",
        "delete from districts",
        "truncate districts",
        "create table mine (x integer)",
        "drop table districts",
    ],
)
def test_the_reader_role_can_only_select(project: SmallProject, statement: str) -> None:
    run(project)
    with (
        closing(psycopg2.connect(project.url, user=READER)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select count(*) from events")
        assert cursor.fetchall() == [(100,)]
        with pytest.raises(ReadOnlySqlTransaction):
            cursor.execute(statement)
        connection.rollback()
        connection.set_session(readonly=False)
        with pytest.raises(InsufficientPrivilege):
            cursor.execute(statement)


UNUSUAL_TEXTS = [
    "한국어 제목",
    'She said "hi", twice',
    "two\nlines\r\nand a\ttab",
    "\\.",
    "\\N",
    "",
    " ",
    None,
    "🎭 emoji, 👩‍👩‍👧 joined",
    "NULL",
    "'; drop table events; --",
]


def test_unusual_values_are_exported_exactly(project: SmallProject) -> None:
    rows = [
        (
            200 + position,
            "v1",
            text,
            date(1, 1, 1),
            date(9999, 12, 31),
            Decimal("-12345678901234567890123456789.123456789"),
            [True, False, None][position % 3],
            datetime(2026, 11, 22, 23, 59, 59, 999999),
            [0.1 + 0.2, float("inf"), 5e-324, None][position % 4],
        )
        for position, text in enumerate(UNUSUAL_TEXTS)
    ]
    with duckdb.connect(project.home / "warehouse.duckdb") as connection:
        connection.executemany(
            f"insert into {SERVING}.rds_events values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
        )
    run(project)
    exported = project.rds("select * from events where event_id >= 200 order by 1")
    assert [row[:-1] for row in exported] == rows
    assert changes(run(project)) == {}


def test_a_nul_character_holds_back_its_table_with_its_column_and_key(
    project: SmallProject,
) -> None:
    project.warehouse(f"update {SERVING}.rds_events set title = 'a' || chr(0) where event_id = 42")

    report = run(project)
    assert report.held_back == {
        "events": "column title at event_id '42': a NUL character, which PostgreSQL can't store; "
        "remove it in rds_events"
    }
    assert [table.table for table in report.tables] == ["districts", "rates", "venues"]


@pytest.mark.parametrize(
    ("change", "table", "message"),
    [
        (
            "update {}.rds_venues set venue_name = 'two' || chr(10) || 'lines';"
            "update {}.rds_venues set venue_id = 'a hall of a very long name'"
            " where venue_id = 'v7'",
            "venues",
            "column venue_id at venue_id 'a hall of a very long name': value too long for type "
            "character varying(20); cut it in rds_venues, or widen the column in its contract",
        ),
        (
            "alter table {}.rds_rates alter rate type double;"
            "update {}.rds_rates set rate = 1e9 where rate_date = '2026-11-03'",
            "rates",
            "column rate at currency 'USD', rate_date '2026-11-03': numeric field overflow; A "
            "field with precision 12, scale 4 must round to an absolute value less than 10^8.; "
            "limit it in rds_rates, or widen the column in its contract",
        ),
        (
            "update {}.rds_events set starts_on = '300000-01-01' where event_id = 42",
            "events",
            "column starts_on at event_id '42': invalid input syntax for type date",
        ),
        (
            "alter table {}.rds_districts alter district_id drop not null;"
            "update {}.rds_districts set district_id = null where district_id = 24",
            "districts",
            "null value in column",
        ),
    ],
    ids=["text", "number", "date", "null"],
)
def test_a_row_that_does_not_fit_holds_back_its_table_with_column_key_and_remedy(
    project: SmallProject, change: str, table: str, message: str
) -> None:
    for mart in ("events", "venues", "rates", "districts"):  # without the keys of DuckDB
        project.warehouse(
            f"create table rows as from {SERVING}.rds_{mart}; drop table {SERVING}.rds_{mart};"
            f"create table {SERVING}.rds_{mart} as from rows; drop table rows"
        )
    project.warehouse(change.replace("{}", SERVING))
    report = run(project)

    assert report.held_back[table].startswith(message)
    children = {"districts": ["venues", "events"], "venues": ["events"]}.get(table, [])
    expected = [name for name in ORDER if name not in (table, *children)]
    assert [table.table for table in report.tables] == expected
    assert "\n" not in (report.failure or "\n")


def test_a_second_exporter_waits_for_the_first(project: SmallProject) -> None:
    with closing(rds.connect(project.url)) as first, first.cursor() as cursor:
        rds.lock(cursor)
        reports: list[Report] = []
        second = threading.Thread(target=lambda: reports.append(run(project)))
        second.start()
        wait_for_a_waiting_exporter(project)
        assert not reports
        first.rollback()
        second.join(ENOUGH_SECONDS)
    assert len(reports[0].tables) == 4


def test_a_second_exporter_that_waited_too_long_names_the_first(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__LOCK_TIMEOUT", "1")
    with closing(rds.connect(project.url)) as first, first.cursor() as cursor:
        rds.lock(cursor)
        with pytest.raises(ExportError) as refusal:
            run(project)
        pid = first.info.backend_pid
    assert f"{rds.APPLICATION} (pid {pid})" in str(refusal.value)
    assert "RDS__LOCK_TIMEOUT" in str(refusal.value)


def test_a_new_column_is_added_and_filled(project: SmallProject) -> None:
    run(project)
    manifest = project.manifest()
    columns = manifest["nodes"]["model.shop.rds_rates"]["columns"]
    columns["unit"] = {**columns["rate"], "name": "unit", "data_type": "integer"}
    columns["unit"]["constraints"] = [{"type": "not_null"}]
    project.write_artifact("manifest.json", manifest)
    project.warehouse(
        f"""
        alter table {SERVING}.rds_rates add column unit integer;
        update {SERVING}.rds_rates set unit = 100;
        """
    )

    assert changes(run(project)) == {"rates": (0, 10, 0)}
    assert project.rds("select distinct unit from rates") == [(100,)]
    assert project.rds("select has_table_privilege(%s, 'rates', 'select')", READER) == [(True,)]


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda columns: columns.pop("rate"), "alter table rates drop column rate"),
        (
            lambda columns: columns["rate"].update(data_type="numeric(20, 6)"),
            r"alter table rates alter column rate type numeric\(20,6\)",
        ),
    ],
)
def test_a_removed_or_changed_column_holds_back_its_table_with_the_statement_to_run(
    project: SmallProject, change: Callable[[dict[str, Any]], object], remedy: str
) -> None:
    run(project)
    manifest = project.manifest()
    change(manifest["nodes"]["model.shop.rds_rates"]["columns"])
    project.write_artifact("manifest.json", manifest)
    project.warehouse(f"update {SERVING}.rds_events set title = 'changed'")
    report = run(project)

    assert re.search(remedy, report.held_back["rates"])
    assert changes(report) == {"events": (0, 100, 0)}
    assert report.failure == f"not exported: rates: {report.held_back['rates']}"


def test_a_column_that_someone_dropped_holds_back_the_children_of_its_table_only(
    project: SmallProject,
) -> None:
    run(project)
    manifest = project.manifest()
    columns = manifest["nodes"]["model.shop.rds_venues"]["columns"]
    columns["hall_name"] = columns.pop("venue_name") | {"name": "hall_name"}
    project.write_artifact("manifest.json", manifest)
    report = run(project)

    assert report.held_back == {
        "venues": "column venue_name is no longer in the contract; once the website is ready: "
        "alter table venues drop column venue_name"
    }
    assert report.kept_out["events"] == "its parent venues was kept out"
    assert [table.table for table in report.tables] == ["districts", "rates"]


def test_a_column_of_the_websites_own_is_left_alone(project: SmallProject) -> None:
    run(project)
    project.rds("alter table rates add column shown_as text default 'own'")
    project.warehouse(f"update {SERVING}.rds_rates set rate = rate + 1")
    assert changes(run(project)) == {"rates": (0, 10, 0)}
    assert project.rds("select distinct shown_as from rates") == [("own",)]


def test_a_primary_key_that_someone_dropped_is_built_again(project: SmallProject) -> None:
    run(project)
    project.rds("alter table rates drop constraint rates_pkey")
    project.warehouse(f"update {SERVING}.rds_rates set rate = rate + 1")
    assert changes(run(project)) == {"rates": (0, 10, 0)}
    keys = "select count(*) from pg_constraint where conrelid = 'rates'::regclass and contype = 'p'"
    assert project.rds(keys) == [(1,)]


def test_a_table_whose_mart_is_gone_stays_and_the_report_has_the_statement_that_removes_it(
    project: SmallProject,
) -> None:
    run(project)
    manifest = project.manifest()
    del manifest["nodes"]["model.shop.rds_rates"]
    project.write_artifact("manifest.json", manifest)

    report = run(project)
    assert [table.table for table in report.tables] == ["districts", "venues", "events"]
    assert report.lines()[-1] == (
        "  no longer a mart: rates, which keeps its rows; once the website does not read it: "
        "drop table rates"
    )
    assert report.failure is None
    assert project.rds("select count(*) from rates") == [(10,)]
    project.rds("drop table rates")
    assert run(project).without_mart == ()


@pytest.mark.parametrize("command", ["run", "test", "generate"])
def test_results_of_another_command_are_refused(project: SmallProject, command: str) -> None:
    results = project.run_results()
    results["args"]["which"] = command
    project.write_artifact("run_results.json", results)

    with pytest.raises(ExportError, match=f"`dbt {command}`.*run `dbt build` first"):
        run(project)


def test_a_trial_build_on_no_rows_is_never_exported(project: SmallProject) -> None:
    results = project.run_results()
    results["args"]["empty"] = True
    project.write_artifact("run_results.json", results)

    assert not should_export(project.target_dir)
    with pytest.raises(ExportError, match="--empty"):
        run(project)


def test_a_target_that_does_not_export_is_refused(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__TARGETS", "redshift, staging")

    assert not should_export(project.target_dir)
    with pytest.raises(SettingError, match=r"RDS__TARGETS .* expected local among them"):
        run(project)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hello:secret@db.example.com/web",
        "postgresql://hello:secret@db.example.com/web?sslmode=require",
        "postgresql://hello:secret@localhost,db.example.com/web",
        "postgresql://hello:secret@localhost/web?hostaddr=10.0.0.1",
    ],
)
def test_a_remote_database_is_accepted_only_with_verify_full(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__URL", url)

    with pytest.raises(SettingError, match="sslmode=verify-full") as refusal:
        rds.database_url("redshift")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("postgresql://hello:secret@/web", {"PGHOST": "db.example.com"}),
        ("postgresql://hello:secret@localhost/web", {"PGHOSTADDR": "10.0.0.1"}),
        ("postgresql://hello:secret@/web", {"PGSERVICE": "web"}),
        ("postgresql://hello:secret@/web?service=web", {"PGSSLMODE": "verify-full"}),
    ],
)
def test_the_host_is_the_one_that_libpq_takes_from_its_variables(
    url: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__URL", url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingError, match="sslmode=verify-full") as refusal:
        rds.database_url("redshift")
    assert "secret" not in str(refusal.value)

    monkeypatch.setenv("RDS__URL", f"{url}{'&' if '?' in url else '?'}sslmode=verify-full")
    assert rds.database_url("redshift")


def test_a_remote_database_with_verify_full_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://hello:secret@db.example.com/web?sslmode=verify-full"
    monkeypatch.setenv("RDS__URL", url)

    assert rds.database_url("redshift") == url


def test_a_target_other_than_local_needs_a_database() -> None:
    with pytest.raises(SettingError, match="RDS__URL is not set"):
        rds.database_url("redshift")


@pytest.fixture
def embedded(home: Path) -> Iterator[Path]:
    """Folder of an embedded server, which is stopped after the test."""
    yield home / "rds"
    embedded_postgres.stop()


def test_the_embedded_server_outlives_its_starter_and_keeps_its_data(embedded: Path) -> None:
    code = (
        "from loaders.export import embedded_postgres as server;"
        " print(server.start()); print(server.psql_command())"
    )
    starter = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    url, psql = starter.stdout.splitlines()
    statement = ["-tA", "-c", "create table kept (); select current_database()"]
    output = subprocess.run([*shlex.split(psql), *statement], capture_output=True, text=True)
    assert output.stdout.split() == ["CREATE", "TABLE", "hello_korea"]

    assert embedded_postgres.start() == url
    embedded_postgres.stop()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)
    with closing(psycopg2.connect(embedded_postgres.start())) as connection:
        connection.cursor().execute("select from kept")


def test_the_embedded_server_does_not_know_the_settings_of_the_loaders(
    embedded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__SERVICE_KEY", "planted-secret")
    embedded_postgres.start()
    url = embedded_postgres.start(embedded_postgres.SUPERUSER)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table environment (line text)")
        cursor.execute("copy environment from program 'env' with (format csv, delimiter e'\\x01')")
        cursor.execute("select split_part(line, '=', 1) from environment")
        names = {name for (name,) in cursor.fetchall()}
    assert "PATH" in names
    assert not names & {"SOURCES__TOUR__SERVICE_KEY", "HELLO_KOREA_HOME"}


@pytest.mark.parametrize("name", ["rds", "a longer path with blanks"])
def test_only_its_user_reaches_the_embedded_server_and_its_roles_are_no_superusers(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HELLO_KOREA_HOME", f"{home}/{name}")
    try:
        url = embedded_postgres.start()
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            (sockets,) = parse_qs(urlsplit(url).query)["host"]
            for folder in (sockets, f"{settings.home()}/rds"):
                assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700, folder
            cursor.execute("select session_user, rolsuper from pg_roles where rolname = user")
            assert cursor.fetchall() == [(EXPORTER, False)]
        reader = psycopg2.connect(embedded_postgres.reader_url())
        with closing(reader), reader.cursor() as cursor:
            cursor.execute("select session_user, rolsuper from pg_roles where rolname = user")
            assert cursor.fetchall() == [(READER, False)]
    finally:
        embedded_postgres.stop()


def test_the_exporter_gets_the_tables_of_a_database_that_the_superuser_owned(
    embedded: Path,
) -> None:
    embedded_postgres.start()
    url = embedded_postgres.start(embedded_postgres.SUPERUSER)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create table districts ()")
        cursor.execute("alter database hello_korea owner to postgres")
        connection.commit()

    exporter = psycopg2.connect(embedded_postgres.start())
    with closing(exporter), exporter.cursor() as cursor:
        cursor.execute("alter table districts add column district_id integer")
        cursor.execute("create schema mine")


def test_the_embedded_server_starts_although_another_users_lock_is_in_the_temporary_folder(
    embedded: Path, tmp_path: Path
) -> None:
    (tmp_path / ".lockfile").mkdir()  # cannot be opened as a file, by root neither
    process = subprocess.run(
        [sys.executable, "-m", "loaders.export.embedded_postgres", "start"],
        env=os.environ | {"TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "none")},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert str(embedded) in process.stdout


def test_the_embedded_server_starts_below_a_folder_with_blanks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KOREA_HOME", f"{home}/it's my work (1) & more")
    try:
        url = embedded_postgres.start(embedded_postgres.SUPERUSER)
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("show data_directory")
            assert cursor.fetchone() == (f"{settings.home()}/rds",)
        psql = [*shlex.split(embedded_postgres.psql_command()), "-tAc", "select 1"]
        assert subprocess.check_output(psql) == b"1\n"
        assert embedded_postgres.start(embedded_postgres.SUPERUSER) == url
    finally:
        embedded_postgres.stop()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)


def test_the_embedded_server_starts_although_its_pid_is_of_another_program(embedded: Path) -> None:
    url = embedded_postgres.start()
    pid_file = (embedded / "postmaster.pid").read_text()
    embedded_postgres.stop()
    lines = [str(os.getpid()), *pid_file.splitlines()[1:]]
    (embedded / "postmaster.pid").write_text("\n".join(lines) + "\n")

    with closing(psycopg2.connect(embedded_postgres.start())) as connection:
        assert connection.info.dbname in url
