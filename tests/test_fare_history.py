"""The history of fares in the warehouse, built by dbt after one day at a time."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.dbt_checks import check_dbt
from support.pipelines import run
from support.project import point_at

from loaders.sample_api import SampleApi

pytestmark = pytest.mark.long


@dataclass
class Warehouse:
    """The warehouse of a home, and the settings of the pipelines that fill it."""

    home: Path
    settings: pytest.MonkeyPatch

    def load(self, day: str, prices_of: str = "", refresh: bool = False) -> None:
        """Load the fares of a day, with the prices of `prices_of`, by default the same day."""
        self.settings.setenv("HELLO_KOREA_HOME", str(self.home))
        self.settings.setenv("HELLO_KOREA_TODAY", day)
        self.settings.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO,LAX")
        with SampleApi(today=date.fromisoformat(prices_of or day)) as api:
            point_at(api, self.settings)
            assert run("travelpayouts", refresh=refresh) == (0, "")
            assert run("incheon") == (0, "")

    def build(self) -> None:
        selection = ("--select", "+freq_cheapest_fare", "+rds_fares")
        check_dbt(self.home, "build", *selection, "--indirect-selection", "cautious")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as warehouse:
            return warehouse.sql(sql).fetchall()

    def mark(self, day: str) -> None:
        """Set the prices of a day to -1, which computing the day again would overwrite."""
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as warehouse:
            for table, column in (
                ("checks_star.fct_fare", "price_krw"),
                ("checks_frequent.freq_cheapest_fare", "cheapest_krw"),
            ):
                warehouse.execute(f"update {table} set {column} = -1 where seen_on = '{day}'")

    def days(self) -> dict[str, tuple[int, float]]:
        """Return the number of fares and the sum of their prices in won, by day."""
        rows = self.query(
            "select seen_on::text, count(*), sum(price_krw) from checks_star.fct_fare group by 1"
        )
        return {day: (count, float(total)) for day, count, total in rows}


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home with two days of fares from two cities, built. Tests may add days to it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as settings:
        warehouse = Warehouse(home, settings)
        warehouse.load("2026-11-21")
        warehouse.load("2026-11-22")
    warehouse.build()
    return home


@pytest.fixture
def warehouse(two_days: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    return Warehouse(two_days, monkeypatch)


def test_a_fare_has_both_prices_and_the_website_has_the_newest_day(warehouse: Warehouse) -> None:
    ((staged_count,),) = warehouse.query(
        "select count(distinct (origin, departure_at, return_at, airline, flight_number))"
        " from staging_travelpayouts.fares where logical_date = '2026-11-22'"
    )
    exported = warehouse.query(
        "select count(*), count(price_usd), count(price_krw), min(seen_on)::text,"
        " max(seen_on)::text from checks_serving.rds_fares"
    )
    newest_day = ("2026-11-22", "2026-11-22")
    assert exported == [(staged_count, staged_count, staged_count, *newest_day)]
    assert warehouse.query(
        "select distinct origin_city_code, destination_city_code"
        " from checks_frequent.freq_cheapest_fare order by 1"
    ) == [("LAX", "SEL"), ("TYO", "SEL")]
    from_known_airports = warehouse.query(
        "select count(*) from checks_serving.rds_fares"
        " where origin_airport_code in (select airport_code from checks_star.dim_airport"
        " where is_served_from_incheon)"
    )
    assert from_known_airports == [(staged_count,)]


def test_each_day_is_computed_once_and_a_late_or_repeated_day_replaces_only_itself(
    warehouse: Warehouse,
) -> None:
    first = warehouse.days()
    assert set(first) == {"2026-11-21", "2026-11-22"}

    warehouse.mark("2026-11-21")
    marked = {**first, "2026-11-21": (first["2026-11-21"][0], -first["2026-11-21"][0])}
    warehouse.load("2026-11-20")
    warehouse.build()
    with_late = warehouse.days()
    assert {day: with_late[day] for day in first} == marked
    assert with_late["2026-11-20"][0] > 0

    with duckdb.connect(str(warehouse.home / "warehouse.duckdb")) as connection:
        day = "logical_date = '2026-11-20'"  # as if it were loaded again without a row
        connection.execute(f"delete from staging_travelpayouts.fares where {day}")
        connection.execute(
            "update staging_runs.loaded_dates set row_count = 0"
            f" where table_name = 'fares' and {day}"
        )
    warehouse.load("2026-11-22", prices_of="2026-11-25", refresh=True)
    warehouse.build()
    with_new_prices = warehouse.days()
    assert set(with_new_prices) == set(first)
    assert {day for day in first if with_late[day] != with_new_prices[day]} == {"2026-11-22"}
    cheapest = "select seen_on::text, min(cheapest_krw), max(cheapest_krw)"
    by_day = warehouse.query(f"{cheapest} from checks_frequent.freq_cheapest_fare group by 1")
    assert {day for day, _, _ in by_day} == set(first)
    assert [(low, high) for day, low, high in by_day if day == "2026-11-21"] == [(-1, -1)]
