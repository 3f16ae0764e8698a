"""The history of runs in the warehouse, and the models that read it."""

import re
from pathlib import Path

import duckdb
import pytest
from support.dbt_checks import check_dbt
from support.pipelines import bodies, lake, open_warehouse_elsewhere, query, run
from support.project import PROJECT, TODAY

from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

pytestmark = pytest.mark.usefixtures("staging_tables")


def test_the_history_has_each_phase_of_each_table(api: SampleApi, home: Path) -> None:
    assert run("tour", table="stays") == (0, "")
    (extracted, staged, loaded) = query(
        home,
        "select phase, status, logical_date, call_count, row_count, rejected_count, byte_count,"
        " error from staging_runs.steps order by step_id",
    )
    (row_count,) = query(home, "select count(*) from staging_tour.stays")[0]
    raw_bytes = sum(len(lake().read(key)) for key in bodies("tour/stays"))
    (staged_file,) = lake().keys("stage/tour/stays")
    staged_bytes = len(lake().read(staged_file))
    assert extracted == ("extract", "done", TODAY, api.calls.total(), None, None, raw_bytes, None)
    assert staged == ("stage", "done", TODAY, 0, row_count, 0, staged_bytes, None)
    assert loaded == ("load", "done", TODAY, 0, row_count, None, None, None)


@pytest.mark.long
@pytest.mark.slow
def test_a_failure_is_listed_until_a_later_run_succeeds(api: SampleApi, home: Path) -> None:
    api.fail("*/searchStay2", error="bad_key")
    assert run("tour", table="stays")[0] == 1
    failed = "select table_name, phase, error from checks_star.run_history where status = 'failed'"
    check_dbt(home, "build", "--select", "stg_runs__steps+")
    ((table, phase, error),) = query(home, f"{failed} and is_newest")
    assert (table, phase) == ("stays", "extract")
    assert "the key is refused: code 30" in error
    shown = check_dbt(home, "show", "--select", "what_failed_this_week")
    assert "stays" in shown
    api.clear_faults()
    assert run("tour", table="stays") == (0, "")
    check_dbt(home, "build", "--select", "stg_runs__steps+")
    assert query(home, f"{failed} and is_newest") == []
    assert len(query(home, failed)) == 1


@pytest.mark.slow
def test_the_history_of_a_run_without_a_warehouse_is_loaded_by_the_next_run(
    api: SampleApi,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WAREHOUSE__LOCK_TIMEOUT", "0")
    assert run("exim") == (0, "")
    with open_warehouse_elsewhere(home):
        assert run("exim", refresh=True)[0] == 1
        assert "the history of this run waits in the lake" in capsys.readouterr().out
    runs = "select count(distinct run_id) from staging_runs.steps"
    assert query(home, runs) == [(1,)]
    assert run("exim") == (0, "")
    assert query(home, runs) == [(3,)]
    assert run("exim", plan=True) == (0, "")
    assert query(home, runs) == [(3,)]


@pytest.mark.long
@pytest.mark.slow
def test_dbt_warns_of_a_day_with_far_fewer_rows_than_usual(api: SampleApi, home: Path) -> None:
    assert run("exim") == (0, "")
    build = ("build", "--select", "stg_runs__steps+")
    assert "WARN=0" in check_dbt(home, *build)
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "insert into staging_runs.steps select * exclude (i) replace (step_id || i as step_id,"
            " logical_date - i::integer as logical_date, 60 as row_count)"
            " from staging_runs.steps cross join range(1, 5) as t (i) where phase = 'stage'"
        )
    assert "WARN=1" in check_dbt(home, *build)
    assert "exchange_rates" in check_dbt(home, "show", "--select", "rows_have_not_fallen")


@pytest.mark.long
@pytest.mark.slow
def test_dbt_compares_the_rows_of_a_call_of_details_since_only_changes_are_asked(
    api: SampleApi, home: Path
) -> None:
    assert run("exim") == (0, "")

    def add(days_ago: int, calls: int, rows: int) -> None:
        """Add a day of details to the history."""
        with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
            warehouse.execute(
                "insert into staging_runs.steps select * replace"
                f" (step_id || 'details{days_ago}' as step_id, 'tour' as source_name,"
                f" 'place_details' as table_name, logical_date - {days_ago} as logical_date,"
                f" if(phase = 'extract', {calls}, 0) as call_count,"
                f" if(phase = 'stage', {rows}, null) as row_count)"
                " from staging_runs.steps where table_name = 'exchange_rates'"
            )

    build = ("build", "--select", "stg_runs__steps+")
    for day in ((9, 832, 832), (8, 3, 3), (7, 25, 25), (6, 30, 29)):
        add(*day)
    assert "WARN=0" in check_dbt(home, *build)
    add(5, 40, 2)
    assert "WARN=1" in check_dbt(home, *build)


def test_the_rule_knows_all_tables_of_details() -> None:
    rule = (PROJECT / "tests" / "dbt" / "rows_have_not_fallen.sql").read_text("utf-8")
    (names,) = re.findall(r"set details = \((.*?)\)", rule, re.DOTALL)
    details = {
        table.name for source in SOURCES.values() for table in source.tables if table.details_of
    }
    assert set(re.findall(r"\w+", names)) == details
