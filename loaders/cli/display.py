"""What a run prints: progress bars on a terminal, plain lines in a log, and a table at the end."""

import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from loaders.pipeline.results import Progress, TableResult

SECONDS_BETWEEN_LINES = 5.0


def console() -> Console:
    """Return the console of standard output. In a log, its lines are wide enough not to wrap."""
    return Console() if sys.stdout.isatty() else Console(width=160, no_color=True)


def print_plain(output: Console, lines: Iterable[str]) -> None:
    """Print lines as they are, without markup, highlighting and wrapping."""
    for line in lines:
        output.print(line, highlight=False, markup=False, soft_wrap=True)


class Display(AbstractContextManager["Display"]):
    """The progress of many tables at the same time. Thread-safe."""

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
        self._printed_at: dict[tuple[str, str], float] = {}

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def progress(self, source: str, table: str, progress: Progress) -> None:
        """Show how far the extraction of a table is."""
        pages, total, rows = progress.pages, progress.total, progress.rows
        if self._output.is_terminal:
            task = self._task(source, table)
            self._bars.update(task, completed=pages, total=total, rows=rows)
        elif time.monotonic() - self._printed_at.get((source, table), 0) > SECONDS_BETWEEN_LINES:
            self._printed_at[source, table] = time.monotonic()
            self._output.print(f"{source}.{table}: page {pages} of {total}, {rows} rows")

    def done(self, result: TableResult) -> None:
        """Print the line of a table that has ended."""
        task = self._tasks.pop((result.source, result.table), None)
        if task is not None:
            self._bars.remove_task(task)
        status = "failed" if result.errors else "done" if result.files else "nothing done"
        self._output.print(
            f"{result.source}.{result.table}: {status}, {result.calls} calls,"
            f" {result.pages} pages, {result.staged} rows staged, {result.loaded} loaded"
        )

    def _task(self, source: str, table: str) -> TaskID:
        if (source, table) not in self._tasks:
            self._tasks[source, table] = self._bars.add_task(f"{source}.{table}", rows=0)
        return self._tasks[source, table]


class RowsDisplay(AbstractContextManager["RowsDisplay"]):
    """The progress of generated rows: their number, their rate, and the time left."""

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
        self._began = self._printed_at = time.monotonic()

    def __enter__(self) -> "RowsDisplay":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def progress(self, done: int, total: int) -> None:
        """Show how many rows of all are generated."""
        now = time.monotonic()
        rate = done / max(now - self._began, 1e-3)
        if self._output.is_terminal:
            self._bars.update(self._task, completed=done, total=total, rate=rate)
        elif now - self._printed_at > SECONDS_BETWEEN_LINES:
            self._printed_at = now
            left = (total - done) / rate
            self._output.print(
                f"{self._description}: {done:,} of {total:,} rows, {rate:,.0f}/s, {left:.0f} s left"
            )


def results_table(results: Iterable[TableResult]) -> Table:
    """Return a printable table with a line for each table that ran."""
    printed = Table(box=None, pad_edge=False, header_style="bold")
    printed.add_column("table")
    for name in ("calls", "left today", "pages", "staged", "rejected", "loaded"):
        printed.add_column(name, justify="right")
    for result in sorted(results, key=lambda result: (result.source, result.table)):
        counts = (
            result.calls,
            result.calls_left,
            result.pages,
            result.staged,
            result.rejected,
            result.loaded,
        )
        cells = ("" if count is None else f"{count:,}" for count in counts)
        printed.add_row(f"{result.source}.{result.table}", *cells)
    return printed


def remarks(results: Iterable[TableResult]) -> Iterable[str]:
    """Yield the notes of all tables, then their errors."""
    for result in results:
        yield from (f"{result.source}.{result.table}: {note}" for note in result.notes)
    for result in results:
        yield from (f"{result.source}.{result.table}: FAILED: {error}" for error in result.errors)
