"""What a run prints: progress bars on a terminal, plain lines in a log, and a table at the end."""

import io
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TextIO, cast

import orjson
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.progress_bar import ProgressBar
from rich.table import Table

from loaders import settings
from loaders.errors import printable
from loaders.pipeline.changes import Changes
from loaders.pipeline.results import Progress, TableResult

SECONDS_BETWEEN_LINES = 5.0
COUNTS = {
    "calls": "calls",
    "calls_left": "left today",
    "pages": "pages",
    "staged": "staged",
    "rejected": "rejected",
    "loaded": "loaded",
}
"""The counts of a table's result, and their headings."""
SHOWN_PAUSE = 60.0
"""Seconds from which a pause is shown in a log."""
BAR_WIDTH = 14
LONGEST_LINE = 10_000
"""Width of a log of JSON, in which no line is to be wrapped."""
PHASES = {
    "extract": "extracting",
    "stage": "staging",
    "wait": "waits to load",
    "load": "loading",
}
"""What a bar says in each phase."""


class JsonLog(io.TextIOBase):
    """A log with one JSON object a line, for what would be printed as lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write each line that is not blank as an object."""
        for line in filter(str.strip, text.splitlines()):
            self.log(line.rstrip())
        return len(text)

    def log(self, message: str, level: str = "info", **fields: object) -> None:
        """Write an object with the time in KST, the level, the message, and further fields."""
        now = datetime.now(settings.KST).isoformat(timespec="milliseconds")
        entry = {"time": now, "level": level, "message": message, **fields}
        self._stream.write(orjson.dumps(entry).decode() + "\n")
        self._stream.flush()


def console(*, to_stderr: bool = False) -> Console:
    """Return the console of an output. In a log, its lines are wide enough not to wrap."""
    stream = sys.stderr if to_stderr else sys.stdout
    if settings.is_json_log():
        return Console(file=cast(TextIO, JsonLog(stream)), width=LONGEST_LINE, no_color=True)
    if stream.isatty():
        return Console(file=stream)
    return Console(file=stream, width=160, no_color=True)


def print_error(message: str) -> None:
    """Print the line with which a command fails to standard error, in the format of the log."""
    if settings.is_json_log():
        JsonLog(sys.stderr).log(message, level="error")
    else:
        print(printable(message), file=sys.stderr)


def print_plain(output: Console, lines: Iterable[str]) -> None:
    """Print lines as they are, without markup, highlighting and wrapping."""
    for line in lines:
        output.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value, with its times in ISO 8601, as one JSON document to standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.flush()


class Display(AbstractContextManager["Display"]):
    """The progress of many tables at the same time, and of the whole. Thread-safe."""

    def __init__(self, output: Console, tables: int) -> None:
        """`tables`: the number of tables that run."""
        self._output = output
        self._tables = tables
        self._ended = 0
        self._bars = Bars(
            TextColumn("{task.description:<28}"),
            TextColumn("{task.fields[phase]:<15}"),
            BarColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeRemainingColumn(),
            console=output,
            disable=not output.is_terminal,
        )
        self._whole = self._bars.add_task("all tables", total=tables, phase="", counts="")
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._first: dict[tuple[str, str], tuple[float, int]] = {}
        """Time and pages of each table's first report."""
        self._printed_at: dict[tuple[str, str], float] = {}

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def progress(self, source: str, table: str, progress: Progress) -> None:
        """Show the phase of a table, and how far its extraction is."""
        if self._output.is_terminal:
            self._show(self._task(source, table), progress)
        elif progress.pause >= SHOWN_PAUSE:
            pause = f"pauses {progress.pause:.0f} s, as the API asks (Retry-After)"
            self._output.print(f"{source}.{table}: {pause}")
        elif progress.phase == "extract":
            self._print_pages(source, table, progress)

    def _show(self, task: TaskID, progress: Progress) -> None:
        phase = f"pause of {progress.pause:.0f} s" if progress.pause else PHASES[progress.phase]
        if progress.phase == "extract":
            counts = f"{progress.pages} of {progress.total} pages, {progress.rows} rows"
            self._bars.update(
                task, completed=progress.pages, total=progress.total, phase=phase, counts=counts
            )
        else:  # a bar of unknown length
            self._bars.update(task, total=None, phase=phase)

    def _print_pages(self, source: str, table: str, progress: Progress) -> None:
        pages, total = progress.pages, progress.total
        now, table_name = time.monotonic(), (source, table)
        began_at, first_pages = self._first.setdefault(table_name, (now, pages))
        if now - self._printed_at.get(table_name, 0) > SECONDS_BETWEEN_LINES:
            self._printed_at[table_name] = now
            line = f"{source}.{table}: page {pages} of {total}, {progress.rows} rows"
            if pages > first_pages:
                seconds = (now - began_at) / (pages - first_pages) * (total - pages)
                line += f", {seconds:.0f} s left"
            self._output.print(line)

    def done(self, result: TableResult) -> None:
        """Print the line of a table that has ended."""
        task = self._tasks.pop((result.source, result.table), None)
        if task is not None:
            self._bars.remove_task(task)
        self._ended += 1
        whole = f"{self._ended} of {self._tables} tables"
        self._bars.update(self._whole, completed=self._ended, counts=whole)
        status = "failed" if result.errors else "done" if result.files else "nothing done"
        self._output.print(
            f"{result.source}.{result.table}: {status}, {result.calls} calls,"
            f" {result.pages} pages, {result.staged} rows staged, {result.loaded} loaded"
            f" ({whole})"
        )

    def _task(self, source: str, table: str) -> TaskID:
        if (source, table) not in self._tasks:
            self._tasks[source, table] = self._bars.add_task(
                f"{source}.{table}", phase="", counts=""
            )
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


class DatesDisplay(AbstractContextManager["DatesDisplay"]):
    """The progress of a verification: how many dates of all tables are read, and the time left."""

    def __init__(self, output: Console) -> None:
        self._output = output
        self._bars = Bars(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,} dates"),
            TimeRemainingColumn(),
            console=output,
            disable=not output.is_terminal,
        )
        self._task = self._bars.add_task("", total=0)
        self._done = self._total = 0
        self._began = self._printed_at = time.monotonic()

    def __enter__(self) -> "DatesDisplay":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def expect(self, dates: int) -> None:
        """Set the number of dates of all tables."""
        self._total = dates
        self._bars.update(self._task, total=dates)

    def progress(self, table: str) -> None:
        """Show that another date of a table is read."""
        self._done += 1
        self._bars.update(self._task, completed=self._done, total=self._total, description=table)
        now = time.monotonic()
        if not self._output.is_terminal and now - self._printed_at > SECONDS_BETWEEN_LINES:
            self._printed_at = now
            left = (now - self._began) / self._done * (self._total - self._done)
            print_plain(
                self._output,
                [f"{table}: {self._done:,} of {self._total:,} dates, {left:.0f} s left"],
            )


def print_results(output: Console, results: list[TableResult]) -> None:
    """Print a table of the results, then the notes and errors. A log of JSON has them as fields."""
    log: object = output.file
    if not isinstance(log, JsonLog):
        output.print()
        output.print(results_table(results))
        print_plain(output, remarks(results))
        return
    for result in results:
        name = {"source": result.source, "table": result.table}
        counts = {column: getattr(result, column) for column in COUNTS}
        log.log(f"{result.source}.{result.table}: ended", **name, **counts)
        for note in result.notes:
            log.log(note, **name)
        for error in result.errors:
            log.log(error, level="error", **name)


def results_table(results: Iterable[TableResult]) -> Table:
    """Return a printable table with a line for each table that ran."""
    printed = Table(box=None, pad_edge=False, header_style="bold")
    printed.add_column("table")
    for name in COUNTS.values():
        printed.add_column(name, justify="right")
    for result in sorted(results, key=lambda result: (result.source, result.table)):
        counts = (getattr(result, column) for column in COUNTS)
        cells = ("" if count is None else f"{count:,}" for count in counts)
        printed.add_row(f"{result.source}.{result.table}", *cells)
    return printed


def changes_table(changes: list[Changes]) -> Table:
    """Return a printable table with the rows of each table as a bar, and what changed in them."""
    printed = Table(box=None, pad_edge=False, header_style="bold")
    printed.add_column("table")
    printed.add_column("rows", justify="right")
    printed.add_column("", width=BAR_WIDTH)
    printed.add_column("since the day before")
    most = max((each.rows for each in changes), default=0)
    for each in sorted(changes, key=lambda each: (each.source, each.table)):
        bar = ProgressBar(
            total=max(most, 1),
            completed=each.rows,
            width=BAR_WIDTH,
            complete_style="blue",
            finished_style="blue",
        )
        printed.add_row(f"{each.source}.{each.table}", f"{each.rows:,}", bar, change_text(each))
    return printed


def change_text(changes: Changes) -> str:
    """Return what changed in words, such as `3 new, 1 gone`."""
    if changes.since is None:
        return "the first day"
    more = changes.rows - changes.rows_before
    counts = {"more": max(more, 0), "fewer": max(-more, 0)}
    if changes.new_changed_gone:
        counts = dict(zip(("new", "changed", "gone"), changes.new_changed_gone, strict=True))
    text = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    is_day_before = changes.day - changes.since == timedelta(days=1)
    return (text or "as before") + ("" if is_day_before else f" since {changes.since}")


def remarks(results: Iterable[TableResult]) -> Iterable[str]:
    """Yield the notes of all tables, then their errors."""
    for result in results:
        yield from (f"{result.source}.{result.table}: {note}" for note in result.notes)
    for result in results:
        yield from (f"{result.source}.{result.table}: FAILED: {error}" for error in result.errors)
