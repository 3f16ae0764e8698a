"""Compare the generated files with their records, and the warehouse with the files."""

from collections.abc import Callable, Collection, Iterator
from datetime import date
from functools import partial

from loaders.lake.lake import Lake, map_parallel
from loaders.pipeline import differences
from loaders.pipeline.differences import Difference, Repair
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.stage import stage_folder
from loaders.pipeline.verify import is_date
from loaders.web_logs import NAME, files, pipeline, warehouse
from loaders.web_logs.config import LogsConfig


def of_config(lake: Lake, tables: Collection[str]) -> Iterator[Difference]:
    """Yield a difference if there are files, and not what they were generated with."""
    has_files = any(lake.folders(f"stage/{NAME}/{table}") for table in tables)
    if has_files and pipeline.config_of_lake(lake) is None:
        remedy = f"restore it from a backup, or `dlt pipeline {NAME} run --refresh` makes all anew"
        yield Difference(pipeline.CONFIG_FILE, "is missing or damaged", remedy=remedy)


def dates(lake: Lake, table: str) -> list[date]:
    """Return the dates of which stage has files."""
    names = [name.removeprefix("dt=") for name in lake.folders(f"stage/{NAME}/{table}")]
    return [date.fromisoformat(name) for name in names if is_date(name)]


def verify_date(
    lake: Lake, config: LogsConfig, table: str, day: date, *, repair: bool
) -> list[Difference]:
    """Compare the files of a date with their records, and generate again what differs."""
    present = set(lake.keys(stage_folder(NAME, table, day)))
    expected = files.file_keys(config, table, day) if day >= config.first_date else []
    found = [
        Difference(key, "does not belong there: it is not of this configuration", Repair.DELETE)
        for key in sorted(present - {*expected, *map(files.record_key, expected)})
    ]
    for key, problem in zip(
        expected, map_parallel(partial(_problem, lake, present), expected), strict=True
    ):
        if problem:
            found.append(Difference(key, problem, Repair.GENERATE))
    return list(_repaired(lake, config, found)) if repair else found


def _problem(lake: Lake, present: set[str], key: str) -> str | None:
    if key not in present:
        return "is missing"
    if files.read_record(lake, key) is None:
        return "has no valid record of its checksum"
    return None if files.is_sound(lake, key) else "has changed since it was generated (checksum)"


def _repaired(lake: Lake, config: LogsConfig, found: list[Difference]) -> Iterator[Difference]:
    for difference in found:
        if difference.repair is Repair.DELETE:
            lake.delete(difference.place)
        else:
            part = files.part_of_key(config, difference.place)
            assert part
            files.generate(lake, config, part)
        yield differences.repaired(difference)


def of_loads(
    lake: Lake, config: LogsConfig, table: str, days: Collection[date] | None
) -> dict[date, Difference]:
    """Return how the rows of dates in the warehouse differ in number from those of the files.

    Raise LoadError.
    """
    present = files.present(lake, [table])
    staged = pipeline.staged_dates(config, table, present[table])
    with warehouse_lock():
        counts = warehouse.count_rows(table)
    found = {}
    for day in sorted({*staged, *counts}):
        if days is not None and day not in days:
            continue
        expected = len(config.ids(table, day)) if day in staged else 0
        if (rows := counts.get(day, 0)) != expected:
            problem = f"has {rows:,} rows, but {expected:,} are staged"
            place = f"{NAME}.{table} {day} in the warehouse"
            found[day] = Difference(place, problem, Repair.LOAD)
    return found


def load_again(
    lake: Lake, config: LogsConfig, table: str, found: dict[date, Difference]
) -> Iterator[Difference]:
    """Load a table again, and yield what became of its differences. Raise LoadError."""
    with warehouse_lock():
        warehouse.forget(table, found)
    result = pipeline.load_table(config, lake, table)
    mark: Callable[[Difference], Difference] = differences.repaired
    if result.errors:
        mark = partial(differences.failed, reason="; ".join(result.errors))
    yield from map(mark, found.values())
