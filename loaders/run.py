"""Run one or more pipelines: extract, stage and load each table on its own way to the warehouse."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from loaders import extract, load, raw, settings, stage
from loaders.budget import Budget
from loaders.extract import Api, Extracted, Progress
from loaders.lake import Lake
from loaders.settings import KST, SettingError
from loaders.source import Ask, Source, Table

PHASES = ("extract", "stage", "load")
TABLES_AT_ONCE = 8


class AlreadyRunningError(Exception):
    """Another process runs the same pipeline."""


@dataclass(frozen=True)
class Work:
    """What a run needs to know of one source."""

    source: Source
    lake: Lake
    api: Api
    budget: Budget
    options: Mapping[str, Any]
    today: date
    refresh: bool = False

    def operations(self, table: Table) -> set[str]:
        """The operations that a table's calls count for."""
        keys = ("one",) if table.details_of else ()
        ask = Ask(self.today, self.options, keys=keys)
        return {self.source.operation(call.path) for call in table.calls(ask)}

    def left(self, table: Table) -> int:
        """Calls that today's allowance still holds, of the operation with the fewest."""
        return min(self.budget.left(operation) for operation in self.operations(table))

    def ask(self, table: Table, on: date) -> Ask:
        """What `table` is asked for the logical date `on`."""
        if table.details_of:
            parent = self.source.table(table.details_of)
            return Ask(on, self.options, keys=new_or_changed(self, table, parent, on))
        return Ask(on, self.options, changed_since=details_known_until(self, table, on))


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


Report = Callable[[str, str, Progress], None]
"""Called with source, table and how far its extraction is."""


def prepare(
    source: Source, lake: Lake, sample_url: str, today: date, refresh: bool = False
) -> Work:
    """Reads and checks the settings of a source. Raises SettingError.

    `sample_url` is where the sample API answers, for a source without a key.
    """
    name = f"sources.{source.name}"
    options = {
        option: settings.read(f"{name}.{option}", it.convert(it.default), it.convert, it.wants)
        for option, it in source.options.items()
    }
    allowance = settings.read(
        f"{name}.daily_allowance",
        source.daily_allowance,
        settings.whole_number,
        "wants a number of calls",
    )
    api = settings_of_api(source, sample_url)
    check_origin(lake, source, api)
    setting = settings.environment_name(f"{name}.daily_allowance")
    budget = Budget(lake, source.name, today, allowance, setting)
    return Work(source, lake, api, budget, options, today, refresh)


def needs_sample(source: Source) -> bool:
    """Whether the sample API answers for this source. Raises SettingError."""
    if settings.service_key(source.name):
        return False
    setting = settings.environment_name(f"sources.{source.name}.service_key")
    if settings.base_url(source.name, ""):
        raise SettingError(
            setting, "", f"wants the key of {settings.base_url(source.name, '')}, which is set"
        )
    if settings.dbt_target() != "local":
        raise SettingError(setting, "", "wants a key: the sample API answers on DBT_TARGET=local")
    return True


def settings_of_api(source: Source, sample_url: str) -> Api:
    if needs_sample(source):
        return Api(f"{sample_url}{urlsplit(source.base_url).path}", "sample")
    return Api(
        settings.base_url(source.name, source.base_url), settings.service_key(source.name) or ""
    )


def check_origin(lake: Lake, source: Source, api: Api) -> None:
    """Answers of the sample API and of a real one never mix in a lake. Raises SettingError."""
    host = urlsplit(api.base_url).hostname or ""
    origin = b"this machine" if host in ("127.0.0.1", "localhost", "::1") else b"the internet"
    key = f"raw/{source.name}/_answered_by"
    if not lake.folders(f"raw/{source.name}"):
        lake.write(key, origin)
    elif lake.read(key) != origin:
        raise SettingError(
            "LAKE__URL",
            str(lake.root),
            f"holds {source.name} answers from {lake.read(key).decode()}, and would now get some"
            f" from {origin.decode()}: set another HELLO_KOREA_HOME, or remove this one",
        )


def details_known_until(work: Work, table: Table, on: date) -> date | None:
    """Since when a list's changes are asked for, so that its details can follow them."""
    details = next((it for it in work.source.tables if it.details_of == table.name), None)
    if details is None:
        return None
    earlier = [day for day in raw.days(work.lake, work.source.name, details.name) if day < on]
    known = [
        day
        for day in earlier
        if raw.newest_complete(work.lake, work.source.name, details.name, day)
    ]
    return known[-1] if known else (earlier[0] if earlier else None)


def new_or_changed(work: Work, table: Table, parent: Table, on: date) -> tuple[str, ...]:
    """The keys of `parent` on that date that no other date's details hold, or that changed."""
    folder = raw.newest_complete(work.lake, work.source.name, parent.name, on)
    pages = raw.pages_of(work.lake, folder) if folder else []
    listed = stage.stage(parent, stage.as_answered(work.lake, pages), on).rows
    known = {
        page.key
        for day in raw.days(work.lake, work.source.name, table.name)
        if day != on
        for asked in raw.extractions(work.lake, work.source.name, table.name, day)
        for page in raw.pages_of(work.lake, asked)
    }
    (key,) = parent.primary_key
    changed = zip(listed[key].to_pylist(), listed["is_changed"].to_pylist(), strict=True)
    return tuple(sorted(value for value, is_changed in changed if is_changed or value not in known))


def extract_date(
    work: Work, table: Table, on: date, report: Callable[[Progress], None]
) -> Extracted:
    """Asks for what raw lacks of a table's date, as far as the API can still answer for it."""
    name = work.source.name
    folder = raw.folder_to_fill(work.lake, name, table.name, on, work.refresh)
    if raw.is_complete(work.lake, folder):
        return Extracted(calls=0, pages=len(raw.pages_of(work.lake, folder)))
    if on < work.today and not table.answers_past:
        return Extracted(0, 0, note="not kept, and the API does not answer for a past date")
    if table.details_of and not raw.newest_complete(work.lake, name, table.details_of, on):
        return Extracted(0, 0, note=f"waits for {table.details_of}")
    return extract.extract(
        work.lake,
        folder,
        work.source,
        table,
        work.ask(table, on),
        work.api,
        work.budget,
        report,
    )


def stage_date(work: Work, table: Table, on: date) -> tuple[str, stage.Staged] | None:
    """Stages the newest complete extraction of a date; of details, what there is."""
    name = work.source.name
    folder = raw.newest_complete(work.lake, name, table.name, on)
    if folder is None and table.details_of:
        begun = raw.extractions(work.lake, name, table.name, on)
        folder = max(begun, key=lambda it: len(raw.pages_of(work.lake, it)), default=None)
    if folder is None:
        return None
    return stage.stage_extraction(work.lake, name, table, on, folder)


def extract_and_stage(
    work: Work, table: Table, dates: list[date], phases: tuple[str, ...], report: Report
) -> Outcome:
    """Everything before the load, for all dates of one table. Its errors end this table alone."""
    outcome = Outcome(work.source.name, table.name)
    for on in dates:
        dated = f"{on}: " if len(dates) > 1 else ""
        try:
            if "extract" in phases:
                asked = extract_date(work, table, on, partial(report, work.source.name, table.name))
                outcome.calls += asked.calls
                outcome.pages += asked.pages
                outcome.errors += [dated + asked.error] if asked.error else []
                outcome.notes += [dated + asked.note] if asked.note else []
            if "stage" in phases:
                _note_staged(outcome, on, stage_date(work, table, on))
            elif "load" in phases:
                file = stage.staged_file(work.lake, work.source.name, table.name, on)
                outcome.files |= {on: file} if file else {}
        except (stage.BrokenTableError, raw.RawError, OSError) as error:
            outcome.errors.append(f"{dated}{error}")
    return outcome


def _note_staged(outcome: Outcome, on: date, done: tuple[str, stage.Staged] | None) -> None:
    if done is None:
        return
    file, staged = done
    outcome.files[on] = file
    outcome.staged += len(staged.rows)
    outcome.rejected += len(staged.rejected)
    outcome.duplicates += staged.duplicates
    for name, where in staged.new_fields.items():
        outcome.notes.append(f"new field {name!r}, first in {where}")
    for name, where in staged.missing_fields.items():
        outcome.notes.append(f"no row has the field {name!r}, first in {where}")
    if staged.rejected:
        first = staged.rejected[0]["reason"]
        outcome.notes.append(
            f"rejected, see rejected/{outcome.source}/{outcome.table}/dt={on}/: first {first}"
        )


def run(
    works: list[Work],
    dates: list[date],
    phases: tuple[str, ...],
    only_table: str | None,
    report: Report,
    done: Callable[[Outcome], None],
) -> list[Outcome]:
    """Runs the tables of all sources at once; each is loaded as soon as it is staged.

    One thread loads, because the warehouse takes one writer. Details start when the list that they
    follow is in. `done` hears of each table as it ends.
    """
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(TABLES_AT_ONCE) as threads:
        running: dict[Future[Outcome], tuple[Work, Table]] = {}

        def start(work: Work, table: Table) -> None:
            job = threads.submit(extract_and_stage, work, table, dates, phases, report)
            running[job] = (work, table)

        for work in works:
            names = [table.name for table in work.source.tables]
            for table in work.source.tables:
                first = table.details_of not in names or bool(only_table)
                if first and only_table in (None, table.name):
                    start(work, table)
        while running:
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for job in ended:
                work, table = running.pop(job)
                if not only_table:
                    for details in work.source.tables:
                        if details.details_of == table.name:
                            start(work, details)
                outcome = job.result()
                if "load" in phases:
                    _load(work, table, outcome)
                outcome.left = work.left(table)
                outcomes.append(outcome)
                done(outcome)
    return outcomes


def _load(work: Work, table: Table, outcome: Outcome) -> None:
    try:
        pipe = load.pipeline(work.source)
        outcome.loaded = load.load(pipe, work.source, table, work.lake, outcome.files)
    except load.LoadError as error:
        outcome.errors.append(str(error))


@contextmanager
def alone(source: Source) -> Iterator[None]:
    """Holds the pipeline for this process. Raises AlreadyRunningError naming the other's."""
    path = settings.home() / "locks" / f"{source.name}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunningError(f"{source.name} is being run by {file.read()}") from None
        file.truncate(0)
        now = datetime.now(KST)
        file.write(f"process {os.getpid()} since {now:%Y-%m-%d %H:%M:%S} KST")
        file.flush()
        yield
