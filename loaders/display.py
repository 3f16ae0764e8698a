"""What a run shows: progress bars on a terminal, plain lines in a log, and a table at the end."""

import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from loaders.extract import Progress
from loaders.run import Outcome

SECONDS_BETWEEN_LINES = 5.0


def console() -> Console:
    """Of standard output; a log gets lines wide enough not to be cut."""
    return Console() if sys.stdout.isatty() else Console(width=160, no_color=True)


class Display(AbstractContextManager["Display"]):
    """Progress of many tables at once. Threads may call `progress` and `done`."""

    def __init__(self, output: Console) -> None:
        self._output = output
        self._bars = Bars(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.completed} of {task.total} pages, {task.fields[rows]} rows"),
            console=output,
            disable=not output.is_terminal,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._said_at: dict[tuple[str, str], float] = {}

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def progress(self, source: str, table: str, now: Progress) -> None:
        if self._output.is_terminal:
            task = self._task(source, table)
            self._bars.update(task, completed=now.pages, total=now.of, rows=now.rows)
        elif time.monotonic() - self._said_at.get((source, table), 0) > SECONDS_BETWEEN_LINES:
            self._said_at[source, table] = time.monotonic()
            self._output.print(f"{source}.{table}: page {now.pages} of {now.of}, {now.rows} rows")

    def done(self, outcome: Outcome) -> None:
        task = self._tasks.pop((outcome.source, outcome.table), None)
        if task is not None:
            self._bars.remove_task(task)
        how = "failed" if outcome.errors else "done" if outcome.files else "nothing done"
        self._output.print(
            f"{outcome.source}.{outcome.table}: {how}, {outcome.calls} calls,"
            f" {outcome.pages} pages, {outcome.staged} rows staged, {outcome.loaded} loaded"
        )

    def _task(self, source: str, table: str) -> TaskID:
        if (source, table) not in self._tasks:
            self._tasks[source, table] = self._bars.add_task(f"{source}.{table}", rows=0)
        return self._tasks[source, table]


class RowsDisplay(AbstractContextManager["RowsDisplay"]):
    """Progress of rows that are made: how many, how fast, how long it will take."""

    def __init__(self, output: Console, description: str) -> None:
        self._output = output
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,} rows, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=output,
            disable=not output.is_terminal,
        )
        self._task = self._bars.add_task(description, total=0, rate=0.0)
        self._description = description
        self._began = self._said_at = time.monotonic()

    def __enter__(self) -> "RowsDisplay":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def progress(self, done: int, of: int) -> None:
        now = time.monotonic()
        rate = done / max(now - self._began, 1e-3)
        if self._output.is_terminal:
            self._bars.update(self._task, completed=done, total=of, rate=rate)
        elif now - self._said_at > SECONDS_BETWEEN_LINES:
            self._said_at = now
            left = (of - done) / rate
            self._output.print(
                f"{self._description}: {done:,} of {of:,} rows, {rate:,.0f}/s, {left:.0f} s left"
            )


def outcomes_table(outcomes: Iterable[Outcome]) -> Table:
    """A line for each table that was run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("table")
    for name in ("calls", "left today", "pages", "staged", "rejected", "loaded"):
        table.add_column(name, justify="right")
    for it in sorted(outcomes, key=lambda outcome: (outcome.source, outcome.table)):
        numbers = (it.calls, it.left, it.pages, it.staged, it.rejected, it.loaded)
        shown = ("" if number is None else f"{number:,}" for number in numbers)
        table.add_row(f"{it.source}.{it.table}", *shown)
    return table


def remarks(outcomes: Iterable[Outcome]) -> Iterable[str]:
    """What the tables' numbers do not say: notes, then errors."""
    for it in outcomes:
        yield from (f"{it.source}.{it.table}: {note}" for note in it.notes)
    for it in outcomes:
        yield from (f"{it.source}.{it.table}: FAILED: {error}" for error in it.errors)
