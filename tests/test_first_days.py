"""A new home on the sample API begins with a month of exchange rates, so that they are a line."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.pipelines import query, run, table_results
from support.project import TODAY

from loaders.sample_api import SampleApi

FIRST = TODAY - timedelta(days=30)
DATES = "select count(*), min(logical_date) from staging_runs.loaded_dates"


def test_a_new_home_has_the_rates_of_a_month_and_the_next_day_adds_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("exim") == (0, "")
    assert query(home, DATES) == [(31, FIRST)]
    assert run("exim") == (0, "")
    assert table_results(home)["exim.exchange_rates"]["calls"] == 0
    assert len(table_results(home)["exim.exchange_rates"]["steps"]) == 3  # of one date

    monkeypatch.setenv("HELLO_KOREA_TODAY", f"{TODAY + timedelta(days=1)}")
    assert run("exim") == (0, "")
    assert query(home, DATES) == [(32, FIRST)]
    assert len(table_results(home)["exim.exchange_rates"]["steps"]) == 3


def test_a_run_that_ended_before_its_load_has_them_at_the_next_run_without_a_call(
    home: Path,
) -> None:
    for phase in ("extract", "stage"):
        assert run("exim", date=f"{FIRST}..{TODAY}", only=phase) == (0, "")
    assert run("exim") == (0, "")
    assert table_results(home)["exim.exchange_rates"]["calls"] == 0
    assert query(home, DATES) == [(31, FIRST)]


def test_the_plan_has_the_month_only_as_long_as_the_lake_lacks_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("exim", plan=True) == (0, "")
    assert capsys.readouterr().out.count("exim.exchange_rates ") == 31
    assert run("exim", only="extract", date=f"{FIRST}..{TODAY}") == (0, "")
    capsys.readouterr()
    assert run("exim", plan=True) == (0, "")
    assert capsys.readouterr().out.count("exim.exchange_rates ") == 1


def test_chosen_dates_one_phase_and_an_api_with_a_key_have_no_other_dates(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("exim", date=f"{TODAY}") == (0, "")
    assert run("exim", only="stage") == (0, "")
    assert query(home, DATES) == [(1, TODAY)]

    monkeypatch.setenv("HELLO_KOREA_HOME", f"{home} with a key")
    with SampleApi(today=TODAY) as api:
        monkeypatch.setenv("SOURCES__EXIM__BASE_URL", api.base_urls()["exim"])
        monkeypatch.setenv("SOURCES__EXIM__SERVICE_KEY", "sample")
        assert run("exim") == (0, "")
    assert query(Path(f"{home} with a key"), DATES) == [(1, TODAY)]
