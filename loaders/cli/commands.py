"""The commands behind the command line. Each returns an exit code and its last line."""

from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict, astuple, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pyarrow as pa
from rich.console import Console

from loaders import notify, settings, web_logs
from loaders.cli import left_out, misspelt, plan, tell
from loaders.cli.display import (
    Display,
    RowsDisplay,
    changes_table,
    console,
    print_json,
    print_plain,
    print_results,
)
from loaders.cli.enabled import (
    NO_SAMPLE_API,
    PIPELINES,
    Enabled,
    check_name,
    read_enabled,
    read_removed,
)
from loaders.cli.exit_codes import BAD_SETTING, FAILED, INTERRUPTED, OK, RUNNING
from loaders.errors import one_line
from loaders.files import replace_file
from loaders.lake.lake import Lake, open_lake
from loaders.lake.raw import RawError
from loaders.pipeline import history, load, stage, upkeep
from loaders.pipeline.changes import changes
from loaders.pipeline.context import (
    RunOptions,
    check_home_origin,
    check_lake_origin,
    needs_sample,
    prepare,
    record_home_origin,
)
from loaders.pipeline.locks import AlreadyRunningError, part_lock, pipeline_lock
from loaders.pipeline.results import LAST_RUN, PHASES, TableResult
from loaders.pipeline.run import run as run_tables
from loaders.pipeline.stage import BrokenTableError
from loaders.sample_api import SampleApi
from loaders.settings import SettingError
from loaders.sources import SOURCES
from loaders.sources.source import Source

LONGEST_RANGE = 366
"""Maximum days of a range. A longer one is more likely a typing error in the year."""


@dataclass(frozen=True)
class RunArguments:
    """The options of `dlt pipeline … run` as typed."""

    date: str | None = None
    only: str | None = None
    table: str | None = None
    refresh: bool = False
    plan: bool = False
    scale: str | None = None
    rebuild: bool = False
    is_json: bool = False
    """Whether standard output gets one JSON document, and standard error everything else."""

    def has_options(self) -> bool:
        """Return whether there is an option that changes what is run."""
        return any(astuple(replace(self, is_json=False)))


def run(pipeline: str | None, arguments: RunArguments) -> tuple[int, str]:
    """Run `dlt pipeline [NAME] run`. The README lists the exit codes."""
    results: list[TableResult] = []
    exported: dict[str, Any] = {}
    code, message = INTERRUPTED, "interrupted"
    try:
        code, message = _run(pipeline, arguments, results, exported)
        if not arguments.plan:
            _tell(pipeline, arguments, code, message, results, exported)
    finally:
        if arguments.is_json:
            tables = [_as_json(result) for result in results]
            summary = {"pipeline": pipeline, "exit_code": code, "error": message or None}
            print_json({**summary, "tables": tables, "export": exported or None})
    return code, message


def _tell(
    pipeline: str | None,
    arguments: RunArguments,
    code: int,
    message: str,
    results: list[TableResult],
    exported: dict[str, Any],
) -> None:
    """Tell those of `NOTIFY__URLS`. What can't be told is printed, and fails no run."""
    try:
        phases = (arguments.only,) if arguments.only else ()
        lines = tell.tell_of_run(pipeline, code, message, results, exported, phases)
    except OSError as error:
        lines = [f"nobody was told: {error}"]
    print_plain(console(to_stderr=arguments.is_json), lines)


def _as_json(result: TableResult) -> dict[str, Any]:
    """Return the result of a table as plain values, with the paths in the lake by date."""
    dates = sorted({*result.folders, *result.files})
    paths = {
        str(day): {"raw": result.folders.get(day), "stage": result.files.get(day)} for day in dates
    }
    left_out = ("folders", "files", "seconds")
    values = {name: value for name, value in asdict(result).items() if name not in left_out}
    return {**values, "dates": paths}


def _run(
    pipeline: str | None,
    arguments: RunArguments,
    results: list[TableResult],
    exported: dict[str, Any],
) -> tuple[int, str]:
    """Run, and add what became of each table, or the report of an export."""
    output = console(to_stderr=arguments.is_json)
    began_at = datetime.now(settings.KST)
    try:
        misspelt.check()
        notify.urls()  # checks them
        if pipeline == "rds":
            return _export(output, arguments, exported)
        check_name(pipeline)
        if arguments.is_json and arguments.plan:
            raise SettingError("--output", "json with --plan", "expected it with a run")
        enabled = read_enabled()
        removed = read_removed(enabled)
        if pipeline:
            enabled.check(pipeline)
        sources, logs_tables = chosen((pipeline,) if pipeline else enabled.names, arguments.table)
        options = _run_options(arguments, bool(logs_tables))
        load.read_settings_again()
        load.warehouse()  # checks DBT_TARGET
        lake = open_lake(settings.lake_url())
        print_plain(output, settings.exposed_secrets())
        if pipeline is None:
            print_plain(output, enabled.lines())
        with ExitStack() as locks:
            if not arguments.plan:
                names = [source.name for source in sources] + [web_logs.NAME] * bool(logs_tables)
                for name in names:
                    locks.enter_context(_lock(name, arguments))
            logs = (
                _WebLogs(output, lake, pipeline, arguments, options, logs_tables)
                if logs_tables
                else None
            )
            if sources:  # after all settings are checked, since it records the origin
                check_lake_origin(lake, enabled.origin)
            check_home_origin(enabled.origin)
            try:
                if sources and arguments.plan:
                    _plan_sources(output, lake, sources, options)
                elif sources:
                    _run_sources(output, lake, sources, options, enabled.origin, results)
                if logs and arguments.plan:
                    logs.plan()
                elif logs:
                    logs.run(results)
                    _record_origin(results, enabled.origin)
            except KeyboardInterrupt:
                with suppress(OSError):
                    history.write(lake, results, began_at)
                raise
        if arguments.plan:
            return OK, ""
        incomplete, loads = None, "load" in options.phases
        with load.kept_open() if loads else nullcontext():
            failed = _finish(output, lake, results, began_at, options.phases)
            if loads:
                removed_rows = removed if pipeline is None else None
                incomplete = _complete_staging(output, lake, enabled, removed_rows)
        if output.is_terminal:
            _print_changes(output, lake, results)
        if loads and not arguments.rebuild:  # histories are rebuilt from the full lists first
            _tidy(output, lake)
        problem = failed or incomplete
        if arguments.rebuild and pipeline is None and not problem:
            problem = _rebuild_models(output, enabled)
        return (FAILED, problem) if problem else (OK, "")
    except SettingError as error:
        return BAD_SETTING, str(error)
    except AlreadyRunningError as error:
        return RUNNING, str(error)
    except (BrokenTableError, RawError, OSError) as error:  # of a plan; a run reports them by table
        return FAILED, str(error)


def rejected(pipeline: str | None, dates: str | None, table: str | None) -> tuple[int, str]:
    """Run `dlt pipeline [NAME] rejected`: print a line per row, ordered by table and date."""
    output = console()
    try:
        check_name(pipeline)
        sources, _ = chosen((pipeline,) if pipeline else PIPELINES, table)
        parsed_dates = parse_dates(dates, settings.today()) if dates else None
        lake = open_lake(settings.lake_url())
        lines = [
            line
            for source in sources
            for source_table in source.tables
            if table in (None, source_table.name)
            for line in stage.rejected_lines(lake, source.name, source_table.name, parsed_dates)
        ]
        print_plain(output, lines or ["no row is rejected"])
        return OK, ""
    except SettingError as error:
        return BAD_SETTING, str(error)
    except OSError as error:
        return FAILED, str(error)


def _lock(pipeline: str, arguments: RunArguments) -> AbstractContextManager[None]:
    """Return the lock of a pipeline, or of the part of it that a run is limited to.

    One table at a time is extracted, or generated, since tables share the daily allowance and the
    index of details. Each table is staged, and loaded, beside others.
    """
    phase, table = arguments.only, arguments.table
    is_generated = pipeline == web_logs.NAME
    if not (phase and table) or (is_generated and arguments.refresh):
        return pipeline_lock(pipeline)
    is_extraction = phase == "extract" or (is_generated and phase == "stage")
    return part_lock(pipeline, "extract" if is_extraction else f"{table}.{phase}")


def _run_options(arguments: RunArguments, has_logs: bool) -> RunOptions:
    """Check and convert the options of a run. Raise SettingError."""
    if arguments.scale is not None and not has_logs:
        raise SettingError("--scale", arguments.scale, f"expected the pipeline {web_logs.NAME}")
    if arguments.refresh and arguments.only in ("stage", "load"):
        raise SettingError(
            "--refresh", f"with --only {arguments.only}", "expected with the extract phase"
        )
    if arguments.rebuild and replace(arguments, rebuild=False).has_options():
        raise SettingError("--rebuild", "with another option", "expected alone")
    today = settings.today()  # read once: a run across midnight belongs to the day it began
    upkeep.check_settings()
    dates = parse_dates(arguments.date, today) if arguments.date else [today]
    return RunOptions(
        today=today,
        dates=tuple(dates),
        phases=_phases(arguments),
        table=arguments.table,
        refresh=arguments.refresh,
        rebuild=arguments.rebuild,
        is_daily=not (arguments.date or arguments.only or arguments.rebuild),
    )


def _phases(arguments: RunArguments) -> tuple[str, ...]:
    if arguments.rebuild:
        return ("stage", "load")
    return (arguments.only,) if arguments.only else PHASES


def _plan_sources(output: Console, lake: Lake, sources: list[Source], options: RunOptions) -> None:
    """Print the calls that a run would make."""
    settings.check_requests()
    for source in sources:
        needs_sample(source)  # checks the key before the other settings
    contexts = [prepare(source, lake, NO_SAMPLE_API, options) for source in sources]
    output.print(plan.as_table(plan.planned(context) for context in contexts))


def _run_sources(
    output: Console,
    lake: Lake,
    sources: list[Source],
    options: RunOptions,
    origin: str,
    results: list[TableResult],
) -> None:
    """Run the APIs' pipelines, and append the result of each table."""
    settings.check_requests()
    if options.rebuild and not any(lake.folders(f"raw/{source.name}") for source in sources):
        raise SettingError("LAKE__URL", lake.url, "expected responses in raw/ to rebuild from")
    with ExitStack() as stack:
        without_key = [source for source in sources if needs_sample(source)]
        sample_url = NO_SAMPLE_API
        if without_key and "extract" in options.phases:
            sample_url = stack.enter_context(SampleApi(today=options.today)).url
            for source in without_key:
                key = settings.environment_name(f"sources.{source.name}.service_key")
                output.print(
                    f"{source.name}: {key} is not set, so the sample API responds: made-up data"
                )
        contexts = [prepare(source, lake, sample_url, options) for source in sources]
        tables = [table.name for source in sources for table in source.tables]
        count = sum(options.table in (None, name) for name in tables)
        display = stack.enter_context(Display(output, count))

        def done(result: TableResult) -> None:
            results.append(result)
            _record_origin([result], origin)
            display.done(result)

        run_tables(contexts, display.progress, done)


class _WebLogs:
    """The usage logs in a run. Their settings are checked before the first source runs."""

    def __init__(
        self,
        output: Console,
        lake: Lake,
        pipeline: str | None,
        arguments: RunArguments,
        options: RunOptions,
        tables: tuple[str, ...],
    ) -> None:
        """Read the settings. Raise SettingError."""
        from loaders.web_logs import pipeline as logs_pipeline  # imports numpy

        self._output = output
        self._pipeline = logs_pipeline
        self._tables = tables
        lake_scale = logs_pipeline.scale_of_lake(lake)
        self._config = logs_pipeline.read_config(arguments.scale, lake_scale)
        dates = list(options.dates) if arguments.date else None
        if pipeline is None and dates is not None:  # other sources may start earlier
            dates = [day for day in dates if day >= self._config.first_date]
        self._options = replace(
            options,
            dates=tuple(logs_pipeline.dates_to_run(self._config, dates, options.today)),
            # Together with other pipelines, --refresh concerns the API calls only.
            refresh=options.refresh and pipeline == web_logs.NAME,
        )
        self._lake = lake
        if not self._options.refresh:
            logs_pipeline.check_config(self._lake, self._config, arguments.scale)

    def plan(self) -> None:
        """Print the rows that a run would generate."""
        dates = list(self._options.dates)
        rows = self._pipeline.planned(self._lake, self._config, dates, self._tables)
        self._output.print(self._pipeline.as_table(rows))

    def run(self, results: list[TableResult]) -> None:
        """Generate and load the logs, and append the result of each table."""
        by_table = {name: TableResult(web_logs.NAME, name) for name in self._tables}
        results += by_table.values()
        with RowsDisplay(self._output, web_logs.NAME) as display:
            self._pipeline.run(self._config, self._lake, self._options, by_table, display.progress)


def _record_origin(results: list[TableResult], origin: str) -> None:
    """Record the origin of the home's rows as soon as there are any."""
    if any(result.loaded for result in results):
        record_home_origin(origin)


def _finish(
    output: Console,
    lake: Lake,
    results: list[TableResult],
    began_at: datetime,
    phases: tuple[str, ...],
) -> str | None:
    """Record the results of a run and print them. Return a line if a table is incomplete."""
    _record(output, lake, results, began_at, phases)
    print_results(output, results)
    failed = sorted({f"{result.source}.{result.table}" for result in results if result.errors})
    return f"not complete: {', '.join(failed)}" if failed else None


def _print_changes(output: Console, lake: Lake, results: list[TableResult]) -> None:
    """Print the rows of each table and what changed in them. A failure is only printed."""
    try:
        if changed := changes(lake, results):
            output.print()
            output.print(changes_table(changed))
    except (OSError, pa.ArrowInvalid, duckdb.Error) as error:
        print_plain(output, [f"what changed: {one_line(error)}"])


def _complete_staging(
    output: Console, lake: Lake, enabled: Enabled, removed: tuple[str, ...] | None
) -> str | None:
    """Create the staging tables that the warehouse lacks, for the models read all of them.

    `removed`: the pipelines whose rows leave, or None after a run of one pipeline. Return a line if
    that failed.
    """
    try:
        tables = left_out.create_missing(lake)
        if removed is not None:
            print_plain(output, left_out.remove_rows(lake, tables, enabled.left_out, removed))
    except (load.LoadError, OSError) as error:
        return str(error)
    return None


def _tidy(output: Console, lake: Lake) -> None:
    """Delete and compact what piles up. A failure is printed; the next run tries again."""
    try:
        with suppress(AlreadyRunningError), pipeline_lock("upkeep"):  # one process does it for all
            if line := upkeep.tidy(lake, settings.today()):
                print_plain(output, [line])
    except (load.LoadError, OSError) as error:
        print_plain(output, [f"upkeep: {error}"])


def _record(
    output: Console,
    lake: Lake,
    results: list[TableResult],
    began_at: datetime,
    phases: tuple[str, ...],
) -> None:
    """Write the results for the summary and the history of runs.

    A failure, for example a full disk, is printed but does not hide the results.
    """
    try:
        _write_last_run(results)
        history.write(lake, results, began_at)
        if "load" in phases:  # other phases do not touch the warehouse
            history.load_missing(lake)
    except (load.LoadError, OSError) as error:
        print_plain(output, [str(error)])


def _rebuild_models(output: Console, enabled: Enabled) -> str | None:
    """Rebuild the models from staging tables that hold every date. Return why it failed.

    Raise AlreadyRunningError.
    """
    from loaders.cli.rebuild import RebuildError, rebuild_models  # imports dbt

    with ExitStack() as locks:
        for name in enabled.names:
            locks.enter_context(pipeline_lock(name))
        try:
            rebuild_models(output.print)
        except (RebuildError, load.LoadError) as error:
            return str(error)
    return None


def _write_last_run(results: list[TableResult]) -> None:
    rows = [{**asdict(result), "files": {}, "folders": {}} for result in results]
    replace_file(settings.home() / LAST_RUN, orjson.dumps(rows))


def chosen(names: tuple[str, ...], table: str | None) -> tuple[list[Source], tuple[str, ...]]:
    """Return the sources to run and the tables of logs to generate. Raise SettingError."""
    sources = [source for source in SOURCES.values() if source.name in names]
    logs_tables = web_logs.TABLES if web_logs.NAME in names else ()
    if table is None:
        return sources, logs_tables
    tables = [source_table.name for source in sources for source_table in source.tables]
    if table not in tables and table not in logs_tables:
        known = ", ".join([*tables, *logs_tables])
        raise SettingError("--table", table, f"expected one of {known}")
    with_table = [
        source
        for source in sources
        if any(source_table.name == table for source_table in source.tables)
    ]
    return with_table, (table,) if table in logs_tables else ()


def parse_dates(text: str, today: date) -> list[date]:
    """Return the dates of `--date`, ascending. Raise SettingError."""
    week_ago = today - timedelta(days=7)
    expected = f"expected a date such as {today}, or a range such as {week_ago}..{today}"
    try:
        first, _, last = text.partition("..")
        start = date.fromisoformat(first)
        end = date.fromisoformat(last) if last else start
    except ValueError:
        raise SettingError("--date", text, expected) from None
    if end < start or text.endswith(".."):
        raise SettingError("--date", text, expected)
    if start < settings.FIRST_DAY:
        raise SettingError("--date", text, f"expected no date before {settings.FIRST_DAY}")
    if (end - start).days > LONGEST_RANGE:
        raise SettingError("--date", text, f"expected a range of at most {LONGEST_RANGE} days")
    if end > today:
        raise SettingError("--date", text, f"expected no date after today ({today} in KST)")
    return [start + timedelta(days=day) for day in range((end - start).days + 1)]


def _export(output: Console, arguments: RunArguments, exported: dict[str, Any]) -> tuple[int, str]:
    """Run `dlt pipeline rds run`: export every mart whose newest proof is good."""
    # Imports dbt, which takes a second.
    from loaders.export.export import export_again
    from loaders.export.marts import ExportError

    if arguments.has_options():
        return BAD_SETTING, "dlt pipeline rds run takes no options: it exports all proven marts"
    try:
        report = export_again(settings.dbt_artifacts())
    except ExportError as error:
        exported["error"] = str(error)
        return FAILED, str(error)
    exported |= asdict(report)
    print_plain(output, report.lines())
    return (FAILED, report.failure) if report.failure else (OK, "")
