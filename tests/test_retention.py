"""How long staging keeps lists, and what becomes of late, changed and forgotten dates.

The tests stage small tables of random rows, so that what the warehouse should have can be told from
the rows of all dates.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from support.pipelines import lake, query, run

from loaders.cli.enabled import NO_SAMPLE_API
from loaders.pipeline import load, loaded_dates, retention, stage
from loaders.pipeline.context import RunOptions, SourceContext, prepare
from loaders.pipeline.results import TableResult
from loaders.pipeline.run import load_table
from loaders.sources import SOURCES
from loaders.sources.source import Table

pytestmark = pytest.mark.usefixtures("staging_tables")

FIRST = date(2026, 11, 1)
KEEP = timedelta(days=7)
SEEDS = (0, pytest.param(1, marks=pytest.mark.soak))
Rows = list[dict[str, Any]]


@dataclass
class Staging:
    """A table in staging, and the rows of each date as they were last staged."""

    source: str
    table: str
    dates: dict[date, Rows] = field(default_factory=dict)

    @property
    def definition(self) -> Table:
        return SOURCES[self.source].table(self.table)

    def load(self, day: date, rows: Rows, today: date) -> None:
        """Stage and load the rows of a day."""
        self.dates[day] = rows
        self._load({day: self._stage(day, rows)}, RunOptions(today, (day,)))
        with load.connect() as ledger:
            retention.forget(ledger, today - KEEP)

    def rebuild(self, today: date) -> None:
        """Load every date that is staged."""
        files = stage.staged_files(lake(), self.source, self.table)
        self._load(files, RunOptions(today, (today,), rebuild=True))

    def _stage(self, day: date, rows: Rows) -> str:
        columns = stage.schema(self.definition)
        names = [*columns.names]
        filled = [
            dict.fromkeys(names) | row | {"logical_date": day, "raw_file": "-"} for row in rows
        ]
        origin = {"extraction": f"raw/{self.source}/{self.table}/dt={day}/extraction=001"}
        data = stage.parquet(pa.Table.from_pylist(filled, columns), origin, {})
        folder = stage.stage_folder(self.source, self.table, day)
        opened = lake()
        for older in opened.keys(folder):
            opened.delete(older)
        file = f"{folder}/{stage.file_name(data)}"
        opened.write(file, data)
        return file

    def _load(self, files: dict[date, str], options: RunOptions) -> None:
        context = self._context(options)
        result = TableResult(self.source, self.table, files=files)
        known_loads = dict if options.rebuild else _known_loads
        load_table(context, self.definition, result, known_loads)
        assert result.errors == []

    def _context(self, options: RunOptions) -> SourceContext:
        return prepare(SOURCES[self.source], lake(), NO_SAMPLE_API, options)


def _known_loads() -> dict[loaded_dates.Key, loaded_dates.LoadedDate]:
    with load.connect() as ledger:
        return loaded_dates.read(ledger)


def steps(chance: random.Random, rows: Callable[[date], Rows]) -> Iterator[tuple[date, Rows, date]]:
    """Yield days to load, their rows, and the current day.

    Days come in order, but some are left out, some come late, and some are loaded again with other
    rows or with none.
    """
    skipped: list[date] = []
    for number in range(20):
        today = FIRST + timedelta(days=number)
        if chance.random() < 0.2:
            skipped.append(today)
        else:
            yield today, rows(today), today
        if chance.random() < 0.5:
            earlier = (
                skipped.pop() if skipped else FIRST + timedelta(days=chance.randint(0, number))
            )
            yield earlier, rows(earlier) if chance.random() < 0.8 else [], today


def newest_rows(staging: Staging, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return the rows of each identity that its newest date has."""
    newest: dict[tuple[Any, ...], tuple[date, Rows]] = {}
    identity = staging.definition.identity or staging.definition.primary_key
    for day in sorted(staging.dates):
        for row in staging.dates[day]:
            key = tuple(row[name] for name in identity)
            kept = newest.get(key)
            newest[key] = (day, [*kept[1], row] if kept and kept[0] == day else [row])
    return sorted(
        (day, *(row[name] for name in columns)) for day, rows in newest.values() for row in rows
    )


LISTS = {
    ("kopis", "venues"): ("venue_id", "venue_name"),
    ("incheon", "schedules"): ("direction", "flight_id", "airport", "first_date", "weekdays"),
}


def random_venues(chance: random.Random) -> Rows:
    return [
        {"venue_id": f"FC{number}", "venue_name": chance.choice("abc")}
        for number in range(6)
        if chance.random() < 0.6
    ]


def random_schedules(chance: random.Random) -> Rows:
    return [
        {
            "direction": "arrival",
            "flight_id": f"KE{number}",
            "airport": "KIX",
            "first_date": FIRST,
            "weekdays": weekdays,
        }
        for number in range(4)
        for weekdays in ("YYYYYNN", "NNNNNYY", "YYYYYYY")
        if chance.random() < 0.4
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "random_rows"),
    [(("kopis", "venues"), random_venues), (("incheon", "schedules"), random_schedules)],
    ids=["venues", "schedules"],
)
def test_whatever_the_order_of_loads_staging_has_the_newest_rows_of_each_identity(
    name: tuple[str, str], random_rows: Callable[[random.Random], Rows], seed: int, home: Path
) -> None:
    chance = random.Random(seed)
    staging = Staging(*name)
    table, columns = staging.definition, LISTS[name]
    identity = ", ".join(table.identity or table.primary_key)
    sql = (
        f"select logical_date, {', '.join(columns)} from staging_{name[0]}.{name[1]}"
        f" qualify rank() over (partition by {identity} order by logical_date desc) = 1"
        " order by all"
    )
    for day, rows, today in steps(chance, lambda _: random_rows(chance)):
        staging.load(day, rows, today)
        assert query(home, sql) == newest_rows(staging, columns)
        full = {day: rows for day, rows in staging.dates.items() if day >= today - KEEP and rows}
        counts = f"select logical_date, count(*) from staging_{name[0]}.{name[1]} group by 1"
        kept = dict(query(home, counts))
        assert {day: kept.get(day) for day in full} == {
            day: len(rows) for day, rows in full.items()
        }
        repeated = (
            f"select {identity} from (select distinct {identity}, logical_date"
            f" from staging_{name[0]}.{name[1]} where logical_date < '{today - KEEP}')"
            " group by all having count(*) > 1"
        )
        assert query(home, repeated) == []


HISTORIES = (
    "stg_runs__loaded_dates",
    *("stg_kma__short_forecasts", "int_short_forecasts_aggregated_to_days"),
    *("stg_travelpayouts__fares", "fct_fare", "int_fare_codes", "int_history_days"),
)


@cache
def project(target: str) -> bytes:
    """Return dbt's manifest as bytes, because each command changes it."""
    result = dbtRunner().invoke(["parse", "--quiet", "--target-path", target])
    assert isinstance(result.result, Manifest), result.exception
    return result.result.to_msgpack()


@pytest.fixture
def build(
    home: Path,
    profiles: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., bool]:
    """Run the models of histories in this process, and return whether they succeeded."""
    target = str(tmp_path_factory.getbasetemp() / "target of histories")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(profiles))
    manifest = project(target)

    def run_models(*words: str, models: tuple[str, ...] = HISTORIES) -> bool:
        words = (*words, "--quiet", "--target-path", target, "--log-level-file", "none")
        runner = dbtRunner(manifest=Manifest.from_msgpack(manifest))
        try:
            return runner.invoke(["run", "--select", *models, *words]).success
        finally:
            # Otherwise no query could open the warehouse.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]

    return run_models


def random_forecasts(chance: random.Random, day: date) -> Rows:
    """Return temperatures for some hours of the day and of the next two."""
    issued_at = datetime(day.year, day.month, day.day, 5)
    return [
        {
            "nx": 60,
            "ny": 127,
            "base_at": issued_at,
            "category": "TMP",
            "forecast_at": issued_at + timedelta(hours=hours),
            "value_min": (value := float(chance.randint(0, 9))),
            "value_max": value,
        }
        for hours in range(4, 60, 8)
        if chance.random() < 0.7
    ]


def random_fares(chance: random.Random, day: date) -> Rows:
    return [
        {
            "currency": "krw",
            "origin": origin,
            "destination": "SEL",
            "departure_at": f"{day}T08:00:00+09:00",
            "return_at": "one-way",
            "airline": chance.choice(("KE", "OZ")),
            "flight_number": "1",
            "departs_at": datetime(day.year, day.month, day.day, 8),
            "price": float(chance.randint(1, 9)),
        }
        for origin in ("TYO", "OSA", "LAX")
        if chance.random() < 0.6
    ]


def days_of(forecasts: Staging) -> dict[date, tuple[int, float, float]]:
    """Return the hours, lowest and highest temperature of each day, from its newest forecasts."""
    hours: dict[datetime, float] = {}
    for day in sorted(forecasts.dates):
        hours |= {row["forecast_at"]: row["value_min"] for row in forecasts.dates[day]}
    days: dict[date, list[float]] = {}
    for hour, value in hours.items():
        days.setdefault(hour.date(), []).append(value)
    return {day: (len(values), min(values), max(values)) for day, values in sorted(days.items())}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_order_of_loads_and_builds_the_histories_are_those_of_all_dates(
    seed: int, home: Path, build: Callable[..., bool]
) -> None:
    chance = random.Random(seed)
    forecasts, fares = Staging("kma", "short_forecasts"), Staging("travelpayouts", "fares")
    assert _has_calendar(forecasts, fares, build)
    for day, rows, today in steps(chance, lambda day: random_forecasts(chance, day)):
        forecasts.load(day, rows, today)
        fares.load(day, random_fares(chance, day) if rows else [], today)
        if chance.random() < 0.3:
            assert build()
    assert build()
    assert_histories(home, forecasts, fares)
    today = FIRST + timedelta(days=20)
    forecasts.load(today, random_forecasts(chance, today), today)
    fares.load(today, random_fares(chance, today), today)
    oldest = f"select min(forecast_at)::date >= '{today - KEEP}' from staging_kma.short_forecasts"
    assert query(home, oldest) == [(True,)]
    assert build()
    assert_histories(home, forecasts, fares)

    assert not build("--full-refresh")  # staging has forgotten days
    for staging in (forecasts, fares):
        staging.rebuild(today)
    assert build("--full-refresh")
    assert_histories(home, forecasts, fares)


def _has_calendar(forecasts: Staging, fares: Staging, build: Callable[..., bool]) -> bool:
    """Create the tables that the models read, and the calendar."""
    for staging in (forecasts, fares):
        staging.load(FIRST, [], FIRST)
    return build(models=("dim_date",))


def assert_histories(home: Path, forecasts: Staging, fares: Staging) -> None:
    """Assert that the models have what follows from the rows of all dates."""
    days = query(
        home,
        "select forecast_on, hour_count, low_temperature, high_temperature"
        " from intermediate.int_short_forecasts_aggregated_to_days order by 1",
    )
    assert {day: tuple(values) for day, *values in days} == days_of(forecasts)
    expected = sorted(
        (day, row["origin"], row["airline"], row["price"])
        for day, rows in fares.dates.items()
        for row in rows
    )
    kept = "select seen_on, origin_airport_code, airline_code, price_krw::double from star.fct_fare"
    assert query(home, f"{kept} order by all") == expected
    codes = (
        "select distinct seen_on, code from intermediate.int_fare_codes where code_kind = 'airline'"
    )
    assert query(home, f"{codes} order by all") == sorted(
        {(day, code) for day, _, code, _ in expected}
    )


def test_a_retention_below_what_the_models_look_back_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGING__KEEP_DAYS", "6")
    expected = "expected at least 7 days, for which the models look back"
    assert run("exim") == (2, f"STAGING__KEEP_DAYS is '6': {expected}")


def test_a_rebuild_without_a_lake_is_refused(home: Path) -> None:
    code, message = run("exim", rebuild=True)
    assert code == 2
    assert message == f"LAKE__URL is '{home / 'lake'}': expected responses in raw/ to rebuild from"
