"""Homes after many days of runs, synthesised from one day of the sample API.

The day is staged once more for each earlier date, with its dates shifted, and loaded as a rebuild
loads it. Raw has each earlier date's folders, but only the newest date's responses. So lists have
the same rows on each date, and the snapshots have no history.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loaders import settings
from loaders.cli import commands
from loaders.cli.enabled import NO_SAMPLE_API
from loaders.lake.lake import Lake, open_lake
from loaders.pipeline import load, loaded_dates, retention, stage
from loaders.pipeline.context import RunOptions, prepare
from loaders.pipeline.results import TableResult
from loaders.pipeline.run import load_table
from loaders.sources import SOURCES
from loaders.sources.source import Source, Table

LISTS = {
    *("districts", "categories", "places", "festivals", "stays", "removed_places"),
    *("performances", "venues", "cultural_events", "cultural_spaces", "lodgings"),
    *("schedules", "airports"),
}
"""Tables whose rows are the same on each date."""


def small_logs(days: int) -> dict[str, str]:
    """Return the settings of usage logs since the first day, with a thousand clicks a day."""
    first = settings.today() - timedelta(days=days - 1)
    return {
        "SOURCES__WEB_LOGS__FIRST_DATE": first.isoformat(),
        "SOURCES__WEB_LOGS__DAYS": str(days),
        "SOURCES__WEB_LOGS__SCALE": f"{0.0000025 * days:f}",
        "SOURCES__WEB_LOGS__HEAVY_USERS": "0",
        "SOURCES__WEB_LOGS__HEAVY_SHARE": "0",
    }


def synthesise(days: int) -> None:
    """Run a day, and stage and load copies of it for the days before."""
    assert commands.run(None, commands.RunArguments()) == (0, "")
    lake, today = open_lake(settings.lake_url()), settings.today()
    options = RunOptions(today, (today,), rebuild=True)
    with load.connect() as ledger:
        loaded_dates.read(ledger)
    for source in SOURCES.values():
        for table in source.tables:
            files = dict(copies(lake, source, table, days))
            context = prepare(source, lake, NO_SAMPLE_API, options)
            result = TableResult(source.name, table.name, files=files)
            load_table(context, table, result, dict)
            assert not result.errors, result.errors
    with load.connect() as ledger:
        retention.forget(ledger, retention.first_kept_date(today))


def copies(lake: Lake, source: Source, table: Table, days: int) -> Iterator[tuple[date, str]]:
    """Stage copies of the newest date for the days before it. Yield each date and its file."""
    today = settings.today()
    newest = table.kept_under(today) if table.kept_under else today
    file = stage.staged_file(lake, source.name, table.name, newest)
    assert file
    yield newest, file
    if table.details_of or table.kept_under:  # not asked for daily
        return
    with lake.open(file) as parquet:
        rows = pq.read_table(parquet)
    for back in range(1, days):
        day = today - timedelta(days=back)
        extraction = f"raw/{source.name}/{table.name}/dt={day}/extraction=001"
        data = stage.parquet(shifted(rows, table, back), {"extraction": extraction}, {})
        key = f"{stage.stage_folder(source.name, table.name, day)}/{stage.file_name(data)}"
        lake.write(key, data)
        lake.write(f"{extraction}/_complete.json", b"[]")
        yield day, key


def shifted(rows: pa.Table, table: Table, back: int) -> pa.Table:
    """Return the rows with all dates shifted back, or only the logical date if they are a list."""
    span = pa.scalar(timedelta(days=back))
    for index, column in enumerate(rows.schema):
        is_shifted = column.name == "logical_date" or table.name not in LISTS
        if is_shifted and pa.types.is_temporal(column.type):
            values = pc.subtract(rows[column.name].cast(pa.timestamp("us")), span)
            rows = rows.set_column(index, column, values.cast(column.type))
    return rows
