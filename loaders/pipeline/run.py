"""Run one or more pipelines: each table is extracted, staged and loaded on its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from functools import cache, partial
from queue import SimpleQueue

import pyarrow as pa
from dlt.common.runtime import signals

from loaders.lake import raw
from loaders.pipeline import load, loaded_dates, lost, retention, stage
from loaders.pipeline.context import SourceContext, folder_to_stage
from loaders.pipeline.extract import Extraction, extract_date
from loaders.pipeline.loaded_dates import Key, LoadedDate
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.results import Progress, Report, StepResult, TableResult
from loaders.sources.source import Table


def run(contexts: list[SourceContext], report: Report, done: Callable[[TableResult], None]) -> None:
    """Run the tables of all sources in parallel, and load each as soon as it is staged.

    All contexts have the same run options. This thread loads, since the warehouse allows one
    writer; extract and stage have a thread per table. Details start when their list is staged, and
    further details of that list after them: calls that an API counts together go to the first ones.
    `done` is called with each table as it ends, also after Ctrl-C.
    """
    pa.array([""])  # imports pandas: in this thread, since dlt fails on one imported in part
    options = contexts[0].run
    contexts = [_without_loaded(context) for context in contexts]
    staged: SimpleQueue[Future[tuple[SourceContext, Table, TableResult]]] = SimpleQueue()
    tables = [
        table
        for context in contexts
        for table in context.source.tables
        if options.table in (None, table.name)
    ]
    days = {
        day
        for context in contexts
        for table in context.source.tables
        for day in context.dates(table)
    }
    known_loads = cache(partial(_known_loads, () if options.rebuild else days, contexts))
    with ThreadPoolExecutor(len(tables)) as threads:

        def start(context: SourceContext, table: Table) -> None:
            threads.submit(before_load, context, table).add_done_callback(staged.put)

        def before_load(
            context: SourceContext, table: Table
        ) -> tuple[SourceContext, Table, TableResult]:
            result = extract_and_stage(context, table, report)
            following = _next_details(context, table)
            if following and not options.table:
                try:
                    start(context, following)
                except RuntimeError:  # the threads take no more work, as after Ctrl-C
                    if not context.stopping.is_set():
                        raise
            return context, table, result

        for context in contexts:
            for table in context.source.tables:
                if table.name == options.table or not (options.table or table.details_of):
                    start(context, table)
        try:
            for _ in tables:
                context, table, result = staged.get().result()
                # dlt would swallow a Ctrl-C during its load, so it is raised after the load.
                with signals.intercepted_signals():
                    if "load" in options.phases:
                        report(result.source, result.table, Progress(phase="load"))
                        load_table(context, table, result, known_loads)
                    result.calls_left = context.calls_left(table)
                    result.notes += context.budget.take_remarks()
                    done(result)
                    signals.raise_if_signalled()
        except BaseException:  # for example Ctrl-C: the threads make no further call
            for context in contexts:
                context.stopping.set()
            threads.shutdown(wait=True, cancel_futures=True)
            while not staged.empty():
                ended = staged.get()
                if not ended.cancelled():
                    done(ended.result()[2])
            raise
        finally:
            for context in contexts:
                context.budget.give_back()


def _without_loaded(context: SourceContext) -> SourceContext:
    """Leave out the earlier dates that the warehouse has, so that only a first run has them."""
    days = {day for days in context.earlier.values() for day in days}
    if not days:
        return context
    try:
        known = _known_loads(days)
    except load.LoadError:  # the load of each table reports it
        return replace(context, earlier={})
    source = context.source.name
    earlier = {
        table: tuple(day for day in days if (source, table, day) not in known)
        for table, days in context.earlier.items()
    }
    return replace(context, earlier=earlier)


def _next_details(context: SourceContext, table: Table) -> Table | None:
    """Return the details that start when a list, or other details of it, are staged."""
    parent = table.details_of or table.name
    details = [other for other in context.source.tables if other.details_of == parent]
    position = details.index(table) + 1 if table.details_of else 0
    return details[position] if position < len(details) else None


def extract_and_stage(context: SourceContext, table: Table, report: Report) -> TableResult:
    """Extract and stage all dates of one table. Its errors do not affect other tables."""
    result = TableResult(context.source.name, table.name)
    phases = context.run.phases
    notes: dict[str, list[date]] = {}
    dates = _dates(context, table)
    for logical_date in dates:
        prefix = f"{logical_date}: " if len(dates) > 1 else ""
        extraction = Extraction(calls=0, pages=0)
        try:
            if "extract" in phases:
                extraction = _extract(context, table, logical_date, result, report)
                result.errors += [prefix + extraction.error] if extraction.error else []
                for note in filter(None, (extraction.note, extraction.warning)):
                    notes.setdefault(note, []).append(logical_date)
            if "stage" in phases:
                report(result.source, result.table, Progress(phase="stage"))
                _stage(context, table, logical_date, result, extraction)
            elif "load" in phases:
                source = context.source.name
                file = stage.staged_file(context.lake, source, table.name, logical_date)
                if file:
                    result.files[logical_date] = _sound(context, table, logical_date, file)
            is_expected = "extract" not in phases and not context.run.rebuild
            if is_expected and logical_date not in result.files:
                notes.setdefault(f"nothing to {phases[0]}", []).append(logical_date)
        except Exception as error:  # an error of one table must not end the others
            result.errors.append(prefix + _message(error))
    try:
        _save_indexes(context, table, result)
    except Exception as error:
        result.errors.append(_message(error))
    report(result.source, result.table, Progress(phase="wait"))
    for note, dates in notes.items():
        days = f"{dates[0]}..{dates[-1]}" if len(dates) > 1 else f"{dates[0]}"
        result.notes.append(f"{days}: {note}")
    return result


def _dates(context: SourceContext, table: Table) -> Sequence[date]:
    """Return the dates to run of a table."""
    if context.run.rebuild:
        return raw.days(context.lake, context.source.name, table.name)
    return context.dates(table)


def _message(error: Exception) -> str:
    is_known = isinstance(error, stage.BrokenTableError | raw.RawError | OSError)
    return str(error) if is_known else repr(error)


def _save_indexes(context: SourceContext, table: Table, result: TableResult) -> None:
    """Write the indexes that a table has changed. Details write theirs, if they run at all."""
    own = [context.indexes[table.name]] if table.details_of else []
    for index in own or (context.indexes_of_list(table) if context.run.table else []):
        index.save()
    for index in own or context.indexes_of_list(table):
        result.notes += index.take_remarks()


def _extract(
    context: SourceContext, table: Table, logical_date: date, result: TableResult, report: Report
) -> Extraction:
    """Extract a date, and add it to the table's result."""
    with result.step("extract", logical_date) as step:
        report_table = partial(report, context.source.name, table.name)
        extraction = extract_date(context, table, logical_date, report_table)
        step.calls, step.bytes = extraction.calls, extraction.bytes
        if extraction.error:
            step.fail(extraction.error)
        elif extraction.note:
            step.status, step.error = "partial", extraction.note
        if extraction.to_stage:
            result.folders[logical_date] = extraction.to_stage.name
    result.calls += extraction.calls
    result.pages += extraction.pages
    return extraction


def _stage(
    context: SourceContext,
    table: Table,
    logical_date: date,
    result: TableResult,
    extraction: Extraction,
) -> None:
    """Stage a date, and add it to the table's result."""
    with result.step("stage", logical_date) as step:
        folder = extraction.to_stage
        if "extract" not in context.run.phases:
            folder = folder_to_stage(context, table, logical_date)
        if folder is None:
            step.status = "partial"
            return
        result.folders[logical_date] = folder.name
        lake, source, contract = context.lake, context.source.name, context.contracts[table.name]
        file = None
        if not extraction.calls:
            file = stage.already_staged(lake, source, table, logical_date, folder, contract)
        if file is None:
            pages = raw.pages_of(lake, folder, extraction.pages_to_stage)
            file, rows = stage.stage_extraction(
                lake, source, table, logical_date, folder, pages, contract, extraction.rows
            )
            for index in context.indexes_of_list(table):
                index.remember_list(logical_date, rows, pages)
        result.files[logical_date] = file.key
        _add_staged(result, step, file)


def _sound(context: SourceContext, table: Table, logical_date: date, file: str) -> str:
    """Return the staged file of a date to load: this one, or a new one if it is damaged.

    The stage phase checks its own. Raise BrokenTableError, raw.RawError.
    """
    lake, source = context.lake, context.source.name
    if stage.is_sound(lake, source, table, logical_date, file):
        return file
    folder = folder_to_stage(context, table, logical_date)
    if folder is None:
        raise stage.BrokenTableError(f"{file} is damaged, and raw has no response to stage again")
    pages, contract = raw.pages_of(lake, folder), context.contracts[table.name]
    restaged, _ = stage.stage_extraction(
        lake, source, table, logical_date, folder, pages, contract, {}
    )
    return restaged.key


def _add_staged(result: TableResult, step: StepResult, file: stage.StagedFile) -> None:
    step.rows, step.rejected, step.bytes = file.rows, file.rejected, file.bytes
    result.staged += file.rows
    result.rejected += file.rejected
    result.duplicates += file.duplicates
    for name, raw_file in file.new_fields.items():
        result.notes.append(f"new field {name!r}, first in {raw_file}")
    for name, raw_file in file.missing_fields.items():
        result.notes.append(f"no row has the field {name!r}, first in {raw_file}")
    for name, what in file.long_fields.items():
        result.notes.append(f"texts of {name!r}: {what}")
    if file.conflicting_fields:
        fields = ", ".join(map(repr, file.conflicting_fields))
        first = min(file.conflicting_fields.values())
        result.notes.append(f"rows of one key differ in {fields}, the last is kept: see {first}")
    if file.rejected:
        table_date = f"{result.source}/{result.table}/dt={step.logical_date}"
        result.notes.append(f"rejected, see rejected/{table_date}/: first {file.first_rejected}")


def load_table(
    context: SourceContext,
    table: Table,
    result: TableResult,
    known_loads: Callable[[], dict[Key, LoadedDate]],
) -> None:
    """Load the staged files of a table that the warehouse lacks, and add them to its result.

    `known_loads` returns the loads of the run's dates.
    """
    try:
        with ExitStack() as open_steps:
            steps = {
                logical_date: open_steps.enter_context(result.step("load", logical_date))
                for logical_date in result.files
            }
            loads = _load_changed(context, table, result.files, known_loads())
            for logical_date, step in steps.items():
                step.rows = loads[logical_date].rows
                result.loaded += step.rows
    # The others come from the lake.
    except (load.LoadError, stage.BrokenTableError, raw.RawError, OSError) as error:
        result.errors.append(str(error))


def _load_changed(
    context: SourceContext,
    table: Table,
    files: Mapping[date, str],
    known: Mapping[Key, LoadedDate],
) -> dict[date, LoadedDate]:
    """Load the dates of a table that changed. Return the loads of all dates.

    Raise LoadError, OSError.
    """
    source, lake = context.source, context.lake
    loads = {day: known.get((source.name, table.name, day)) for day in files}
    changed = {
        day: file for day, file in files.items() if not (kept := loads[day]) or kept.file != file
    }
    if changed:
        with warehouse_lock(), load.connect() as ledger:
            if retention.needs_all_dates(ledger, source, table, changed, known):
                staged = stage.staged_files(lake, source.name, table.name)
                changed = {
                    day: files.get(day) or _sound(context, table, day, file)
                    for day, file in (staged | changed).items()
                }
            pipe = load.pipeline(source.name)
            loads |= load.load(pipe, ledger, source, table, lake, changed)
    return {day: kept for day, kept in loads.items() if kept}


def _known_loads(
    dates: Iterable[date], contexts: Sequence[SourceContext] = ()
) -> dict[Key, LoadedDate]:
    """Return the loads of dates of all tables. Raise LoadError, also if a daily run of `contexts`
    finds that the warehouse has lost dates."""
    with warehouse_lock(), load.connect() as ledger:
        known = loaded_dates.read(ledger, dates)
        daily = [context for context in contexts if context.run.is_daily]
        if daily and lost.is_suspicious(loaded_dates.newest(ledger), daily[0].run.today):
            running = {
                (context.source.name, table.name, day)
                for context in daily
                for table in context.source.tables
                for day in context.dates(table)
            }
            loaded, sources = loaded_dates.read(ledger).keys(), {key[0] for key in running}
            line = lost.describe(daily[0].lake, loaded, sources, running)
            if line:
                raise load.LoadError(f"not loaded: {line}")
    return known
