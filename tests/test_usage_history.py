"""The models of the usage logs, built by dbt over days that are loaded in any order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.dbt_checks import NO_TESTS, check_dbt
from support.pipelines import run

pytestmark = pytest.mark.long

EARLY, LATE, NEW = "2026-11-20", "2026-11-21", "2026-11-22"
BUILT_BY_DAY = [
    "star.dim_user",
    *(f"star.fct_{event}" for event in ("session", "search", "click", "purchase")),
    *(f"frequent.freq_{name}" for name in ("session", "usage", "time_to_purchase", "item_click")),
    "frequent.freq_airport_search",
    "frequent.freq_daily_funnel",
]
"""Models that are built incrementally."""
REBUILT = ["frequent.freq_user_usage", "frequent.freq_wanted_airport"]


@dataclass
class Warehouse:
    """The DuckDB warehouse of a home."""

    home: Path

    def build(self, *options: str) -> None:
        # Items come from the catalogue and the list of sources from all of them: both are left out.
        selection = ("--select", "source:staging_web_logs+")
        others = ("--exclude", "freq_wanted_item+", "dim_source+")
        check_dbt(self.home, "build", *selection, *others, *NO_TESTS, *options)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as warehouse:
            return warehouse.execute(sql).fetchall()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of each model."""
        return {
            model: self.query(f"from checks_{model} order by all")
            for model in BUILT_BY_DAY + REBUILT
        }

    def days(self) -> list[str]:
        """Return the dates of the daily funnel."""
        rows = self.query("select log_date::text from checks_frequent.freq_daily_funnel order by 1")
        return [day for (day,) in rows]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home in which the first and the last of three days are built. Tests add to it."""
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


def test_a_late_day_is_computed_alone_and_the_tables_equal_a_full_refresh(
    warehouse: Warehouse,
) -> None:
    # A build that computed this day again would overwrite the mark.
    warehouse.query(
        f"update checks_frequent.freq_daily_funnel set click_count = -1 where log_date = '{NEW}'"
    )
    assert run("web_logs", date=LATE) == (0, "")
    warehouse.build()
    assert warehouse.days() == [EARLY, LATE, NEW]
    clicks = "select click_count from checks_frequent.freq_daily_funnel order by log_date"
    assert [count < 0 for (count,) in warehouse.query(clicks)] == [False, False, True]
    incremental = warehouse.tables()
    warehouse.build("--full-refresh")
    refreshed = warehouse.tables()
    incremental.pop("frequent.freq_daily_funnel")  # contains the mark
    assert len(refreshed.pop("frequent.freq_daily_funnel")) == 3
    assert [model for model in refreshed if incremental[model] != refreshed[model]] == []
    assert all(refreshed.values())


def test_logs_of_another_configuration_replace_all_earlier_ones(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = warehouse.tables()
    monkeypatch.setenv("SOURCES__WEB_LOGS__SEED", "2")
    assert run("web_logs", date=LATE, refresh=True) == (0, "")
    warehouse.build()
    assert warehouse.days() == [LATE]
    incremental = warehouse.tables()
    warehouse.build("--full-refresh")
    refreshed = warehouse.tables()
    assert [model for model in incremental if incremental[model] != refreshed[model]] == []
    assert [model for model in incremental if incremental[model] == before[model]] == []
