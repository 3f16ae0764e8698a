"""The commands behind the command line. Each returns an exit code and its last line."""

from contextlib import ExitStack, suppress
from dataclasses import asdict, astuple, dataclass, replace
from datetime import date, datetime, timedelta

import orjson
from rich.console import Console

from loaders import settings, web_logs
from loaders.cli import plan
from loaders.cli.display import Display, RowsDisplay, console, print_plain, remarks, results_table
from loaders.lake.lake import Lake, open_lake
from loaders.lake.raw import RawError
from loaders.pipeline import history, load, stage
from loaders.pipeline.context import RunOptions, needs_sample, prepare
from loaders.pipeline.locks import AlreadyRunningError, pipeline_lock
from loaders.pipeline.results import PHASES, TableResult
from loaders.pipeline.run import run as run_tables
from loaders.pipeline.stage import BrokenTableError
from loaders.sample_api import SampleApi
from loaders.settings import SettingError
from loaders.sources import SOURCES
from loaders.sources.source import Source

OK, FAILED, BAD_SETTING, RUNNING = 0, 1, 2, 3
LONGEST_RANGE = 366
"""Maximum days of a range. A longer one is more likely a typing error in the year."""
NO_SAMPLE_API = "http://127.0.0.1"
"""Address of the sample API in commands that make no call."""
LAST_RUN = "last_run.json"
"""File in the home with the results of the last run, for the summary."""


@dataclass(frozen=True)
class RunArguments:
    """The options of `dlt pipeline … run` as typed."""

    date: str | None = None
    only: str | None = None
    table: str | None = None
    refresh: bool = False
    plan: bool = False
    scale: str | None = None


def run(pipeline: str | None, arguments: RunArguments) -> tuple[int, str]:
    """Run `dlt pipeline [NAME] run`. The README lists the exit codes."""
    output, began_at = console(), datetime.now(settings.KST)
    try:
        if pipeline == "rds":
            return _export(output, arguments)
        sources, logs_tables = _chosen(pipeline, arguments.table)
        options = _run_options(arguments, bool(logs_tables))
        load.warehouse()  # checks DBT_TARGET
        results: list[TableResult] = []
        with ExitStack() as locks:
            if not arguments.plan:
                names = [source.name for source in sources] + [web_logs.NAME] * bool(logs_tables)
                for name in names:
                    locks.enter_context(pipeline_lock(name))
            logs = (
                _WebLogs(output, pipeline, arguments, options, logs_tables) if logs_tables else None
            )
            try:
                if sources and arguments.plan:
                    _plan_sources(output, sources, options)
                elif sources:
                    _run_sources(output, sources, options, results)
                if logs and arguments.plan:
                    logs.plan()
                elif logs:
                    logs.run(results)
            except KeyboardInterrupt:
                with suppress(OSError):
                    history.write(open_lake(settings.lake_url()), results, began_at)
                raise
        return (OK, "") if arguments.plan else _finish(output, results, began_at, options.phases)
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
        sources, _ = _chosen(pipeline, table)
        parsed_dates = _parse_dates(dates, settings.today()) if dates else None
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


def _run_options(arguments: RunArguments, has_logs: bool) -> RunOptions:
    """Check and convert the options of a run. Raise SettingError."""
    if arguments.scale is not None and not has_logs:
        raise SettingError("--scale", arguments.scale, f"expected the pipeline {web_logs.NAME}")
    if arguments.refresh and arguments.only in ("stage", "load"):
        raise SettingError(
            "--refresh", f"with --only {arguments.only}", "expected with the extract phase"
        )
    today = settings.today()  # read once: a run across midnight belongs to the day it began
    dates = _parse_dates(arguments.date, today) if arguments.date else [today]
    return RunOptions(
        today=today,
        dates=tuple(dates),
        phases=(arguments.only,) if arguments.only else PHASES,
        table=arguments.table,
        refresh=arguments.refresh,
    )


def _plan_sources(output: Console, sources: list[Source], options: RunOptions) -> None:
    """Print the calls that a run would make."""
    settings.check_requests()
    lake = open_lake(settings.lake_url())
    for source in sources:
        needs_sample(source)  # checks the key before the other settings
    contexts = [prepare(source, lake, NO_SAMPLE_API, options) for source in sources]
    output.print(plan.as_table(plan.planned(context) for context in contexts))


def _run_sources(
    output: Console, sources: list[Source], options: RunOptions, results: list[TableResult]
) -> None:
    """Run the APIs' pipelines, and append the result of each table."""
    settings.check_requests()
    lake = open_lake(settings.lake_url())
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
        display = stack.enter_context(Display(output))

        def done(result: TableResult) -> None:
            results.append(result)
            display.done(result)

        run_tables(contexts, display.progress, done)


class _WebLogs:
    """The usage logs in a run. Their settings are checked before the first source runs."""

    def __init__(
        self,
        output: Console,
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
        self._config = logs_pipeline.read_config(arguments.scale)
        dates = list(options.dates) if arguments.date else None
        if pipeline is None and dates is not None:  # other sources may start earlier
            dates = [day for day in dates if day >= self._config.first_date]
        self._options = replace(
            options,
            dates=tuple(logs_pipeline.dates_to_run(self._config, dates, options.today)),
            # Together with other pipelines, --refresh concerns the API calls only.
            refresh=options.refresh and pipeline == web_logs.NAME,
        )
        self._lake = open_lake(settings.lake_url())
        if not self._options.refresh:
            logs_pipeline.check_config(self._lake, self._config)

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


def _finish(
    output: Console, results: list[TableResult], began_at: datetime, phases: tuple[str, ...]
) -> tuple[int, str]:
    """Record the results of a run and print them."""
    _record(output, open_lake(settings.lake_url()), results, began_at, phases)
    output.print()
    output.print(results_table(results))
    print_plain(output, remarks(results))
    failed = sorted({f"{result.source}.{result.table}" for result in results if result.errors})
    return (FAILED, f"not complete: {', '.join(failed)}") if failed else (OK, "")


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


def _write_last_run(results: list[TableResult]) -> None:
    rows = [{**asdict(result), "files": {}} for result in results]
    (settings.home() / LAST_RUN).write_bytes(orjson.dumps(rows))


def _chosen(pipeline: str | None, table: str | None) -> tuple[list[Source], tuple[str, ...]]:
    """Return the sources to run and the tables of logs to generate. Raise SettingError."""
    if pipeline not in (None, web_logs.NAME, *SOURCES):
        known = ", ".join([*SOURCES, web_logs.NAME, "rds"])
        raise SettingError("the pipeline", pipeline, f"expected one of {known}")
    sources = [source for source in SOURCES.values() if pipeline in (None, source.name)]
    logs_tables = web_logs.TABLES if pipeline in (None, web_logs.NAME) else ()
    if table is None:
        return sources, logs_tables
    names = [source_table.name for source in sources for source_table in source.tables]
    if table not in names and table not in logs_tables:
        known = ", ".join([*names, *logs_tables])
        raise SettingError("--table", table, f"expected one of {known}")
    with_table = [
        source
        for source in sources
        if any(source_table.name == table for source_table in source.tables)
    ]
    return with_table, (table,) if table in logs_tables else ()


def _parse_dates(text: str, today: date) -> list[date]:
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
    if (end - start).days > LONGEST_RANGE:
        raise SettingError("--date", text, f"expected a range of at most {LONGEST_RANGE} days")
    if end > today:
        raise SettingError("--date", text, f"expected no date after today ({today} in KST)")
    return [start + timedelta(days=day) for day in range((end - start).days + 1)]


def _export(output: Console, arguments: RunArguments) -> tuple[int, str]:
    """Run `dlt pipeline rds run`: export again what the last `dbt build` proved."""
    # Imports dbt, which takes a second.
    from loaders.export.export import export, proved_artifacts
    from loaders.export.marts import ExportError

    if any(astuple(arguments)):
        return BAD_SETTING, "dlt pipeline rds run takes no options: it exports the last dbt build"
    try:
        report = export(proved_artifacts(settings.dbt_artifacts()))
    except ExportError as error:
        return FAILED, str(error)
    print_plain(output, report.lines())
    return (FAILED, report.failure) if report.failure else (OK, "")
