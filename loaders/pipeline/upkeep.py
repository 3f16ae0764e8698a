"""Upkeep: delete and compact what piles up. Raw and the staged files are never touched."""

import shutil
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from loaders import redshift, settings
from loaders.lake.lake import Lake
from loaders.pipeline import history, load, loaded_dates, retention
from loaders.pipeline.locks import warehouse_lock

WORKING_DAYS = 31
"""Days for which counts of calls and dlt's load packages are kept."""
UNLOADED_SECONDS = 24 * 60 * 60
"""Age from which unloaded files count as left behind by a killed export."""
FREE_SHARE = 0.5
FREE_BYTES = 64 * 1024**2
"""A DuckDB file with a larger share and number of free bytes is written anew."""


def check_settings() -> None:
    """Raise SettingError if a setting of the retention is wrong."""
    retention.first_kept_date(settings.today())
    _first_kept_run(settings.today())


def tidy(lake: Lake, today: date) -> str:
    """Delete and compact what piles up. Return a line that says what was done, or "".

    The history of runs must be loaded. Raise SettingError, LoadError, OSError.
    """
    first_kept = _first_kept_run(today)
    runs = lake.keys(history.FOLDER)
    old_runs = [key for key in runs if _day(key) < first_kept]
    done = {
        "tables of staging trimmed": _trim_staging(today),
        "files of old runs deleted": _forget_runs(lake, old_runs, first_kept),
        "files of runs merged": _merge_runs(lake, runs[len(old_runs) :], today),
        "counts of calls deleted": _delete_counts(lake, today - timedelta(days=WORKING_DAYS)),
        "load packages of dlt deleted": _delete_packages(),
        "unloaded files deleted": _delete_unloaded(lake),
        "MB of the warehouse freed": _shrink_warehouse(),
    }
    parts = ", ".join(f"{count:,} {what}" for what, count in done.items() if count)
    return f"upkeep: {parts}" if parts else ""


def _first_kept_run(today: date) -> date:
    """Return the first date whose runs the history keeps. Raise SettingError."""
    days = settings.read(
        "runs.keep_days", 400, _at_least_a_month, f"expected at least {WORKING_DAYS} days"
    )
    return today - timedelta(days=days)


def _trim_staging(today: date) -> int:
    """Delete what staging need not keep of past dates, and return the number of trimmed tables."""
    with warehouse_lock(), load.connect() as ledger:
        return retention.forget(ledger, retention.first_kept_date(today))


def _forget_runs(lake: Lake, old: list[str], first_kept: date) -> int:
    """Delete the files of old runs, and their rows in the warehouse. Return the number of files."""
    if old:
        with warehouse_lock(), load.connect() as client:
            client.execute_sql(
                f"delete from {loaded_dates.SCHEMA}.{history.TABLE} where began_at < '{first_kept}'"
            )
    for key in old:
        lake.delete(key)
    return len(old)


def _merge_runs(lake: Lake, runs: list[str], today: date) -> int:
    """Merge the files of each past day into one, and return the number of merged files.

    It has the name of the day's last run, and so counts as loaded if that run is.
    """
    by_day: dict[date, list[str]] = {}
    for key in runs:
        by_day.setdefault(_day(key), []).append(key)
    merged = 0
    for day, keys in by_day.items():
        if day < today and len(keys) > 1:
            sink = pa.BufferOutputStream()
            pq.write_table(history.read(lake, keys), sink)
            lake.write(keys[-1], sink.getvalue().to_pybytes())
            for key in keys[:-1]:
                lake.delete(key)
            merged += len(keys)
    return merged


def _delete_counts(lake: Lake, first_kept: date) -> int:
    """Delete the counts of calls before a date."""
    return _delete(lake, "budget", lambda key: _day(key) < first_kept)


def _delete_unloaded(lake: Lake) -> int:
    """Delete the files that a killed export from Redshift left behind."""
    if settings.dbt_target() != "redshift":
        return 0
    oldest = time.time() - UNLOADED_SECONDS
    return _delete(lake, redshift.UNLOADED_TO, lambda key: lake.modified_at(key) < oldest)


def _delete(lake: Lake, folder: str, is_old: Callable[[str], bool]) -> int:
    old = [key for key in lake.keys(folder) if is_old(key)]
    for key in old:
        lake.delete(key)
    return len(old)


def _delete_packages() -> int:
    """Delete the load packages that dlt keeps after their load, and return their number."""
    oldest = time.time() - timedelta(days=WORKING_DAYS).total_seconds()
    packages = (settings.home() / "dlt" / "pipelines").glob("*/load/loaded/*")
    old = [package for package in packages if package.stat().st_mtime < oldest]
    for package in old:
        shutil.rmtree(package, ignore_errors=True)
    return len(old)


def _shrink_warehouse() -> int:
    """Write the DuckDB file anew if it is mostly free blocks, and return the megabytes freed.

    DuckDB reuses free blocks but never returns them.
    """
    path = settings.home() / "warehouse.duckdb"
    if settings.dbt_target() != "local" or not path.exists():
        return 0
    with warehouse_lock():
        try:
            return _rewrite(path)
        except duckdb.IOException:  # another process reads it
            return 0


def _rewrite(path: Path) -> int:
    size = path.stat().st_size
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        block_size, free_blocks = connection.execute(
            "select block_size, free_blocks from pragma_database_size()"
            " where database_name = current_database()"
        ).fetchone() or (0, 0)
        if block_size * free_blocks < max(FREE_BYTES, FREE_SHARE * size):
            return 0
        connection.execute(f"attach {redshift.literal(str(new))} as new_warehouse")
        connection.execute("copy from database warehouse to new_warehouse")
        connection.execute("detach new_warehouse")
        connection.execute("checkpoint")
        new.replace(path)  # while the connection still locks the old file
    return (size - path.stat().st_size) // 1024**2


def _day(key: str) -> date:
    """Return the date of a key such as `budget/tour/day=2026-11-22/…` or `…/dt=2026-11-22/…`."""
    (folder,) = (part for part in PurePosixPath(key).parts if part.startswith(("day=", "dt=")))
    return date.fromisoformat(folder.partition("=")[2])


def _at_least_a_month(text: str) -> int:
    days = settings.non_negative_integer(text)
    if days < WORKING_DAYS:
        raise ValueError(text)
    return days
