"""Run one or more pipelines: extract, stage and load each table on its own way to the warehouse."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from queue import SimpleQueue

from dlt.common.runtime import signals

from loaders import load, raw, settings, stage
from loaders.extract import Progress
from loaders.settings import KST
from loaders.source import Table
from loaders.work import Work, extract_date, stage_date

PHASES = ("extract", "stage", "load")


class AlreadyRunningError(Exception):
    """Another process runs the same pipeline."""


@dataclass
class Step:
    """One phase of one table, of one date or, where they are made at once, of all of a run."""

    phase: str
    on: date | None
    began_at: datetime
    """In KST."""
    status: str = "done"
    """`done`, `partial` where it is not complete though nothing is wrong, or `failed`."""
    calls: int = 0
    rows: int | None = None
    rejected: int | None = None
    bytes: int | None = None
    """Of what was answered, or of the staged file."""
    seconds: float = 0.0
    """Dates that are loaded at once have the same."""
    error: str = ""

    def fail(self, error: str) -> None:
        self.status, self.error = "failed", error


@dataclass
class Outcome:
    """What became of one table in a run, over all its dates."""

    source: str
    table: str
    calls: int = 0
    left: int | None = None
    """Calls that the day's allowance still holds, of the operation with the fewest."""
    pages: int = 0
    staged: int = 0
    rejected: int = 0
    duplicates: int = 0
    loaded: int = 0
    notes: list[str] = field(default_factory=list)
    """What one should know, and what does not make the run fail."""
    errors: list[str] = field(default_factory=list)
    files: dict[date, str] = field(default_factory=dict)
    """The staged file of each date, by its key in the lake."""
    steps: list[Step] = field(default_factory=list)
    """What was done, in order."""
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When each phase first began and last ended, by the monotonic clock."""

    @contextmanager
    def step(self, phase: str, on: date | None) -> Iterator[Step]:
        began, step = time.monotonic(), Step(phase, on, datetime.now(KST))
        self.steps.append(step)
        try:
            yield step
        except BaseException as error:  # Ctrl-C too
            step.fail(str(error) or type(error).__name__)
            raise
        finally:
            ended = time.monotonic()
            step.seconds = ended - began
            self.seconds[phase] = (self.seconds.get(phase, (began, 0))[0], ended)


Report = Callable[[str, str, Progress], None]
"""Called with source, table and how far its extraction is."""


def extract_and_stage(
    work: Work, table: Table, dates: list[date], phases: tuple[str, ...], report: Report
) -> Outcome:
    """Everything before the load, for all dates of one table. Its errors end this table alone."""
    outcome = Outcome(work.source.name, table.name)
    notes: dict[str, list[date]] = {}
    for on in dates:
        dated = f"{on}: " if len(dates) > 1 else ""
        try:
            if "extract" in phases:
                with outcome.step("extract", on) as step:
                    tell = partial(report, work.source.name, table.name)
                    asked = extract_date(work, table, on, tell)
                    step.calls, step.bytes = asked.calls, asked.bytes
                    if asked.error:
                        step.fail(asked.error)
                    elif asked.note:
                        step.status, step.error = "partial", asked.note
                outcome.calls += asked.calls
                outcome.pages += asked.pages
                outcome.errors += [dated + asked.error] if asked.error else []
                for note in filter(None, (asked.note, asked.odd)):
                    notes.setdefault(note, []).append(on)
            if "stage" in phases:
                with outcome.step("stage", on) as step:
                    _note_staged(outcome, step, on, stage_date(work, table, on))
            elif "load" in phases:
                file = stage.staged_file(work.lake, work.source.name, table.name, on)
                outcome.files |= {on: file} if file else {}
            if "extract" not in phases and on not in outcome.files:
                notes.setdefault(f"nothing to {phases[0]}", []).append(on)
        except Exception as error:  # a fault of one table is never the others'
            named = isinstance(error, stage.BrokenTableError | raw.RawError | OSError)
            outcome.errors.append(f"{dated}{error if named else repr(error)}")
    for note, on_days in notes.items():
        days = f"{on_days[0]}..{on_days[-1]}" if len(on_days) > 1 else f"{on_days[0]}"
        outcome.notes.append(f"{days}: {note}")
    return outcome


def _note_staged(
    outcome: Outcome, step: Step, on: date, done: tuple[str, stage.Staged] | None
) -> None:
    if done is None:
        step.status = "partial"
        return
    file, staged = done
    outcome.files[on] = file
    step.rows, step.rejected, step.bytes = len(staged.rows), len(staged.rejected), staged.bytes
    outcome.staged += len(staged.rows)
    outcome.rejected += len(staged.rejected)
    outcome.duplicates += staged.duplicates
    for name, where in staged.new_fields.items():
        outcome.notes.append(f"new field {name!r}, first in {where}")
    for name, where in staged.missing_fields.items():
        outcome.notes.append(f"no row has the field {name!r}, first in {where}")
    if staged.contradicted:
        fields = ", ".join(map(repr, staged.contradicted))
        first = min(staged.contradicted.values())
        outcome.notes.append(f"rows of one key differ in {fields}, the last counts: see {first}")
    if staged.rejected:
        first = f"first {staged.rejected[0]['reason']}, in {staged.rejected[0]['raw_file']}"
        outcome.notes.append(
            f"rejected, see rejected/{outcome.source}/{outcome.table}/dt={on}/: {first}"
        )


def run(
    works: list[Work],
    dates: list[date],
    phases: tuple[str, ...],
    only_table: str | None,
    report: Report,
    done: Callable[[Outcome], None],
) -> None:
    """Runs the tables of all sources at once; each is loaded as soon as it is staged.

    This thread loads, because the warehouse takes one writer; every table has a thread of its own
    for what comes before. Details start when the list that they follow is staged. `done` hears of
    each table as it ends, of those too that Ctrl-C ends.
    """
    staged: SimpleQueue[Future[tuple[Work, Table, Outcome]]] = SimpleQueue()
    tables = [it for work in works for it in work.source.tables if only_table in (None, it.name)]
    with ThreadPoolExecutor(len(tables)) as threads:

        def start(work: Work, table: Table) -> None:
            threads.submit(before_load, work, table).add_done_callback(staged.put)

        def before_load(work: Work, table: Table) -> tuple[Work, Table, Outcome]:
            outcome = extract_and_stage(work, table, dates, phases, report)
            for details in work.source.tables:
                if details.details_of == table.name and not only_table:
                    start(work, details)
            return work, table, outcome

        for work in works:
            for table in work.source.tables:
                if table.name == only_table or not (only_table or table.details_of):
                    start(work, table)
        try:
            for _ in tables:
                work, table, outcome = staged.get().result()
                # dlt would swallow a Ctrl-C during its load; so the load is ended first.
                with signals.intercepted_signals():
                    if "load" in phases:
                        _load(work, table, outcome)
                    outcome.left = work.left(table)
                    done(outcome)
                    signals.raise_if_signalled()
        except BaseException:  # Ctrl-C among others: the threads make no further call
            for work in works:
                work.stopping.set()
            threads.shutdown(wait=True, cancel_futures=True)
            while not staged.empty():
                ended = staged.get()
                if not ended.cancelled():
                    done(ended.result()[2])
            raise


def _load(work: Work, table: Table, outcome: Outcome) -> None:
    try:
        pipe = load.pipeline(work.source.name)
        with one_writer(), ExitStack() as steps:
            of_date = {on: steps.enter_context(outcome.step("load", on)) for on in outcome.files}
            counts = load.load(pipe, work.source, table, work.lake, outcome.files)
            for on, step in of_date.items():
                step.rows = counts[on]
            outcome.loaded = sum(counts.values())
    except (load.LoadError, OSError) as error:  # an OSError is the lake's
        outcome.errors.append(str(error))


@contextmanager
def one_writer() -> Iterator[None]:
    """Waits until no other pipeline loads: DuckDB takes one writing process at a time."""
    with (settings.home() / "locks" / "warehouse.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Holds the pipeline for this process. Raises AlreadyRunningError naming the other's."""
    path = settings.home() / "locks" / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunningError(f"{name} is being run by {file.read()}") from None
        file.truncate(0)
        now = datetime.now(KST)
        file.write(f"process {os.getpid()} since {now:%Y-%m-%d %H:%M:%S} KST")
        file.flush()
        yield
