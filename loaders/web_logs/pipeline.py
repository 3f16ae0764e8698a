"""`dlt pipeline web_logs run`: the settings, and a run from the first missing date to the load."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import date, timedelta
from math import isfinite
from typing import Any

import orjson
from rich.table import Table as Printed

from loaders import settings
from loaders.lake.lake import Lake
from loaders.pipeline.load import LoadError
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.results import TableResult
from loaders.pipeline.stage import stage_folder
from loaders.settings import SettingError
from loaders.web_logs import NAME, files, local, warehouse
from loaders.web_logs.files import Unit
from loaders.web_logs.logs import VERSION, Logs

MADE_OF = f"stage/{NAME}/_made_of.json"
"""The settings of the logs that stage holds: differently made ones never stand together."""
Report = Callable[[int, int], None]
"""Called with the rows that were made so far and those of all that is made in this run."""


def logs_of_settings(scale: str | None = None) -> Logs:
    """`scale` wins over its setting. Raises SettingError."""
    name = f"sources.{NAME}"
    if scale is not None:
        try:
            of_full_size = _share(scale, 100)
        except ValueError:
            raise SettingError("--scale", scale, "expected a number above 0, 1 for all") from None
    else:
        expected = "expected a number above 0 and at most 100, 1 for 400 million clicks"
        of_full_size = settings.read(f"{name}.scale", 0.001, lambda it: _share(it, 100), expected)
    logs = Logs(
        seed=settings.read(
            f"{name}.seed", 1, settings.non_negative_integer, "expected a whole number"
        ),
        scale=of_full_size,
        first_date=settings.read(
            f"{name}.first_date", date(2026, 8, 15), date.fromisoformat, "expected a date"
        ),
        days=settings.read(f"{name}.days", 100, _days, "expected a number of days from 1 to 3660"),
        heavy_users=settings.read(
            f"{name}.heavy_users", 30, settings.non_negative_integer, "expected a number of users"
        ),
        heavy_share=settings.read(
            f"{name}.heavy_share", 0.8, _part_of_all, "expected a share from 0 to 1"
        ),
        zipf=settings.read(f"{name}.zipf", 1.0, _exponent, "expected an exponent from 0 to 5"),
    )
    _check(logs)
    return logs


def _check(logs: Logs) -> None:
    heavy_users = settings.environment_name(f"sources.{NAME}.heavy_users")
    if logs.heavy_share and not logs.heavy_users:
        share = settings.environment_name(f"sources.{NAME}.heavy_share")
        raise SettingError(
            heavy_users,
            "0",
            f"expected at least 1 where {share} is {logs.heavy_share}, or that at 0",
        )
    before = logs.signed_up_before(logs.first_date)
    if logs.heavy_users >= before:
        raise SettingError(
            heavy_users,
            str(logs.heavy_users),
            f"expected fewer than the {before:,} users that a scale of {logs.scale:g} begins with",
        )


def wanted_dates(logs: Logs, named: list[date] | None, today: date) -> list[date]:
    """Those of a run: the named ones, or the last `days` up to today. Raises SettingError."""
    if named is None:
        since = max(logs.first_date, today - timedelta(days=logs.days - 1))
        return [it for it in logs.dates(today) if it >= since]
    if named and named[0] < logs.first_date:
        setting = settings.environment_name(f"sources.{NAME}.first_date")
        raise SettingError(
            "--date", str(named[0]), f"expected {logs.first_date} ({setting}) or later"
        )
    return named


def check(lake: Lake, logs: Logs) -> None:
    """Raises SettingError where stage holds logs of other settings."""
    there = orjson.loads(lake.read(MADE_OF)) if lake.exists(MADE_OF) else _made_of(logs)
    for name, value in _made_of(logs).items():
        if there.get(name) != value:
            raise SettingError(
                settings.environment_name(f"sources.{NAME}.{name}"),
                value,
                f"expected {there.get(name)}, as the logs in the lake are made; or dlt pipeline"
                f" {NAME} run --refresh, which removes these and makes them anew",
            )


def planned(lake: Lake, logs: Logs, dates: list[date], tables: tuple[str, ...]) -> dict[str, int]:
    """The rows that a run would make of each table."""
    wanted = [(table, on) for table in tables for on in _dates_of(logs, table, dates)]
    rows = dict.fromkeys(tables, 0)
    for unit in files.missing(lake, logs, wanted):
        for table, count in _rows(logs, unit).items():
            rows[table] += count
    return rows


def as_table(rows: dict[str, int]) -> Printed:
    printed = Printed(box=None, pad_edge=False, header_style="bold")
    printed.add_column("table")
    printed.add_column("rows to make", justify="right")
    for table, count in rows.items():
        printed.add_row(f"{NAME}.{table}", f"{count:,}")
    return printed


def run(
    logs: Logs,
    lake: Lake,
    dates: list[date],
    phases: tuple[str, ...],
    outcomes: dict[str, TableResult],
    refresh: bool,
    report: Report,
) -> None:
    """Makes what stage lacks of the dates, and loads all that stage then holds, of the tables whose
    outcomes it fills in.

    With `refresh` it removes logs of other settings first; without, `check` has seen that there are
    none. Raises SettingError.
    """
    if refresh or not lake.exists(MADE_OF):
        _begin(lake, logs)
    if "extract" in phases or "stage" in phases:
        wanted = [(table, on) for table in outcomes for on in _dates_of(logs, table, dates)]
        try:
            with ExitStack() as steps:
                made = {
                    it: steps.enter_context(of.step("stage", None)) for it, of in outcomes.items()
                }
                _make(logs, lake, files.missing(lake, logs, wanted), outcomes, report)
                for table, step in made.items():
                    step.rows = outcomes[table].staged
        except OSError as error:
            for outcome in outcomes.values():
                outcome.errors.append(str(error))
            return
    if "load" in phases:
        for table, outcome in outcomes.items():
            try:
                with warehouse_lock(), outcome.step("load", None) as step:
                    dates_there = staged_dates(lake, logs, table)
                    step.rows = warehouse.load_table(lake, logs, table, dates_there)
                    outcome.loaded = step.rows
            except (LoadError, OSError) as error:
                outcome.errors.append(str(error))


def staged_dates(lake: Lake, logs: Logs, table: str) -> list[date]:
    """The dates of which stage has every part."""
    there = set(lake.keys(f"stage/{NAME}/{table}"))
    names = lake.folders(f"stage/{NAME}/{table}")
    dates = [date.fromisoformat(name.removeprefix("dt=")) for name in names]
    return [on for on in dates if there.issuperset(files.keys(logs, table, on))]


def _dates_of(logs: Logs, table: str, dates: list[date]) -> Iterator[date]:
    """Of users all dates before too: who searches on a date may have signed up on any of them."""
    if table == "users" and dates:
        return logs.dates(dates[-1])
    return iter(dates)


def _make(
    logs: Logs, lake: Lake, units: list[Unit], outcomes: dict[str, TableResult], report: Report
) -> None:
    rows = {unit: _rows(logs, unit) for unit in units}
    of, done = sum(sum(it.values()) for it in rows.values()), 0
    with closing(_engine()(logs, lake.url, units)) as made:
        for unit in made:
            for table, count in rows[unit].items():
                outcomes[table].staged += count
                outcomes[table].files[unit.on] = stage_folder(NAME, table, unit.on)
                done += count
            report(done, of)


def _engine() -> Callable[[Logs, str, list[Unit]], Generator[Unit]]:
    """What makes units and puts them into the lake. Raises SettingError."""
    setting = f"sources.{NAME}.engine"
    name = settings.read(
        setting, "local", settings.one_of("local", "spark"), "expected local or spark"
    )
    if name == "local":
        return local.made
    try:
        import pyspark  # noqa: F401
    except ImportError:
        expected = "expected PySpark: pip install 'hello-korea[spark]'"
        raise SettingError(settings.environment_name(setting), name, expected) from None
    from loaders.web_logs import spark

    return spark.made


def _rows(logs: Logs, unit: Unit) -> dict[str, int]:
    return {
        table: len(
            logs.ids(table, unit.on)
            if table == "users"
            else logs.ids_of_part(table, unit.on, unit.part)
        )
        for table in unit.tables
    }


def _begin(lake: Lake, logs: Logs) -> None:
    """Says what the logs in stage are made of, which holds none of other settings any more."""
    said = _made_of(logs)
    if lake.exists(MADE_OF) and orjson.loads(lake.read(MADE_OF)) == said:
        return
    for key in lake.keys(f"stage/{NAME}"):
        lake.delete(key)
    lake.write(MADE_OF, orjson.dumps(said))


def _made_of(logs: Logs) -> dict[str, Any]:
    return {"version": VERSION, **asdict(logs), "first_date": logs.first_date.isoformat()}


def _share(text: str, most: float) -> float:
    if not 0 < float(text) <= most:
        raise ValueError(text)
    return float(text)


def _part_of_all(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise ValueError(text)
    return float(text)


def _exponent(text: str) -> float:
    if not (isfinite(float(text)) and 0 <= float(text) <= 5):
        raise ValueError(text)
    return float(text)


def _days(text: str) -> int:
    if not 1 <= int(text) <= 3660:
        raise ValueError(text)
    return int(text)
