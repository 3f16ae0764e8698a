"""Run one or more pipelines: each table is extracted, staged and loaded on its own."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from functools import partial
from queue import SimpleQueue

from dlt.common.runtime import signals

from loaders.lake import raw
from loaders.pipeline import load, stage
from loaders.pipeline.context import SourceContext, folder_to_stage
from loaders.pipeline.extract import Extraction, extract_date
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.results import Report, StepResult, TableResult
from loaders.sources.source import Table


def run(contexts: list[SourceContext], report: Report, done: Callable[[TableResult], None]) -> None:
    """Run the tables of all sources in parallel, and load each as soon as it is staged.

    All contexts have the same run options. This thread loads, since the warehouse allows one
    writer; extract and stage have a thread per table. Details start when their list is staged.
    `done` is called with each table as it ends, also after Ctrl-C.
    """
    options = contexts[0].run
    staged: SimpleQueue[Future[tuple[SourceContext, Table, TableResult]]] = SimpleQueue()
    tables = [
        table
        for context in contexts
        for table in context.source.tables
        if options.table in (None, table.name)
    ]
    with ThreadPoolExecutor(len(tables)) as threads:

        def start(context: SourceContext, table: Table) -> None:
            threads.submit(before_load, context, table).add_done_callback(staged.put)

        def before_load(
            context: SourceContext, table: Table
        ) -> tuple[SourceContext, Table, TableResult]:
            result = extract_and_stage(context, table, report)
            for details in context.source.tables:
                if details.details_of == table.name and not options.table:
                    start(context, details)
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
                        load_table(context, table, result)
                    result.calls_left = context.calls_left(table)
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


def extract_and_stage(context: SourceContext, table: Table, report: Report) -> TableResult:
    """Extract and stage all dates of one table. Its errors do not affect other tables."""
    result = TableResult(context.source.name, table.name)
    phases = context.run.phases
    notes: dict[str, list[date]] = {}
    for logical_date in context.run.dates:
        prefix = f"{logical_date}: " if len(context.run.dates) > 1 else ""
        extraction = Extraction(calls=0, pages=0)
        try:
            if "extract" in phases:
                extraction = _extract(context, table, logical_date, result, report)
                result.errors += [prefix + extraction.error] if extraction.error else []
                for note in filter(None, (extraction.note, extraction.warning)):
                    notes.setdefault(note, []).append(logical_date)
            if "stage" in phases:
                _stage(context, table, logical_date, result, extraction)
            elif "load" in phases:
                source = context.source.name
                file = stage.staged_file(context.lake, source, table.name, logical_date)
                result.files |= {logical_date: file} if file else {}
            if "extract" not in phases and logical_date not in result.files:
                notes.setdefault(f"nothing to {phases[0]}", []).append(logical_date)
        except Exception as error:  # an error of one table must not end the others
            is_known = isinstance(error, stage.BrokenTableError | raw.RawError | OSError)
            result.errors.append(f"{prefix}{error if is_known else repr(error)}")
    for note, dates in notes.items():
        days = f"{dates[0]}..{dates[-1]}" if len(dates) > 1 else f"{dates[0]}"
        result.notes.append(f"{days}: {note}")
    return result


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
        folder = folder_to_stage(context, table, logical_date)
        if folder is None:
            step.status = "partial"
            return
        source, contract = context.source.name, context.contracts[table.name]
        file, staged = stage.stage_extraction(
            context.lake, source, table, logical_date, folder, contract, extraction.rows
        )
        result.files[logical_date] = file
        _add_staged(result, step, staged)


def _add_staged(result: TableResult, step: StepResult, staged: stage.Staged) -> None:
    step.rows, step.rejected, step.bytes = len(staged.rows), len(staged.rejected), staged.bytes
    result.staged += len(staged.rows)
    result.rejected += len(staged.rejected)
    result.duplicates += staged.duplicates
    for name, file in staged.new_fields.items():
        result.notes.append(f"new field {name!r}, first in {file}")
    for name, file in staged.missing_fields.items():
        result.notes.append(f"no row has the field {name!r}, first in {file}")
    if staged.conflicting_fields:
        fields = ", ".join(map(repr, staged.conflicting_fields))
        first = min(staged.conflicting_fields.values())
        result.notes.append(f"rows of one key differ in {fields}, the last is kept: see {first}")
    if staged.rejected:
        table_date = f"{result.source}/{result.table}/dt={step.logical_date}"
        first = f"first {staged.rejected[0]['reason']}, in {staged.rejected[0]['raw_file']}"
        result.notes.append(f"rejected, see rejected/{table_date}/: {first}")


def load_table(context: SourceContext, table: Table, result: TableResult) -> None:
    """Load the staged files of a table, and add them to its result."""
    try:
        pipe = load.pipeline(context.source.name)
        with warehouse_lock(), ExitStack() as open_steps:
            steps = {
                logical_date: open_steps.enter_context(result.step("load", logical_date))
                for logical_date in result.files
            }
            counts = load.load(pipe, context.source, table, context.lake, result.files)
            for logical_date, step in steps.items():
                step.rows = counts[logical_date]
            result.loaded = sum(counts.values())
    except (load.LoadError, OSError) as error:  # an OSError comes from the lake
        result.errors.append(str(error))
