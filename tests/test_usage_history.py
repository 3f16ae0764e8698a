"""The usage logs in the warehouse, by real dbt builds over days that come in any order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.dbt_checks import NO_TESTS, succeeds
from support.pipelines import run

EARLY, LATE, NEW = "2026-11-20", "2026-11-21", "2026-11-22"
BY_DAY = [
    "star.dim_user",
    *(f"star.fct_{it}" for it in ("session", "search", "click", "purchase")),
    *(f"frequent.freq_{it}" for it in ("session", "usage", "time_to_purchase", "airport_search")),
    "frequent.freq_daily_funnel",
]
WHOLE = ["frequent.freq_user_usage", "frequent.freq_wanted_airport"]


@dataclass
class Warehouse:
    home: Path

    def build(self, *words: str) -> None:
        chosen = ("--select", "source:staging_web_logs+", *NO_TESTS)
        succeeds(self.home, "build", *chosen, *words)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as warehouse:
            return warehouse.execute(sql).fetchall()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        return {it: self.query(f"from checks_{it} order by all") for it in BY_DAY + WHOLE}

    def days(self) -> list[str]:
        return [
            it
            for (it,) in self.query(
                "select log_date::text from checks_frequent.freq_daily_funnel order by 1"
            )
        ]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the first and the last of three days, built; a test adds to it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("HELLO_KOREA_TODAY", NEW)
        for day in (NEW, EARLY):
            assert run("web_logs", date=day) == (0, "")
    Warehouse(home).build()
    return home


@pytest.fixture
def warehouse(two_days: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("HELLO_KOREA_HOME", str(two_days))
    return Warehouse(two_days)


def test_a_late_day_is_computed_alone_and_the_tables_are_as_if_it_had_come_in_time(
    warehouse: Warehouse,
) -> None:
    marked = f"checks_frequent.freq_daily_funnel set click_count = -1 where log_date = '{NEW}'"
    warehouse.query(f"update {marked}")
    assert run("web_logs", date=LATE) == (0, "")
    warehouse.build()
    assert warehouse.days() == [EARLY, LATE, NEW]
    clicks = "select click_count from checks_frequent.freq_daily_funnel order by log_date"
    assert [it < 0 for (it,) in warehouse.query(clicks)] == [False, False, True]
    came_late = warehouse.tables()
    warehouse.build("--full-refresh")
    in_time = warehouse.tables()
    came_late.pop("frequent.freq_daily_funnel")
    assert len(in_time.pop("frequent.freq_daily_funnel")) == 3
    assert [it for it in in_time if came_late[it] != in_time[it]] == []
    assert all(in_time.values())


def test_logs_that_are_made_of_other_settings_replace_all_that_were_there(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = warehouse.tables()
    monkeypatch.setenv("SOURCES__WEB_LOGS__SEED", "2")
    assert run("web_logs", date=LATE, refresh=True) == (0, "")
    warehouse.build()
    assert warehouse.days() == [LATE]
    grown = warehouse.tables()
    warehouse.build("--full-refresh")
    refreshed = warehouse.tables()
    assert [it for it in grown if grown[it] != refreshed[it]] == []
    assert [it for it in grown if grown[it] == before[it]] == []
