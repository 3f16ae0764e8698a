"""The website's usage logs: the same rows however they are made, and keys that hold."""

import hashlib
import os
import re
import signal
import subprocess
import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.pipelines import DLT, outcomes, query, run
from support.project import TODAY, restore_interrupts
from support.redshift import RedshiftServer
from support.small_disk import SmallDisk

from loaders.lake.folder import PARTS
from loaders.lake.lake import open_lake
from loaders.web_logs import TABLES, files, local
from loaders.web_logs.logs import FULL_SIZE, Logs
from loaders.web_logs.pipeline import logs_of_settings

STAGE = "stage/web_logs"
LAST_OF_DAYS = date(2026, 8, 15) + timedelta(days=99)
"""Of those over which the size is spread by default."""
CHILDREN = {
    "sessions": ("users", "user_id", "started_at", "signed_up_at"),
    "searches": ("sessions", "session_id", "searched_at", "started_at"),
    "clicks": ("searches", "search_id", "clicked_at", "searched_at"),
    "purchases": ("clicks", "click_id", "purchased_at", "clicked_at"),
}
"""The parent of each table, its key, and the times that follow each other."""


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a run with nothing set."""
    home = tmp_path_factory.mktemp("default")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
        settings.setenv("DLT_PROJECT_DIR", str(home))
        assert run("web_logs") == (0, "")
    return home


def staged(home: Path) -> dict[str, str]:
    """A digest of each staged file, by its path."""
    root = home / "lake" / STAGE
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.parquet")
    }


def test_a_run_with_nothing_set_makes_a_thousandth_of_the_full_size(default: Path) -> None:
    assert TODAY == LAST_OF_DAYS
    for table, rows in FULL_SIZE.items():
        assert query(default, f"select count(*) from staging_web_logs.{table}") == [(rows // 1000,)]


def test_ids_are_those_of_all_rows_and_none_comes_twice(default: Path) -> None:
    for table in TABLES:
        key = {"searches": "search"}.get(table, table.removesuffix("s")) + "_id"
        found = query(
            default,
            f"select count(distinct {key}), min({key}), max({key}) from staging_web_logs.{table}",
        )
        rows = FULL_SIZE[table] // 1000
        assert found == [(rows, 1, rows)], table


@pytest.mark.parametrize("table", CHILDREN)
def test_each_row_belongs_to_one_that_came_before_it(default: Path, table: str) -> None:
    parent, key, later, earlier = CHILDREN[table]
    orphans, early = query(
        default,
        f"""
        select count(*) filter (parent.{key} is null), count(*) filter ({later} <= {earlier})
        from staging_web_logs.{table} as child
        left join staging_web_logs.{parent} as parent using ({key})
        """,
    )[0]
    assert (orphans, early) == (0, 0)


def test_a_click_and_a_purchase_are_of_the_session_of_their_search(default: Path) -> None:
    strangers = query(
        default,
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
    assert strangers == [(0,)]


def test_thirty_users_click_four_times_out_of_five_and_some_search_unknown(default: Path) -> None:
    ((of_the_heavy, unknown),) = query(
        default,
        """
        select
            (select count(*) filter (user_id <= 30) / count(*) from staging_web_logs.clicks),
            (select count(*) filter (user_id is null) / count(*) from staging_web_logs.searches)
        """,
    )
    assert of_the_heavy == pytest.approx(0.8, abs=0.03)
    assert unknown == pytest.approx(0.3, abs=0.01)


def test_what_is_wanted_most_is_wanted_as_zipf_says(default: Path) -> None:
    counts = [
        count
        for (count,) in query(
            default,
            "select count(*) from staging_web_logs.searches where airport_code is not null"
            " group by airport_code order by 1 desc",
        )
    ]
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.1)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.15)


def test_hours_weekdays_and_months_differ(default: Path) -> None:
    (night, evening), *_ = query(
        default,
        "select count(*) filter (hour(started_at) = 4), count(*) filter (hour(started_at) = 20)"
        " from staging_web_logs.sessions",
    )
    assert evening > 5 * night
    ((tuesday, saturday, august, october),) = query(
        default,
        """
        select
            avg(n) filter (isodow(logical_date) = 2), avg(n) filter (isodow(logical_date) = 6),
            avg(n) filter (month(logical_date) = 8), avg(n) filter (month(logical_date) = 10)
        from (select logical_date, count(*) as n from staging_web_logs.clicks group by all)
        """,
    )
    assert saturday / tuesday == pytest.approx(1.5, rel=0.1)
    assert october / august > 1.05


def test_airports_are_those_of_the_seed_and_not_koreas(default: Path) -> None:
    strangers = query(
        default,
        """
        select distinct airport_code from staging_web_logs.searches
        where airport_code is not null and airport_code not in (
            select airport_code from read_csv('seeds/airports.csv') where country_code <> 'KR'
        )
        """,
    )
    assert strangers == []


# What the rows of this date were on the machine that this was written on.
ROWS = {
    "sessions": "4961988ac99ea31a",
    "searches": "94b8b2d520652c6c",
    "clicks": "8a423e065a535a76",
    "purchases": "a7f97950f26866b4",
    "users": "ffa068588ecd4ef2",
}


@pytest.mark.parametrize("table", TABLES)
def test_the_rows_are_the_same_on_every_machine(default: Path, table: str) -> None:
    (file,) = (default / "lake" / STAGE / table / f"dt={TODAY}").glob("*.parquet")
    told = repr(pq.read_table(file).to_pylist())
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == ROWS[table]


def test_a_date_made_alone_has_the_rows_that_it_has_among_others(default: Path, home: Path) -> None:
    assert run("web_logs", date=str(TODAY)) == (0, "")
    alone, all_of_it = staged(home), staged(default)
    assert alone.items() <= all_of_it.items()
    assert sum(f"dt={TODAY}" in path for path in alone) == len(TABLES)
    users = {path for path in all_of_it if path.startswith("users/")}
    assert alone.keys() - users == {
        path for path in all_of_it if f"dt={TODAY}" in path and path not in users
    }
    assert users <= alone.keys()


def test_many_processes_make_the_rows_that_one_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = Logs(7, 0.002, date(2026, 8, 15), 10, 3, 0.5, 1.2)
    days = list(logs.dates(date(2026, 8, 24)))
    made = []
    for folder, worth in (("one", 10**9), ("many", 0)):
        monkeypatch.setattr(local, "WORTH_A_PROCESS", worth)
        lake = open_lake(str(tmp_path / folder / "lake"))
        units = files.missing(lake, logs, [(table, on) for table in TABLES for on in days])
        assert sorted(local.made(logs, lake.url, units), key=units.index) == units
        made.append(staged(tmp_path / folder))
    assert made[0] == made[1]


def test_a_date_that_is_too_large_for_one_part_has_the_same_ids_in_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = Logs(1, 0.01, date(2026, 8, 15), 10, 3, 0.5, 1.0)
    on = date(2026, 8, 20)
    whole = {table: logs.ids(table, on) for table in TABLES}
    monkeypatch.setattr("loaders.web_logs.logs.PART_CLICKS", 100_000)
    assert logs.parts(on) > 3
    for table in TABLES[1:]:
        parts = [logs.ids_of_part(table, on, part) for part in range(logs.parts(on))]
        assert [it for part in parts for it in part] == list(whole[table])


def test_a_second_run_makes_nothing_and_loads_the_same(
    default: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KOREA_HOME", str(default))
    before = staged(default)
    assert run("web_logs") == (0, "")
    assert {it["staged"] for it in outcomes(default).values()} == {0}
    assert outcomes(default)["web_logs.clicks"]["loaded"] == FULL_SIZE["clicks"] // 1000
    assert staged(default) == before


def test_a_killed_run_leaves_whole_files_and_the_next_goes_on(default: Path, home: Path) -> None:
    process = subprocess.Popen([str(DLT), "pipeline", "web_logs", "run"], stdout=subprocess.PIPE)
    while len(staged(home)) < 40 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    begun = staged(home)
    assert 0 < len(begun) < len(staged(default))
    assert begun.items() <= staged(default).items()
    kept = {path: path.stat().st_mtime_ns for path in (home / "lake").rglob("*.parquet")}
    assert run("web_logs") == (0, "")
    assert staged(home) == staged(default)
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


def test_ctrl_c_ends_a_run_of_many_processes_and_what_came_is_kept(home: Path) -> None:
    run_of_many = subprocess.Popen(
        [str(DLT), "pipeline", "web_logs", "run", "--scale", "0.2"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_interrupts,
        start_new_session=True,
    )
    while len(staged(home)) < 10 and run_of_many.poll() is None:
        time.sleep(0.02)
    os.killpg(run_of_many.pid, signal.SIGINT)
    _, said = run_of_many.communicate(timeout=60)
    assert run_of_many.returncode == 130
    assert said == "interrupted: what came is kept, and the next run goes on from it\n"
    assert len(staged(home)) >= 10
    assert list((home / "lake" / PARTS).iterdir()) == []


def test_a_full_disk_is_told_and_with_more_room_the_next_run_goes_on(home: Path) -> None:
    run_of_all = f"{DLT} pipeline web_logs run --scale 0.02 --only stage"
    with SmallDisk(home, megabytes=20) as disk:
        full = disk.run(run_of_all)
        assert full.returncode == 1
        assert "FAILED: [Errno 28] No space left on device" in full.stdout
        assert re.fullmatch(r"not complete: web_logs\.\w+(, web_logs\.\w+)*\n", full.stderr)
        assert disk.run(f"find {home}/lake/{PARTS} -type f").stdout == ""
        kept = disk.run(f"find {home}/lake -name '*.parquet' | sort").stdout.splitlines()
        assert kept
        disk.grow(megabytes=200)
        times = disk.run(f"stat --format %Y.%i {' '.join(kept)}").stdout
        assert disk.run(run_of_all).returncode == 0
        assert disk.run(f"stat --format %Y.%i {' '.join(kept)}").stdout == times
        made = disk.run(f"cd {home}/lake/stage/web_logs && find . -name '*.parquet' | wc -l")
    assert int(made.stdout) == 5 * 100


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("SCALE", "-1", "expected a number above 0 and at most 100, 1 for 400 million clicks"),
        ("SCALE", "much", "expected a number above 0 and at most 100, 1 for 400 million clicks"),
        ("HEAVY_USERS", "0", "expected at least 1 where SOURCES__WEB_LOGS__HEAVY_SHARE is 0.8"),
        ("HEAVY_USERS", "2000", "expected fewer than the 2,000 users that a scale of 0.001 begins"),
        ("HEAVY_SHARE", "1.5", "expected a share from 0 to 1"),
        ("ZIPF", "-0.1", "expected an exponent from 0 to 5"),
        ("DAYS", "0", "expected a number of days from 1 to 3660"),
        ("FIRST_DATE", "soon", "expected a date"),
        ("SEED", "x", "expected a whole number"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"SOURCES__WEB_LOGS__{setting}", value)
    code, said = run("web_logs")
    assert code == 2
    assert said.startswith(f"SOURCES__WEB_LOGS__{setting} is {value!r}: {expected}")
    assert staged(home) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"date": "2026-08-14"}, "--date is '2026-08-14': expected 2026-08-15"),
        ({"date": "2026-12-01"}, "--date is '2026-12-01': expected no date after today"),
        ({"table": "places"}, "--table is 'places': expected one of users, sessions"),
        ({"scale": "0"}, "--scale is '0': expected a number above 0"),
    ],
)
def test_a_word_of_the_command_that_cannot_be_is_named(words: dict[str, str], said: str) -> None:
    code, message = run("web_logs", **words)  # type: ignore[arg-type]
    assert (code, message[: len(said)]) == (2, said)


def test_a_scale_is_of_this_pipeline_alone() -> None:
    assert run("exim", scale="1") == (2, "--scale is '1': expected the pipeline web_logs")


def test_logs_of_two_makings_never_stand_together(home: Path) -> None:
    assert run("web_logs", date=str(TODAY))[0] == 0
    code, said = run("web_logs", scale="0.002")
    assert code == 2
    assert said.startswith("SOURCES__WEB_LOGS__SCALE is 0.002: expected 0.001, as the logs in the")
    assert run("web_logs", date=str(TODAY), scale="0.002", refresh=True) == (0, "")
    ids = len(logs_of_settings("0.002").ids("clicks", TODAY))
    assert query(home, "select count(*) from staging_web_logs.clicks") == [(ids,)]


def test_other_settings_end_a_run_of_everything_before_anything_is_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("web_logs", date=str(TODAY))[0] == 0
    monkeypatch.setenv("SOURCES__WEB_LOGS__SEED", "2")
    for refresh in (False, True):
        code, said = run(refresh=refresh)
        assert (code, said.split(":")[0]) == (2, "SOURCES__WEB_LOGS__SEED is 2")
    assert not (home / "lake" / "raw").exists()


def test_a_process_that_is_killed_is_told(home: Path) -> None:
    command = [str(DLT), "pipeline", "web_logs", "run", "--scale", "0.2"]
    run_of_many = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(staged(home)) < 10 and run_of_many.poll() is None:
        time.sleep(0.02)
    (worker, *_) = [
        int(path.parts[2])
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if "\0--multiprocessing-fork" in path.read_text()
        and Path(f"/proc/{path.parts[2]}/stat").read_text().split()[3] == str(run_of_many.pid)
    ]
    os.kill(worker, signal.SIGKILL)
    said, _ = run_of_many.communicate(timeout=60)
    assert run_of_many.returncode == 1
    assert "a process that makes logs was killed" in said


def test_a_plan_tells_the_rows_and_makes_none(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("web_logs", scale="1", plan=True) == (0, "")
    assert "400,000,000" in capsys.readouterr().out
    assert staged(home) == {}


def test_a_lake_on_s3_is_read_by_duckdb_too(default: Path, home: Path, bucket_url: str) -> None:
    assert run("web_logs", date=str(TODAY)) == (0, "")
    of_the_day = f"select * from staging_web_logs.clicks where logical_date = '{TODAY}' order by 1"
    assert query(home, of_the_day) == query(default, of_the_day)


@pytest.fixture
def on_redshift(
    redshift: RedshiftServer, bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> RedshiftServer:
    monkeypatch.setenv("DBT_TARGET", "redshift")
    for name, value in redshift.environment().items():
        monkeypatch.setenv(name, value)
    redshift.query("drop schema if exists staging_web_logs cascade")
    return redshift


def test_redshift_copies_each_date_once_and_replaces_it_alone(
    default: Path, on_redshift: RedshiftServer
) -> None:
    yesterday = TODAY - timedelta(days=1)
    for day in (TODAY, yesterday, TODAY):
        assert run("web_logs", date=str(day)) == (0, "")
    for table in TABLES[1:]:
        rows = f"select * from staging_web_logs.{table} where logical_date >= '{yesterday}'"
        assert sorted(on_redshift.query(rows), key=repr) == sorted(query(default, rows), key=repr)
    on_redshift.query(f"delete from staging_web_logs._loaded where logical_date = '{TODAY}'")
    clicks = "select count(*) from staging_web_logs.clicks"
    before = on_redshift.query(clicks)
    assert run("web_logs", only="load") == (0, "")
    assert on_redshift.query(clicks) == before
