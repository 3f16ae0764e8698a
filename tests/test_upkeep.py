"""What a run deletes and compacts beside the data."""

import os
import time
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.pipelines import lake, query, run

from loaders.pipeline import history, load, loaded_dates, upkeep
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.usefixtures("staging_tables")

TODAY = date(2026, 11, 22)


@pytest.fixture
def three_runs(home: Path) -> list[str]:
    """The files of three runs a day before `TODAY`, which the warehouse has loaded."""
    for number in range(3):
        run_id = f"20261121T0{number}0000.000000-1"
        row = dict.fromkeys(history.SCHEMA.names) | {
            "step_id": f"{run_id}-00001",
            "run_id": run_id,
            "began_at": datetime(2026, 11, 21, number),
            "source_name": "exim",
            "table_name": "exchange_rates",
            "phase": "load",
            "status": "done",
            "call_count": 0,
            "duration_seconds": 1.0,
        }
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([row], history.SCHEMA), sink)
        lake().write(f"{history.FOLDER}/dt=2026-11-21/{run_id}.parquet", sink.getvalue())
    history.load_missing(lake())
    with load.connect() as ledger:
        loaded_dates.read(ledger)  # creates it, as every run does
    return lake().keys(history.FOLDER)


def runs_in_warehouse(home: Path) -> list[str]:
    return [run_id for (run_id,) in query(home, "select run_id from staging_runs.steps order by 1")]


def test_the_runs_of_a_past_day_become_one_file_that_a_new_warehouse_can_load(
    three_runs: list[str], home: Path
) -> None:
    loaded = runs_in_warehouse(home)
    assert upkeep.tidy(lake(), TODAY) == "upkeep: 3 files of runs merged"
    assert lake().keys(history.FOLDER) == [three_runs[-1]]
    assert upkeep.tidy(lake(), TODAY) == ""
    # As if a kill had left a merged file, which is merged again.
    lake().write(three_runs[0], lake().read(three_runs[-1]))
    assert upkeep.tidy(lake(), TODAY) == "upkeep: 2 files of runs merged"
    history.load_missing(lake())
    assert runs_in_warehouse(home) == loaded

    (home / "warehouse.duckdb").unlink()
    history.load_missing(lake())  # into a new warehouse
    assert runs_in_warehouse(home) == loaded
    assert len(loaded) == 3


def test_runs_older_than_the_setting_leave_the_lake_and_the_warehouse(
    three_runs: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS__KEEP_DAYS", "31")
    line = upkeep.tidy(lake(), date(2026, 12, 22))
    assert line == "upkeep: 3 files of runs merged"
    assert upkeep.tidy(lake(), date(2026, 12, 23)) == "upkeep: 1 files of old runs deleted"
    assert lake().keys(history.FOLDER) == []
    assert runs_in_warehouse(home) == []


def test_counts_of_calls_and_load_packages_are_kept_for_a_month(
    three_runs: list[str], home: Path
) -> None:
    for day in ("2026-10-21", "2026-10-22", "2026-11-22"):
        lake().write(f"budget/exim/day={day}/rates.json", b'{"calls": 1, "spent": false}')
    packages = home / "dlt" / "pipelines" / "exim" / "load" / "loaded"
    old, new = packages / "1.0", packages / "2.0"
    for package in (old, new):
        package.mkdir(parents=True)
    month_ago = time.time() - 32 * 24 * 60 * 60
    os.utime(old, (month_ago, month_ago))
    line = upkeep.tidy(lake(), TODAY)
    assert "1 counts of calls deleted" in line
    assert "1 load packages of dlt deleted" in line
    assert [key.split("/")[2] for key in lake().keys("budget")] == [
        "day=2026-10-22",
        "day=2026-11-22",
    ]
    assert not old.exists()
    assert new.exists()


def test_a_warehouse_that_is_mostly_free_blocks_is_written_anew_with_the_same_rows(
    three_runs: list[str], home: Path
) -> None:
    path = home / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        hashes = "select range as id, hash(range) from range({})"
        connection.execute(f"create table large as {hashes.format(20_000_000)}")
        connection.execute("checkpoint")
        # Blocks at the end of the file keep it from being cut.
        connection.execute(f"create table behind_it as {hashes.format(500_000)}")
        connection.execute("checkpoint")
        connection.execute("create schema marts")
        connection.execute("create table marts.kept as select 1 as id")
        connection.execute('create view marts.seen as select * from "warehouse"."marts"."kept"')
        connection.execute("drop table large")
        connection.execute("checkpoint")
    before, runs = path.stat().st_size, runs_in_warehouse(home)
    line = upkeep.tidy(lake(), TODAY)
    freed = (before - path.stat().st_size) // 1024**2
    assert freed > 100
    assert f"{freed:,} MB of the warehouse freed" in line
    assert query(home, "select id from marts.seen") == [(1,)]
    assert runs_in_warehouse(home) == runs


@pytest.mark.slow
def test_a_run_says_what_upkeep_did(
    three_runs: list[str], api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("exim") == (0, "")
    assert "upkeep: 3 files of runs merged" in capsys.readouterr().out
    assert run("exim") == (0, "")
    assert "upkeep" not in capsys.readouterr().out


def test_too_short_a_history_of_runs_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS__KEEP_DAYS", "30")
    assert run("exim") == (2, "RUNS__KEEP_DAYS is '30': expected at least 31 days")
