"""Notice a warehouse that has lost dates: one that is new beside an old lake, or an old backup.

An ordinary run would load the newest lists alone, and the website would lose all that only earlier
dates have, such as the texts of places.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import date, timedelta

import pyarrow.compute as pc

from loaders.lake.lake import Lake, open_lake
from loaders.pipeline import history
from loaders.pipeline.loaded_dates import Key
from loaders.sources import SOURCES

REMEDY = "run `dlt pipeline run --rebuild`, which loads every date of the lake without a call"


def is_suspicious(newest: date | None, today: date) -> bool:
    """Return whether a warehouse whose newest date is `newest` may have lost some."""
    return newest is None or newest < today - timedelta(days=1)


class LostDatesError(Exception):
    """Raised when the warehouse has lost dates. The message is one line with the remedy."""


def check(lake_url: str, loaded: Collection[Key], today: date) -> None:
    """Raise LostDatesError if earlier runs have loaded dates that the warehouse lacks."""
    if is_suspicious(max((day for _, _, day in loaded), default=None), today):
        # Those whose rows were removed on purpose have none.
        sources = {source for source, _, _ in loaded} or set(SOURCES)
        with suppress(OSError):  # the lake is not needed to build
            if line := describe(open_lake(lake_url), loaded, sources):
                raise LostDatesError(line)


def describe(
    lake: Lake, loaded: Collection[Key], sources: Collection[str], running: Collection[Key] = ()
) -> str | None:
    """Return a line if earlier runs have loaded dates of `sources` that the warehouse lacks.

    `loaded` are all dates of its ledger, and `running` those that are about to be loaded. Raise
    OSError.
    """
    lost = sorted(
        key
        for key in _once_loaded(lake, max((day for _, _, day in loaded), default=None))
        if key[0] in sources and key not in loaded and key not in running
    )
    if not lost:
        return None
    source, table, day = lost[-1]
    return f"the warehouse has lost {len(lost)} dates, such as {source}.{table} of {day}: {REMEDY}"


def _once_loaded(lake: Lake, newest: date | None) -> set[Key]:
    """Return what runs on the newest date of the warehouse and later have loaded, or all runs if it
    has none."""
    keys = [
        key for key in lake.keys(history.FOLDER) if newest is None or _day_of_run(key) >= newest
    ]
    steps = history.read(lake, keys)
    is_load = pc.and_(pc.equal(steps["phase"], "load"), pc.equal(steps["status"], "done"))
    loads = steps.filter(pc.and_(is_load, pc.is_valid(steps["logical_date"])))
    columns = [loads[name].to_pylist() for name in ("source_name", "table_name", "logical_date")]
    return set(zip(*columns, strict=True))


def _day_of_run(key: str) -> date:
    return date.fromisoformat(key.split("/dt=")[1].partition("/")[0])
