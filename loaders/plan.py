"""What a run would call, against what the day's allowance still holds. Makes no call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain

from rich.table import Table as Printed

from loaders import raw
from loaders.source import Table
from loaders.work import Work


@dataclass(frozen=True)
class Planned:
    """The calls of one table's date."""

    table: str
    on: date
    calls: int
    is_exact: bool
    """Whether it is known; otherwise it may be more, as an API tells its pages only when asked."""
    left: int
    why: str = ""


def planned(work: Work, dates: list[date], only_table: str | None) -> Iterator[Planned]:
    for table in work.source.tables:
        if only_table in (None, table.name):
            for on in dates:
                yield _planned_date(work, table, on)


def _planned_date(work: Work, table: Table, on: date) -> Planned:
    name = f"{work.source.name}.{table.name}"
    left = work.left(table)
    folder = raw.folder_to_fill(work.lake, work.source.name, table.name, on, work.refresh)
    if raw.is_complete(work.lake, folder):
        return Planned(name, on, 0, True, left, "kept")
    if on < work.today and not table.answers_past:
        return Planned(name, on, 0, True, left, "the API does not answer for a past date")
    kept = raw.count_pages(work.lake, folder)
    if table.details_of:
        if not raw.newest_complete(work.lake, work.source.name, table.details_of, on):
            return Planned(name, on, 0, False, left, f"one for each new one in {table.details_of}")
        return Planned(name, on, max(0, len(work.ask(table, on).keys) - kept), True, left)
    calls = len(list(table.calls(work.ask(table, on))))
    last = _pages_of_last(work, table)
    return Planned(name, on, max(calls, last) - kept, False, left, "as last time" if last else "")


def _pages_of_last(work: Work, table: Table) -> int:
    """The pages of the newest complete extraction; 0 when there is none."""
    for day in reversed(raw.days(work.lake, work.source.name, table.name)):
        folder = raw.newest_complete(work.lake, work.source.name, table.name, day)
        if folder:
            return len(raw.pages_of(work.lake, folder))
    return 0


def as_table(plans: Iterable[Iterable[Planned]]) -> Printed:
    printed = Printed(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "date"):
        printed.add_column(name)
    for name in ("calls", "left today"):
        printed.add_column(name, justify="right")
    printed.add_column("")
    for it in chain.from_iterable(plans):
        calls = str(it.calls) if it.is_exact else f"at least {max(0, it.calls)}"
        printed.add_row(it.table, str(it.on), calls, f"{it.left:,}", it.why)
    return printed
