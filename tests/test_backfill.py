"""Dates loaded from raw in any order come to what they come to in the order of the calendar."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PROJECT, point_at
from killing import rows_of
from pipelines import run
from test_dbt_project import PROFILE

from loaders.sample_api import SampleApi

DAYS = ["2026-11-20", "2026-11-21", "2026-11-22"]
PIPELINES = ["exim", "travelpayouts", "incheon", "kopis"]
MODELS = ["+rds_fares", "+freq_cheapest_fare", "+rds_exchange_rates", "stg_kopis__performances"]
MODELS += ["stg_kopis__performance_details", "stg_kopis__venues"]


@pytest.fixture
def lake(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three days of answers, each of an API as it was on the day."""
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


def came_to(
    home: Path, days: list[str], builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The models of a new warehouse that gets the days one after the other, with builds after
    some of them."""
    monkeypatch.setenv("HELLO_KOREA_HOME", str(home))
    home.mkdir()
    (home / "profiles.yml").write_text(PROFILE)
    for day in days:
        for pipeline in PIPELINES:
            for phase in ("stage", "load"):
                assert run(pipeline, date=day, only=phase) == (0, "")
        if day in builds:
            build(home)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        relations = warehouse.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema like 'checks%'"
        ).fetchall()
        return {table: rows_of(warehouse, f"{schema}.{table}") for schema, table in relations}


def build(home: Path) -> None:
    built = subprocess.run(
        [
            Path(sys.executable).with_name("dbt"),
            *("build", "--select", *MODELS, "--exclude-resource-type", "test", "unit_test"),
            *("--profiles-dir", str(home), "--target-path", str(home / "target")),
            *("--log-path", str(home / "logs")),
        ],
        cwd=PROJECT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout


def test_an_old_day_that_comes_late_changes_nothing_that_is_newer(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = came_to(tmp_path / "in order", DAYS, DAYS[2:], monkeypatch)
    shutil.rmtree(lake / "stage")
    late = came_to(tmp_path / "late", [DAYS[2], DAYS[0], DAYS[1]], DAYS, monkeypatch)
    assert in_order.keys() == late.keys()
    assert [it for it in in_order if in_order[it] != late[it]] == []
    assert {"fct_fare", "freq_cheapest_fare", "rds_fares", "rds_exchange_rates"} <= late.keys()
    assert all(late[it] for it in ("fct_fare", "rds_fares", "rds_exchange_rates"))
