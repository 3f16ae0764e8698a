"""The calls that a run would make, compared with the day's allowance. Makes no call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain

from rich.table import Table as PrintedTable

from loaders.lake import raw
from loaders.pipeline.context import SourceContext
from loaders.pipeline.details import extract_request
from loaders.sources.source import Table


@dataclass(frozen=True)
class PlannedCalls:
    """The calls of one table's date."""

    table: str
    logical_date: date
    calls: int
    is_exact: bool
    """Whether `calls` is exact. An API reports its page count only when called."""
    left: int
    """Calls left of the day's allowance."""
    reason: str = ""


def planned(context: SourceContext) -> Iterator[PlannedCalls]:
    """Yield the planned calls of each table and date of a run."""
    for table in context.source.tables:
        if context.run.table in (None, table.name):
            for logical_date in context.dates(table):
                plan = _planned_date(context, table, logical_date)
                if plan.calls or logical_date not in context.earlier.get(table.name, ()):
                    yield plan


def _planned_date(context: SourceContext, table: Table, logical_date: date) -> PlannedCalls:
    lake, source = context.lake, context.source.name
    name, left = f"{source}.{table.name}", context.calls_left(table)

    def calls(count: int, is_exact: bool, reason: str = "") -> PlannedCalls:
        return PlannedCalls(name, logical_date, count, is_exact, left, reason)

    folders = raw.extractions(lake, source, table.name, logical_date)
    folder = raw.folder_to_fill(folders, source, table.name, logical_date, context.run.refresh)
    if folder.is_complete:
        return calls(0, is_exact=True, reason="kept")
    if logical_date < context.run.today and not table.answers_past:
        return calls(0, is_exact=True, reason="the API does not answer for a past date")
    kept = len(folder.bodies)
    if table.details_of:
        if not context.indexes[table.name].is_listed(logical_date):
            return calls(0, is_exact=False, reason=f"one for each new one in {table.details_of}")
        keys = extract_request(context, table, logical_date).keys
        return calls(max(0, len(keys) - kept), is_exact=True)
    requests = len(list(table.requests(extract_request(context, table, logical_date))))
    pages = _pages_of_newest(context, table)
    return calls(max(requests, pages) - kept, is_exact=False, reason="as last time" * bool(pages))


def _pages_of_newest(context: SourceContext, table: Table) -> int:
    """Return the page count of the newest complete extraction, or 0 if there is none."""
    lake, source = context.lake, context.source.name
    for day in reversed(raw.days(lake, source, table.name)):
        folder = raw.newest_complete(raw.extractions(lake, source, table.name, day))
        if folder:
            return len(folder.bodies)
    return 0


def as_table(plans: Iterable[Iterable[PlannedCalls]]) -> PrintedTable:
    """Return the plan as a printable table."""
    printed = PrintedTable(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "date"):
        printed.add_column(name)
    for name in ("calls", "left today"):
        printed.add_column(name, justify="right")
    printed.add_column("")
    for plan in chain.from_iterable(plans):
        calls = str(plan.calls) if plan.is_exact else f"at least {max(0, plan.calls)}"
        printed.add_row(plan.table, str(plan.logical_date), calls, f"{plan.left:,}", plan.reason)
    return printed
