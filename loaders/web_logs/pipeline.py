"""`dlt pipeline web_logs run`: the settings, and a run from the first missing date to the load."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from math import isfinite
from typing import Any, TypeVar

import orjson
from rich.table import Table as PrintedTable

from loaders import settings
from loaders.lake.lake import Lake
from loaders.pipeline import load
from loaders.pipeline.context import RunOptions
from loaders.pipeline.load import LoadError
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.results import TableResult
from loaders.pipeline.stage import stage_folder
from loaders.settings import SettingError
from loaders.web_logs import NAME, files, local, warehouse
from loaders.web_logs.config import VERSION, LogsConfig
from loaders.web_logs.files import Part

CONFIG_FILE = f"stage/{NAME}/_made_of.json"
"""Configuration of the logs in stage, which never contains logs of two configurations. Existing
lakes have this file under this name."""
DEFAULT_SCALE = 0.001
MAX_SCALE = 100
Report = Callable[[int, int], None]
"""Called with the number of rows generated so far, and the number that the run generates."""

T = TypeVar("T")


def read_config(scale: str | None = None, default_scale: float = DEFAULT_SCALE) -> LogsConfig:
    """Read the settings. `scale` takes precedence over its setting. Raise SettingError."""
    config = LogsConfig(
        seed=_read("seed", 1, settings.non_negative_integer, "expected an integer, at least 0"),
        scale=_read_scale(scale, default_scale),
        first_date=_read("first_date", date(2026, 8, 15), date.fromisoformat, "expected a date"),
        days=_read("days", 100, _days, "expected a number of days from 1 to 3660"),
        heavy_users=_read(
            "heavy_users", 30, settings.non_negative_integer, "expected a number of users"
        ),
        heavy_share=_read("heavy_share", 0.8, _share, "expected a share from 0 to 1"),
        zipf=_read("zipf", 1.0, _exponent, "expected an exponent from 0 to 5"),
    )
    _check_heavy_users(config)
    return config


def scale_of_lake(lake: Lake) -> float:
    """Return the scale of the logs in stage, or the default if there are none.

    So runs without a scale add to logs that were generated with `--scale`.
    """
    if not lake.exists(CONFIG_FILE):
        return DEFAULT_SCALE
    scale: float = orjson.loads(lake.read(CONFIG_FILE)).get("scale", DEFAULT_SCALE)
    return scale


def _read_scale(option: str | None, default: float) -> float:
    expected = f"expected a number above 0 and at most {MAX_SCALE}, 1 for 400 million clicks"
    if option is None:
        return _read("scale", default, _scale, expected)
    try:
        return _scale(option)
    except ValueError:
        raise SettingError("--scale", option, expected) from None


def _check_heavy_users(config: LogsConfig) -> None:
    name = settings.environment_name(f"sources.{NAME}.heavy_users")
    if config.heavy_share and not config.heavy_users:
        share = settings.environment_name(f"sources.{NAME}.heavy_share")
        expected = f"expected at least 1 while {share} is {config.heavy_share}, or set that to 0"
        raise SettingError(name, "0", expected)
    users = config.signed_up_before(config.first_date)
    if config.heavy_users >= users:
        raise SettingError(
            name,
            str(config.heavy_users),
            f"expected fewer than the {users:,} users that a scale of {config.scale:g} begins with",
        )


def config_of_lake(lake: Lake) -> LogsConfig | None:
    """Return the configuration of the logs in stage, or None if it is missing or damaged."""
    try:
        fields = orjson.loads(lake.read(CONFIG_FILE))
        fields |= {"first_date": date.fromisoformat(fields["first_date"])}
        del fields["version"]
        return LogsConfig(**fields)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def load_table(config: LogsConfig, lake: Lake, table: str) -> TableResult:
    """Load what stage has of a table, and return the result."""
    result = TableResult(NAME, table)
    present = files.present(lake, [table])
    _load(config, lake, table, staged_dates(config, table, present[table]), result)
    return result


def dates_to_run(config: LogsConfig, requested: list[date] | None, today: date) -> list[date]:
    """Return the requested dates, or the last `days` up to today if None. Raise SettingError."""
    if requested is None:
        since = max(config.first_date, today - timedelta(days=config.days - 1))
        return [day for day in config.dates(today) if day >= since]
    if requested and requested[0] < config.first_date:
        setting = settings.environment_name(f"sources.{NAME}.first_date")
        raise SettingError(
            "--date", str(requested[0]), f"expected {config.first_date} ({setting}) or later"
        )
    return requested


def check_config(lake: Lake, config: LogsConfig, scale: str | None = None) -> None:
    """Raise SettingError if stage contains logs of another configuration.

    `scale`: the option as typed.
    """
    if not lake.exists(CONFIG_FILE):
        return
    staged = orjson.loads(lake.read(CONFIG_FILE))
    for name, value in _config_fields(config).items():
        if staged.get(name) != value:
            is_option = name == "scale" and scale is not None
            raise SettingError(
                "--scale" if is_option else settings.environment_name(f"sources.{NAME}.{name}"),
                value,
                f"expected {staged.get(name)}, with which the logs in the lake were generated;"
                f" or dlt pipeline {NAME} run --refresh{f' --scale {scale}' * is_option},"
                " which deletes them and generates new ones",
            )


def planned(
    lake: Lake, config: LogsConfig, dates: list[date], tables: tuple[str, ...]
) -> dict[str, int]:
    """Return the number of rows that a run would generate of each table."""
    rows = dict.fromkeys(tables, 0)
    wanted = _wanted(config, dates, tables)
    for part in files.missing_parts(config, wanted, files.present(lake, tables)):
        for table, count in _row_counts(config, part).items():
            rows[table] += count
    return rows


def as_table(rows: dict[str, int]) -> PrintedTable:
    """Return a printable table of the planned rows."""
    printed = PrintedTable(box=None, pad_edge=False, header_style="bold")
    printed.add_column("table")
    printed.add_column("rows to generate", justify="right")
    for table, count in rows.items():
        printed.add_row(f"{NAME}.{table}", f"{count:,}")
    return printed


def run(
    config: LogsConfig,
    lake: Lake,
    options: RunOptions,
    results: dict[str, TableResult],
    report: Report,
) -> None:
    """Generate what stage lacks of the dates, then load everything in stage.

    The tables are those of `results`, which are filled in. With `options.refresh`, logs of another
    configuration are deleted first; without it, `check_config` must have passed. Raise
    SettingError.
    """
    if options.refresh or not lake.exists(CONFIG_FILE):
        _write_config(lake, config)
    try:
        present = files.present(lake, results)
        if "extract" in options.phases or "stage" in options.phases:
            _stage(config, lake, list(options.dates), results, present, report)
    except OSError as error:
        for result in results.values():
            result.errors.append(str(error))
        return
    if "load" in options.phases:
        with load.kept_open():
            for table, result in results.items():
                _load(config, lake, table, staged_dates(config, table, present[table]), result)


def _stage(
    config: LogsConfig,
    lake: Lake,
    dates: list[date],
    results: dict[str, TableResult],
    present: dict[str, set[str]],
    report: Report,
) -> None:
    """Generate the missing parts, and add their keys to those in stage. Raise OSError."""
    with ExitStack() as stack:
        steps = {
            table: stack.enter_context(result.step("stage", None))
            for table, result in results.items()
        }
        parts = files.missing_parts(config, _wanted(config, dates, tuple(results)), present)
        _generate(config, lake, parts, results, report)
        for part in parts:
            for table, keys in files.keys_of_part(config, part).items():
                present[table] |= keys
        for table, step in steps.items():
            step.rows = results[table].staged
            results[table].files = {day: stage_folder(NAME, table, day) for day in dates}


def _load(
    config: LogsConfig, lake: Lake, table: str, dates: list[date], result: TableResult
) -> None:
    try:
        with warehouse_lock(), result.step("load", None) as step:
            mend = partial(_mend, config, lake, result)
            step.rows = warehouse.load_table(lake, config, table, dates, mend)
            result.loaded = step.rows
            result.files = {day: stage_folder(NAME, table, day) for day in dates}
    except (LoadError, OSError) as error:
        result.errors.append(str(error))


def _mend(config: LogsConfig, lake: Lake, result: TableResult, key: str) -> None:
    """Generate a file again unless it is as recorded."""
    part = files.part_of_key(config, key)
    assert part
    if files.read_record(lake, key) is None:  # a file of an earlier version
        files.generate(lake, config, part)
    elif not files.is_sound(lake, key):
        files.generate(lake, config, part)
        result.notes.append(f"{key} was damaged, and is generated again")


def staged_dates(config: LogsConfig, table: str, present: set[str]) -> list[date]:
    """Return the dates of which stage has every part of a table, given its keys."""
    folders = {key.split("/")[3] for key in present}
    dates = sorted(date.fromisoformat(folder.removeprefix("dt=")) for folder in folders)
    return [day for day in dates if present.issuperset(files.file_keys(config, table, day))]


def _wanted(config: LogsConfig, dates: list[date], tables: Iterable[str]) -> list[tuple[str, date]]:
    return [(table, day) for table in tables for day in _dates_of_table(config, table, dates)]


def _dates_of_table(config: LogsConfig, table: str, dates: list[date]) -> Iterator[date]:
    """Yield the dates that a run needs of a table.

    Users need all earlier dates too: a session may belong to a user who signed up on any of them.
    """
    if table == "users" and dates:
        return config.dates(dates[-1])
    return iter(dates)


def _generate(
    config: LogsConfig,
    lake: Lake,
    parts: list[Part],
    results: dict[str, TableResult],
    report: Report,
) -> None:
    row_counts = {part: _row_counts(config, part) for part in parts}
    total = sum(sum(counts.values()) for counts in row_counts.values())
    done = 0
    with closing(_engine()(config, lake.url, parts)) as generated:
        for part in generated:
            for table, count in row_counts[part].items():
                results[table].staged += count
                done += count
            report(done, total)


def _engine() -> Callable[[LogsConfig, str, list[Part]], Generator[Part]]:
    """Return the function that generates parts into the lake. Raise SettingError."""
    setting = f"sources.{NAME}.engine"
    engine = settings.read(
        setting, "local", settings.one_of("local", "spark"), "expected local or spark"
    )
    if engine == "local":
        return local.generate
    try:
        import pyspark  # noqa: F401
    except ImportError:
        expected = "expected PySpark: pip install 'hello-korea[spark]'"
        raise SettingError(settings.environment_name(setting), engine, expected) from None
    from loaders.web_logs import spark

    return spark.generate


def _row_counts(config: LogsConfig, part: Part) -> dict[str, int]:
    """Return the number of rows of each table of a part."""
    if part.tables == ("users",):
        return {"users": len(config.ids("users", part.day))}
    return {table: len(config.ids_of_part(table, part.day, part.number)) for table in part.tables}


def _write_config(lake: Lake, config: LogsConfig) -> None:
    """Write the configuration of the logs in stage, and delete logs of any other."""
    config_fields = _config_fields(config)
    if lake.exists(CONFIG_FILE) and orjson.loads(lake.read(CONFIG_FILE)) == config_fields:
        return
    for key in lake.keys(f"stage/{NAME}"):
        lake.delete(key)
    lake.write(CONFIG_FILE, orjson.dumps(config_fields))


def _config_fields(config: LogsConfig) -> dict[str, Any]:
    return {"version": VERSION, **asdict(config), "first_date": config.first_date.isoformat()}


def _read(name: str, default: T, convert: Callable[[str], T], expected: str) -> T:
    return settings.read(f"sources.{NAME}.{name}", default, convert, expected)


def _scale(text: str) -> float:
    if not 0 < float(text) <= MAX_SCALE:
        raise ValueError(text)
    return float(text)


def _share(text: str) -> float:
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
