"""Dates that are loaded from raw late, in any order, or again."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.dbt_checks import NO_TESTS, check_dbt
from support.kills import comparable_rows
from support.pipelines import query, run
from support.project import point_at
from support.responses import exchange_rates

from loaders.sample_api import SampleApi

pytestmark = pytest.mark.long

DAYS = ["2026-11-20", "2026-11-21", "2026-11-22"]
PIPELINES = ["exim", "travelpayouts", "incheon", "kopis"]
MODELS = ["+rds_fares", "+freq_cheapest_fare", "+rds_exchange_rates", "stg_kopis__performances"]
MODELS += ["stg_kopis__performance_details", "stg_kopis__venues"]


@pytest.fixture
def lake(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake with the raw responses of three days, each from an API of that day."""
    folder = tmp_path / "lake"
    for name, value in {
        "LAKE__URL": str(folder),
        "SOURCES__TRAVELPAYOUTS__ORIGINS": "TYO",
        "SOURCES__KOPIS__DAYS_AHEAD": "3",
        "SOURCES__KOPIS__DAYS_BACK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    for day in DAYS:
        monkeypatch.setenv("HELLO_KOREA_TODAY", day)
        with SampleApi(today=date.fromisoformat(day)) as api:
            point_at(api, monkeypatch)
            for pipeline in PIPELINES:
                assert run(pipeline, only="extract") == (0, "")
    return folder


def built_models(
    home: Path, days: list[str], build_after: list[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Load the days one by one into a new warehouse, and build after those in `build_after`.

    Return the rows of each model.
    """
    monkeypatch.setenv("HELLO_KOREA_HOME", str(home))
    for day in days:
        for pipeline in PIPELINES:
            assert run(pipeline, date=day) == (0, "")
        if day in build_after:
            check_dbt(home, "build", "--select", *MODELS, *NO_TESTS)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        relations = warehouse.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema like 'checks%'"
        ).fetchall()
        return {
            table: comparable_rows(warehouse, f"{schema}.{table}") for schema, table in relations
        }


@pytest.mark.soak
def test_days_that_are_loaded_late_give_the_same_models_as_days_in_order(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = built_models(tmp_path / "in order", DAYS, DAYS[2:], monkeypatch)
    shutil.rmtree(lake / "stage")
    late = built_models(tmp_path / "late", [DAYS[2], DAYS[0], DAYS[1]], DAYS[1:], monkeypatch)
    assert in_order.keys() == late.keys()
    assert [model for model in in_order if in_order[model] != late[model]] == []
    assert {"fct_fare", "freq_cheapest_fare", "rds_fares", "rds_exchange_rates"} <= late.keys()
    assert all(late[model] for model in ("fct_fare", "rds_fares", "rds_exchange_rates"))


def test_a_correction_of_an_old_rate_keeps_the_newer_rate_and_name(
    api: SampleApi, home: Path
) -> None:
    old, new = DAYS[0], DAYS[2]
    api.fail("*", body=exchange_rates({"cur_unit": "XYZ", "cur_nm": "newer", "deal_bas_r": "200"}))
    for day in (old, new):
        assert run("exim", date=day) == (0, "")
    api.clear_faults()
    api.fail("*", body=exchange_rates({"cur_unit": "XYZ", "cur_nm": "older", "deal_bas_r": "100"}))
    assert run("exim", date=old, refresh=True) == (0, "")
    check_dbt(home, "build", "--select", "+rds_exchange_rates", *NO_TESTS)
    rates = "select rate_on::text, name_ko, krw_per_unit from checks_serving.rds_exchange_rates"
    assert query(home, f"{rates} where currency_code = 'XYZ' order by 1") == [
        (DAYS[0], "newer", 100),
        (DAYS[1], "newer", 100),
        (DAYS[2], "newer", 200),
    ]
