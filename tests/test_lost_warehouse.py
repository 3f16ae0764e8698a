"""A warehouse that has lost dates which the lake holds is noticed before the website loses rows."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.newcomer import Newcomer
from support.pipelines import open_warehouse_elsewhere, query, run, table_results
from support.project import TODAY

from loaders.sample_api import SampleApi

DATES = "select count(distinct logical_date) from staging_incheon.airports"
REMEDY = "dlt pipeline run --rebuild"


def run_on(day: date, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("HELLO_KOREA_TODAY", f"{day}")
    return run("incheon")[0]


@pytest.mark.core
def test_the_morning_after_a_loss_loads_nothing_and_names_the_rebuild(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on(TODAY, monkeypatch) == 0
    (home / "warehouse.duckdb").unlink()
    assert run_on(TODAY + timedelta(days=1), monkeypatch) == 1
    for table in ("incheon.airports", "incheon.schedules"):
        (error,) = table_results(home)[table]["errors"]
        assert f"the warehouse has lost 2 dates, such as incheon.schedules of {TODAY}" in error
        assert REMEDY in error
    assert query(home, DATES) == [(0,)]

    calls = api.calls.total()
    assert run("incheon", rebuild=True) == (0, "")
    assert query(home, DATES) == [(2,)]
    assert run_on(TODAY + timedelta(days=1), monkeypatch) == 0
    assert api.calls.total() == calls


def test_an_old_backup_of_the_warehouse_is_noticed_too(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on(TODAY, monkeypatch) == 0
    shutil.copy(home / "warehouse.duckdb", home / "backup.duckdb")
    assert run_on(TODAY + timedelta(days=1), monkeypatch) == 0
    shutil.copy(home / "backup.duckdb", home / "warehouse.duckdb")
    assert run_on(TODAY + timedelta(days=2), monkeypatch) == 1
    assert REMEDY in table_results(home)["incheon.airports"]["errors"][0]


@pytest.mark.core
def test_a_loss_of_today_alone_and_a_day_that_was_never_loaded_are_no_loss(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on(TODAY, monkeypatch) == 0
    (home / "warehouse.duckdb").unlink()
    assert run_on(TODAY, monkeypatch) == 0

    with monkeypatch.context() as settings, open_warehouse_elsewhere(home):
        settings.setenv("WAREHOUSE__LOCK_TIMEOUT", "0")
        assert run_on(TODAY + timedelta(days=1), settings) == 1
    assert run_on(TODAY + timedelta(days=2), monkeypatch) == 0
    assert query(home, DATES) == [(2,)]


@pytest.mark.long
@pytest.mark.slow
def test_a_build_on_a_warehouse_that_lost_dates_ends_before_it_begins(
    api: SampleApi, home: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("incheon", date=f"{TODAY}") == (0, "")
    (home / "warehouse.duckdb").unlink()
    monkeypatch.setenv("HELLO_KOREA_TODAY", f"{TODAY + timedelta(days=2)}")
    assert run("incheon")[0] == 1
    process = Newcomer(home, profiles).run("dbt", "build", "--select", "stg_incheon__airports")
    assert process.returncode == 2
    assert REMEDY in process.stdout
    assert "Traceback" not in process.stdout
