"""The website's usage logs: rows that do not depend on how they are generated, and sound keys."""

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.damage import cut, flip_a_byte
from support.pipelines import DLT, query, run, table_results
from support.project import ENOUGH_SECONDS, TODAY, restore_interrupts
from support.redshift import RedshiftServer
from support.small_disk import SmallDisk

from loaders.lake.folder import PARTS
from loaders.lake.lake import open_lake
from loaders.web_logs import TABLES, files, local, warehouse
from loaders.web_logs.config import FULL_SIZE, LogsConfig
from loaders.web_logs.pipeline import read_config

STAGE = "stage/web_logs"
LAST_DEFAULT_DAY = date(2026, 8, 15) + timedelta(days=99)
"""Last of the days over which the size is spread by default."""
CHILDREN = {
    "sessions": ("users", "user_id", "started_at", "signed_up_at"),
    "searches": ("sessions", "session_id", "searched_at", "started_at"),
    "clicks": ("searches", "search_id", "clicked_at", "searched_at"),
    "purchases": ("clicks", "click_id", "purchased_at", "clicked_at"),
}
"""The parent of each table, the parent's key, the child's time, and the parent's earlier time."""


@pytest.fixture(scope="module")
def default_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a run with the default settings."""
    home = tmp_path_factory.mktemp("default")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
        settings.setenv("DLT_PROJECT_DIR", str(home))
        assert run("web_logs") == (0, "")
    return home


def staged_digests(home: Path) -> dict[str, str]:
    """Return a digest of each staged file, by its path."""
    root = home / "lake" / STAGE
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.parquet")
    }


def test_the_default_is_a_thousandth_of_the_full_size(default_home: Path) -> None:
    assert TODAY == LAST_DEFAULT_DAY
    for table, rows in FULL_SIZE.items():
        count = query(default_home, f"select count(*) from staging_web_logs.{table}")
        assert count == [(rows // 1000,)]


def test_ids_are_consecutive_and_unique(default_home: Path) -> None:
    for table in TABLES:
        key = {"searches": "search"}.get(table, table.removesuffix("s")) + "_id"
        ids = query(
            default_home,
            f"select count(distinct {key}), min({key}), max({key}) from staging_web_logs.{table}",
        )
        rows = FULL_SIZE[table] // 1000
        assert ids == [(rows, 1, rows)], table


@pytest.mark.parametrize("table", CHILDREN)
def test_each_row_has_an_earlier_parent(default_home: Path, table: str) -> None:
    parent, key, later, earlier = CHILDREN[table]
    orphans, early = query(
        default_home,
        f"""
        select count(*) filter (parent.{key} is null), count(*) filter ({later} <= {earlier})
        from staging_web_logs.{table} as child
        left join staging_web_logs.{parent} as parent using ({key})
        """,
    )[0]
    assert (orphans, early) == (0, 0)


def test_clicks_and_purchases_belong_to_the_session_and_user_of_their_search(
    default_home: Path,
) -> None:
    mismatches = query(
        default_home,
        """
        select count(*)
        from staging_web_logs.clicks as clicks
        inner join staging_web_logs.searches as searches using (search_id)
        inner join staging_web_logs.sessions as sessions
            on searches.session_id = sessions.session_id
        left join staging_web_logs.purchases as purchases using (click_id)
        where
            clicks.session_id <> sessions.session_id
            or clicks.user_id <> sessions.user_id
            or searches.user_id <> sessions.user_id
            or purchases.session_id <> sessions.session_id
            or purchases.user_id <> sessions.user_id
            or clicks.logical_date <> sessions.logical_date
        """,
    )
    assert mismatches == [(0,)]


def test_thirty_users_make_80_percent_of_the_clicks_and_30_percent_of_searches_are_anonymous(
    default_home: Path,
) -> None:
    ((heavy_share, anonymous_share),) = query(
        default_home,
        """
        select
            (select count(*) filter (user_id <= 30) / count(*) from staging_web_logs.clicks),
            (select count(*) filter (user_id is null) / count(*) from staging_web_logs.searches)
        """,
    )
    assert heavy_share == pytest.approx(0.8, abs=0.03)
    assert anonymous_share == pytest.approx(0.3, abs=0.01)


def test_the_popularity_of_airports_follows_zipfs_law(default_home: Path) -> None:
    counts = [
        count
        for (count,) in query(
            default_home,
            "select count(*) from staging_web_logs.searches where airport_code is not null"
            " group by airport_code order by 1 desc",
        )
    ]
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.1)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.15)


def test_volume_varies_by_hour_weekday_and_month(default_home: Path) -> None:
    (night, evening), *_ = query(
        default_home,
        "select count(*) filter (hour(started_at) = 4), count(*) filter (hour(started_at) = 20)"
        " from staging_web_logs.sessions",
    )
    assert evening > 5 * night
    ((tuesday, saturday, august, october),) = query(
        default_home,
        """
        select
            avg(n) filter (isodow(logical_date) = 2), avg(n) filter (isodow(logical_date) = 6),
            avg(n) filter (month(logical_date) = 8), avg(n) filter (month(logical_date) = 10)
        from (select logical_date, count(*) as n from staging_web_logs.clicks group by all)
        """,
    )
    assert saturday / tuesday == pytest.approx(1.5, rel=0.1)
    assert october / august > 1.05


def test_airports_are_those_of_the_seed_outside_korea(default_home: Path) -> None:
    unknown = query(
        default_home,
        """
        select distinct airport_code from staging_web_logs.searches
        where airport_code is not null and airport_code not in (
            select airport_code from read_csv('seeds/airports.csv') where country_code <> 'KR'
        )
        """,
    )
    assert unknown == []


EXPECTED_DIGESTS = {
    "sessions": "4961988ac99ea31a",
    "searches": "94b8b2d520652c6c",
    "clicks": "8a423e065a535a76",
    "purchases": "a7f97950f26866b4",
    "users": "ffa068588ecd4ef2",
}
"""Digests of today's rows as one machine generated them."""


@pytest.mark.parametrize("table", TABLES)
def test_the_rows_are_the_same_on_every_machine(default_home: Path, table: str) -> None:
    (file,) = (default_home / "lake" / STAGE / table / f"dt={TODAY}").glob("*.parquet")
    rows = repr(pq.read_table(file).to_pylist())
    assert hashlib.sha256(rows.encode()).hexdigest()[:16] == EXPECTED_DIGESTS[table]


def test_a_date_generated_alone_has_the_same_rows(default_home: Path, home: Path) -> None:
    assert run("web_logs", date=str(TODAY)) == (0, "")
    alone, all_dates = staged_digests(home), staged_digests(default_home)
    assert alone.items() <= all_dates.items()
    assert sum(f"dt={TODAY}" in path for path in alone) == len(TABLES)
    users = {path for path in all_dates if path.startswith("users/")}
    assert alone.keys() - users == {
        path for path in all_dates if f"dt={TODAY}" in path and path not in users
    }
    assert users <= alone.keys()


def test_many_processes_generate_the_same_files_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LogsConfig(7, 0.002, date(2026, 8, 15), 10, 3, 0.5, 1.2)
    days = list(config.dates(date(2026, 8, 24)))
    digests = []
    for folder, min_clicks in (("one", 10**9), ("many", 0)):
        monkeypatch.setattr(local, "MIN_CLICKS_FOR_PROCESSES", min_clicks)
        lake = open_lake(str(tmp_path / folder / "lake"))
        wanted = [(table, day) for table in TABLES for day in days]
        parts = files.missing_parts(config, wanted, files.present(lake, TABLES))
        assert sorted(local.generate(config, lake.url, parts), key=parts.index) == parts
        digests.append(staged_digests(tmp_path / folder))
    assert digests[0] == digests[1]


def test_a_date_too_large_for_one_part_has_the_same_ids_in_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = LogsConfig(1, 0.01, date(2026, 8, 15), 10, 3, 0.5, 1.0)
    day = date(2026, 8, 20)
    ids_of_day = {table: config.ids(table, day) for table in TABLES}
    monkeypatch.setattr("loaders.web_logs.config.PART_CLICKS", 100_000)
    count = config.part_count(day)
    assert count > 3
    for table in TABLES[1:]:
        parts = [config.ids_of_part(table, day, part) for part in range(count)]
        assert [row_id for part in parts for row_id in part] == list(ids_of_day[table])


def test_a_second_run_generates_nothing_and_loads_the_same(
    default_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KOREA_HOME", str(default_home))
    before = staged_digests(default_home)
    assert run("web_logs") == (0, "")
    results = table_results(default_home)
    assert {result["staged"] for result in results.values()} == {0}
    assert results["web_logs.clicks"]["loaded"] == FULL_SIZE["clicks"] // 1000
    assert staged_digests(default_home) == before


def test_files_are_counted_only_when_they_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    count = warehouse._count

    def spy(client: Any, table: str) -> int:
        counted.append(table)
        return count(client, table)

    monkeypatch.setattr(warehouse, "_count", spy)
    monkeypatch.setenv("SOURCES__WEB_LOGS__SCALE", "0.0001")
    assert run("web_logs") == (0, "")
    loaded = table_results(home)["web_logs.clicks"]["loaded"]
    counted.clear()
    assert run("web_logs") == (0, "")
    assert counted == []
    assert table_results(home)["web_logs.clicks"]["loaded"] == loaded > 0
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(TODAY + timedelta(days=1)))
    assert run("web_logs") == (0, "")
    assert counted == list(TABLES)
    after = table_results(home)["web_logs.clicks"]["loaded"]
    assert query(home, "select count(*) from staging_web_logs.clicks") == [(after,)]
    assert after > loaded


def replace_by_another_date(file: Path) -> None:
    (other,) = (file.parents[1] / "dt=2026-08-16").glob("*.parquet")
    file.write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    ("damage", "only", "refresh"),
    [
        pytest.param(flip_a_byte, None, False, marks=pytest.mark.core),
        (cut, "load", False),
        (replace_by_another_date, None, True),
    ],
)
def test_a_damaged_file_is_generated_again_before_it_is_loaded(
    home: Path, damage: Callable[[Path], None], only: str | None, refresh: bool
) -> None:
    assert run("web_logs", scale="0.0001", date="2026-08-15..2026-08-16") == (0, "")
    rows = "select * from staging_web_logs.sessions order by all"
    before, digests = query(home, rows), staged_digests(home)
    (file,) = (home / "lake" / STAGE / "sessions" / "dt=2026-08-15").glob("*.parquet")
    damage(file)
    assert run("web_logs", only=only, refresh=refresh, date="2026-08-15") == (0, "")
    assert staged_digests(home) == digests
    assert query(home, rows) == before
    (note,) = table_results(home)["web_logs.sessions"]["notes"]
    assert note.startswith(f"{STAGE}/sessions/dt=2026-08-15/")
    assert note.endswith("was damaged, and is generated again")


def test_a_file_without_its_record_is_generated_again(home: Path) -> None:
    assert run("web_logs", scale="0.0001", date="2026-08-15") == (0, "")
    digests = staged_digests(home)
    (record,) = (home / "lake" / STAGE / "users").rglob("*.json")
    record.unlink()
    assert run("web_logs", scale="0.0001", date="2026-08-15") == (0, "")
    assert record.exists()
    assert staged_digests(home) == digests
    assert table_results(home)["web_logs.users"]["staged"] > 0


def test_files_of_an_earlier_version_stay_loaded_and_get_their_records(home: Path) -> None:
    assert run("web_logs", scale="0.0001", date="2026-08-15..2026-08-16") == (0, "")
    digests = staged_digests(home)
    rows = "select logical_date, count(*) from staging_web_logs.sessions group by 1 order by 1"
    before = query(home, rows)
    for record in (home / "lake" / STAGE).rglob("dt=*/*.json"):
        record.unlink()
    assert run("web_logs", scale="0.0001", date="2026-08-16") == (0, "")
    assert query(home, rows) == before
    assert staged_digests(home) == digests
    assert all(file.with_suffix(".json").exists() for file in (home / "lake").rglob("*-0.parquet"))
    assert table_results(home)["web_logs.sessions"]["notes"] == []


@pytest.mark.slow
def test_a_killed_run_leaves_complete_files_and_the_next_run_continues(
    default_home: Path, home: Path
) -> None:
    process = subprocess.Popen([str(DLT), "pipeline", "web_logs", "run"], stdout=subprocess.PIPE)
    while len(staged_digests(home)) < 40 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    digests, all_digests = staged_digests(home), staged_digests(default_home)
    assert 0 < len(digests) < len(all_digests)
    assert digests.items() <= all_digests.items()
    written = (home / "lake").rglob("*.parquet")
    with_record = [path for path in written if path.with_suffix(".json").exists()]
    kept = {path: path.stat().st_mtime_ns for path in with_record}
    assert len(kept) >= len(digests) - 1
    assert run("web_logs") == (0, "")
    assert staged_digests(home) == all_digests
    assert all(path.stat().st_mtime_ns == written_at for path, written_at in kept.items())


@pytest.mark.slow
def test_ctrl_c_ends_a_run_of_many_processes_and_keeps_the_finished_files(home: Path) -> None:
    process = subprocess.Popen(
        [str(DLT), "pipeline", "web_logs", "run", "--scale", "0.2"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_interrupts,
        start_new_session=True,
    )
    while len(staged_digests(home)) < 10 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=ENOUGH_SECONDS)
    assert process.returncode == 130
    assert errors == "interrupted: finished work is kept, and the next run continues from there\n"
    assert len(staged_digests(home)) >= 10
    assert list((home / "lake" / PARTS).iterdir()) == []


@pytest.mark.long
@pytest.mark.slow
def test_a_full_disk_is_reported_and_with_more_space_the_next_run_continues(home: Path) -> None:
    command = f"{DLT} pipeline web_logs run --scale 0.02 --only stage"
    with SmallDisk(home, megabytes=20) as disk:
        failed = disk.run(command)
        assert failed.returncode == 1
        assert "FAILED: [Errno 28] No space left on device" in failed.stdout
        assert re.fullmatch(r"not complete: web_logs\.\w+(, web_logs\.\w+)*\n", failed.stderr)
        assert disk.run(f"find {home}/lake/{PARTS} -type f").stdout == ""
        kept = disk.run(f"find {home}/lake -name '*.parquet' | sort").stdout.splitlines()
        assert kept
        disk.grow(megabytes=200)
        times = disk.run(f"stat --format %Y.%i {' '.join(kept)}").stdout
        assert disk.run(command).returncode == 0
        assert disk.run(f"stat --format %Y.%i {' '.join(kept)}").stdout == times
        count = disk.run(f"cd {home}/lake/stage/web_logs && find . -name '*.parquet' | wc -l")
    assert int(count.stdout) == 5 * 100


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("SCALE", "-1", "expected a number above 0 and at most 100, 1 for 400 million clicks"),
        ("SCALE", "much", "expected a number above 0 and at most 100, 1 for 400 million clicks"),
        ("HEAVY_USERS", "0", "expected at least 1 while SOURCES__WEB_LOGS__HEAVY_SHARE is 0.8"),
        ("HEAVY_USERS", "2000", "expected fewer than the 2,000 users that a scale of 0.001 begins"),
        ("HEAVY_SHARE", "1.5", "expected a share from 0 to 1"),
        ("ZIPF", "-0.1", "expected an exponent from 0 to 5"),
        ("DAYS", "0", "expected a number of days from 1 to 3660"),
        ("FIRST_DATE", "soon", "expected a date"),
        ("SEED", "x", "expected an integer, at least 0"),
    ],
)
def test_an_invalid_setting_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"SOURCES__WEB_LOGS__{setting}", value)
    code, message = run("web_logs")
    assert code == 2
    assert message.startswith(f"SOURCES__WEB_LOGS__{setting} is {value!r}: {expected}")
    assert staged_digests(home) == {}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"date": "2026-08-14"}, "--date is '2026-08-14': expected 2026-08-15"),
        ({"date": "2026-12-01"}, "--date is '2026-12-01': expected no date after today"),
        ({"table": "places"}, "--table is 'places': expected one of users, sessions"),
        ({"scale": "0"}, "--scale is '0': expected a number above 0"),
    ],
)
def test_an_invalid_option_is_named(options: dict[str, str], expected: str) -> None:
    code, message = run("web_logs", **options)  # type: ignore[arg-type]
    assert (code, message[: len(expected)]) == (2, expected)


def test_other_pipelines_refuse_a_scale() -> None:
    assert run("exim", scale="1") == (2, "--scale is '1': expected the pipeline web_logs")


def test_stage_never_contains_logs_of_two_configurations(home: Path) -> None:
    assert run("web_logs", date=str(TODAY))[0] == 0
    code, message = run("web_logs", scale="0.002")
    assert code == 2
    expected = "--scale is 0.002: expected 0.001, with which the logs in the lake were generated"
    assert message.startswith(expected)
    assert "dlt pipeline web_logs run --refresh --scale 0.002, which deletes them" in message
    assert run("web_logs", date=str(TODAY), scale="0.002", refresh=True) == (0, "")
    clicks = len(read_config("0.002").ids("clicks", TODAY))
    assert query(home, "select count(*) from staging_web_logs.clicks") == [(clicks,)]


def test_a_run_without_a_scale_adds_to_the_logs_of_the_lake(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = TODAY - timedelta(days=1)
    assert run("web_logs", date=str(yesterday), scale="0.002") == (0, "")
    assert run("web_logs", date=str(TODAY)) == (0, "")
    clicks = sum(len(read_config("0.002").ids("clicks", day)) for day in (yesterday, TODAY))
    assert query(home, "select count(*) from staging_web_logs.clicks") == [(clicks,)]

    monkeypatch.setenv("SOURCES__WEB_LOGS__SCALE", "0.001")
    code, message = run("web_logs")
    assert (code, message.split(":")[0]) == (2, "SOURCES__WEB_LOGS__SCALE is 0.001")


def test_another_configuration_ends_a_run_of_all_pipelines_before_any_call(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("web_logs", date=str(TODAY))[0] == 0
    monkeypatch.setenv("SOURCES__WEB_LOGS__SEED", "2")
    for refresh in (False, True):
        code, message = run(refresh=refresh)
        assert (code, message.split(":")[0]) == (2, "SOURCES__WEB_LOGS__SEED is 2")
    assert not (home / "lake" / "raw").exists()


@pytest.mark.slow
def test_a_killed_worker_process_is_reported(home: Path) -> None:
    command = [str(DLT), "pipeline", "web_logs", "run", "--scale", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(staged_digests(home)) < 10 and process.poll() is None:
        time.sleep(0.02)
    (worker, *_) = [
        int(path.parts[2])
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if "\0--multiprocessing-fork" in path.read_text()
        and Path(f"/proc/{path.parts[2]}/stat").read_text().split()[3] == str(process.pid)
    ]
    os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=ENOUGH_SECONDS)
    assert process.returncode == 1
    assert "a process that generates logs was killed" in output


def test_a_plan_prints_the_rows_and_generates_none(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("web_logs", scale="1", plan=True) == (0, "")
    assert "400,000,000" in capsys.readouterr().out
    assert staged_digests(home) == {}


def test_duckdb_reads_a_lake_on_s3_too(default_home: Path, home: Path, bucket_url: str) -> None:
    assert run("web_logs", date=str(TODAY)) == (0, "")
    sql = f"select * from staging_web_logs.clicks where logical_date = '{TODAY}' order by 1"
    assert query(home, sql) == query(default_home, sql)


@pytest.fixture
def on_redshift(
    redshift: RedshiftServer, bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> RedshiftServer:
    monkeypatch.setenv("DBT_TARGET", "redshift")
    for name, value in redshift.environment().items():
        monkeypatch.setenv(name, value)
    redshift.query("drop schema if exists staging_web_logs cascade")
    return redshift


def test_redshift_copies_each_date_once_and_replaces_that_date_only(
    default_home: Path, on_redshift: RedshiftServer
) -> None:
    yesterday = TODAY - timedelta(days=1)
    for day in (TODAY, yesterday, TODAY):
        assert run("web_logs", date=str(day)) == (0, "")
    for table in TABLES[1:]:
        rows = f"select * from staging_web_logs.{table} where logical_date >= '{yesterday}'"
        copied, expected = on_redshift.query(rows), query(default_home, rows)
        assert sorted(copied, key=repr) == sorted(expected, key=repr)
    on_redshift.query(f"delete from staging_web_logs._loaded where logical_date = '{TODAY}'")
    clicks = "select count(*) from staging_web_logs.clicks"
    before = on_redshift.query(clicks)
    assert run("web_logs", only="load") == (0, "")
    assert on_redshift.query(clicks) == before
