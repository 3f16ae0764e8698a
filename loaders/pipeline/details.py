"""What to extract for a table and date, and for details, which keys are new or changed."""

from datetime import date
from itertools import chain

import pyarrow as pa

from loaders.lake import raw
from loaders.lake.lake import map_parallel
from loaders.pipeline import stage
from loaders.pipeline.context import SourceContext, folder_to_stage
from loaders.sources.source import ExtractRequest, Table


def extract_request(context: SourceContext, table: Table, logical_date: date) -> ExtractRequest:
    """Return what to extract of `table` for a date."""
    if table.details_of:
        parent = context.source.table(table.details_of)
        keys = new_or_changed_keys(context, table, parent, logical_date)
        return ExtractRequest(logical_date, context.options, keys=keys)
    since = changed_since(context, table, logical_date)
    return ExtractRequest(logical_date, context.options, changed_since=since)


def changed_since(context: SourceContext, table: Table, logical_date: date) -> date | None:
    """Return the last earlier date of a list that reports changes only since a given date."""
    has_details = any(other.details_of == table.name for other in context.source.tables)
    if not has_details or table.version:
        return None
    return last_complete(context, table, logical_date)


def last_complete(context: SourceContext, table: Table, before: date) -> date | None:
    """Return the last date before another that has a complete extraction."""
    lake, source = context.lake, context.source.name
    days = sorted(day for day in raw.days(lake, source, table.name) if day < before)
    return next(
        (day for day in reversed(days) if raw.newest_complete(lake, source, table.name, day)), None
    )


def new_or_changed_keys(
    context: SourceContext, table: Table, parent: Table, logical_date: date
) -> tuple[str, ...]:
    """Return the keys listed on a date whose details are missing or older than their last change.

    The API reports a change once, in the list of the following day. So the lists are read back to
    the last day whose details are complete, to include what could not be fetched then.
    """
    answered = details_answered_at(context, table, logical_date)
    complete = last_complete(context, table, logical_date)
    listed: set[str] = set()
    changed: set[str] = set()
    for day in raw.days(context.lake, context.source.name, parent.name):
        if day > logical_date or (complete and day <= complete):
            continue
        pages = _list_pages(context, parent, day)
        rows = stage.stage(parent, stage.staged_pages(parent, context.lake, pages, {}), day).rows
        keys = _keys(parent, rows)
        listed = set(keys)
        if parent.version:
            continue  # a changed row has a new key
        listed_at = min((page.answered_at for page in pages), default="")
        flags = zip(keys, rows["is_changed"].to_pylist(), strict=True)
        changed |= {
            key for key, is_changed in flags if is_changed and answered.get(key, "") < listed_at
        }
    return tuple(sorted((listed - answered.keys()) | (listed & changed)))


def details_answered_at(
    context: SourceContext, table: Table, excluded_date: date
) -> dict[str, str]:
    """Return the time of the newest details of each key, over all dates but one."""

    def pages(day: date) -> list[raw.Page]:
        folder = folder_to_stage(context, table, day)
        return raw.pages_of(context.lake, folder) if folder else []

    days = raw.days(context.lake, context.source.name, table.name)
    answered: dict[str, str] = {}
    for page in chain.from_iterable(
        map_parallel(pages, [day for day in days if day != excluded_date])
    ):
        answered[page.key] = max(page.answered_at, answered.get(page.key, ""))
    return answered


def _list_pages(context: SourceContext, table: Table, logical_date: date) -> list[raw.Page]:
    """Return the pages of a list's newest complete extraction, if there is one."""
    folder = raw.newest_complete(context.lake, context.source.name, table.name, logical_date)
    return raw.pages_of(context.lake, folder) if folder else []


def _keys(parent: Table, rows: pa.Table) -> list[str]:
    """Return the key of details for each row of a list, in the form of `ExtractRequest.keys`."""
    values = rows.select(list(parent.primary_key)).to_pylist()
    keys = ["/".join(value.values()) for value in values]
    if parent.version is None:
        return keys
    versions = rows[parent.version].cast(pa.string()).to_pylist()
    return [f"{key}@{version or ''}" for key, version in zip(keys, versions, strict=True)]
