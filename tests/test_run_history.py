"""What became of every run, in the warehouse: what is told, and what is asked of it."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from support.dbt_checks import succeeds
from support.pipelines import bodies, lake, query, run
from support.project import TODAY

from loaders.sample_api import SampleApi


def test_each_phase_of_each_table_is_told(api: SampleApi, home: Path) -> None:
    assert run("tour", table="stays") == (0, "")
    (extracted, staged, loaded) = query(
        home,
        "select phase, status, logical_date, call_count, row_count, rejected_count, byte_count,"
        " error from staging_runs.steps order by step_id",
    )
    (rows,) = query(home, "select count(*) from staging_tour.stays")[0]
    answered = sum(len(lake().read(key)) for key in bodies("tour/stays"))
    (file,) = lake().keys("stage/tour/stays")
    size = len(lake().read(file))
    assert extracted == ("extract", "done", TODAY, api.calls.total(), None, None, answered, None)
    assert staged == ("stage", "done", TODAY, 0, rows, 0, size, None)
    assert loaded == ("load", "done", TODAY, 0, rows, None, None, None)


def test_what_failed_is_asked_of_the_history_until_it_has_come(api: SampleApi, home: Path) -> None:
    api.fail("*/searchStay2", error="bad_key")
    assert run("tour", table="stays")[0] == 1
    failed = "select table_name, phase, error from checks_star.run_history where status = 'failed'"
    succeeds(home, "build", "--select", "stg_runs__steps+")
    ((table, phase, error),) = query(home, f"{failed} and is_newest")
    assert (table, phase) == ("stays", "extract")
    assert "the key is refused: code 30" in error
    shown = succeeds(home, "show", "--select", "what_failed_this_week")
    assert "stays" in shown
    api.clear_faults()
    assert run("tour", table="stays") == (0, "")
    succeeds(home, "build", "--select", "stg_runs__steps+")
    assert query(home, f"{failed} and is_newest") == []
    assert len(query(home, failed)) == 1


def test_a_warehouse_that_is_away_gets_the_history_with_the_next_run(
    api: SampleApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("exim") == (0, "")
    hold = "import duckdb, sys, time; it = duckdb.connect(sys.argv[1]); print(1, flush=True)"
    code = [sys.executable, "-c", f"{hold}; time.sleep(60)", str(home / "warehouse.duckdb")]
    with subprocess.Popen(code, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert run("exim", refresh=True)[0] == 1
        assert "the history of this run waits in the lake" in capsys.readouterr().out
        holder.kill()
    runs = "select count(distinct run_id) from staging_runs.steps"
    assert query(home, runs) == [(1,)]
    assert run("exim") == (0, "")
    assert query(home, runs) == [(3,)]
    assert run("exim", plan=True) == (0, "")
    assert query(home, runs) == [(3,)]


def test_a_day_with_far_fewer_rows_than_usual_is_warned_of(api: SampleApi, home: Path) -> None:
    assert run("exim") == (0, "")
    fallen = ("build", "--select", "stg_runs__steps+")
    assert "WARN=0" in succeeds(home, *fallen)
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "insert into staging_runs.steps select * exclude (i) replace (step_id || i as step_id,"
            " logical_date - i::integer as logical_date, 60 as row_count)"
            " from staging_runs.steps cross join range(1, 5) as t (i) where phase = 'stage'"
        )
    assert "WARN=1" in succeeds(home, *fallen)
    assert "exchange_rates" in succeeds(home, "show", "--select", "rows_have_not_fallen")
