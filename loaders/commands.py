"""What the commands do once their words are read; each returns an exit code and its last line."""

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta

import orjson
from rich.console import Console

from loaders import history, load, plan, settings, stage, web_logs
from loaders.display import Display, RowsDisplay, console, outcomes_table, remarks
from loaders.lake import open_lake
from loaders.raw import RawError
from loaders.run import PHASES, AlreadyRunningError, Outcome, alone
from loaders.run import run as run_tables
from loaders.sample_api import SampleApi
from loaders.settings import SettingError
from loaders.source import Source
from loaders.sources import SOURCES
from loaders.stage import BrokenTableError
from loaders.work import needs_sample, prepare

OK, FAILED, BAD_SETTING, RUNNING = 0, 1, 2, 3
LONGEST_RANGE = 366
"""Days. What is longer is more likely a slip in the year than wanted."""
NO_SAMPLE = "http://127.0.0.1"
"""Where the sample API would answer, in a command that asks nothing."""
LAST_RUN = "last_run.json"
"""In the home: the outcomes of the last run, for the summary."""


def run(
    pipeline: str | None,
    dates: str | None,
    only: str | None,
    table: str | None,
    refresh: bool,
    plan_only: bool,
    scale: str | None = None,
) -> tuple[int, str]:
    """`dlt pipeline [NAME] run`. The exit codes are those of the README."""
    output, began_at = console(), datetime.now(settings.KST)
    try:
        if pipeline == "rds":
            return _export(output, [dates, only, table, refresh, plan_only, scale])
        sources, tables_of_logs = _chosen(pipeline, table)
        if scale is not None and not tables_of_logs:
            raise SettingError("--scale", scale, f"wants the pipeline {web_logs.NAME}")
        if refresh and only in ("stage", "load"):
            raise SettingError("--refresh", f"with --only {only}", "wants the extract phase")
        phases = (only,) if only else PHASES
        today = settings.today()  # once: a run across midnight is one of the day on which it began
        load.warehouse()
        outcomes: list[Outcome] = []
        with ExitStack() as open_things:
            if not plan_only:
                for name in [it.name for it in sources] + [web_logs.NAME] * bool(tables_of_logs):
                    open_things.enter_context(alone(name))
            make_logs = _logs(
                output, pipeline, tables_of_logs, dates, phases, refresh, plan_only, scale, today
            )
            try:
                if sources:
                    on = _dates(dates, today)
                    _ask(output, sources, on, phases, table, refresh, plan_only, today, outcomes)
                make_logs(outcomes)
            except KeyboardInterrupt:
                with suppress(OSError):
                    history.keep(open_lake(settings.lake_url()), outcomes, began_at)
                raise
        return (OK, "") if plan_only else _told(output, outcomes, began_at, phases)
    except SettingError as error:
        return BAD_SETTING, str(error)
    except AlreadyRunningError as error:
        return RUNNING, str(error)
    except (BrokenTableError, RawError, OSError) as error:  # of a plan; a run names them by table
        return FAILED, str(error)


def rejected(pipeline: str | None, dates: str | None, table: str | None) -> tuple[int, str]:
    """`dlt pipeline [NAME] rejected`: a line for each row, in order of table and date."""
    output = console()
    try:
        sources, _ = _chosen(pipeline, table)
        named = _dates(dates, settings.today()) if dates else None
        lake = open_lake(settings.lake_url())
        tables = [(source, it.name) for source in sources for it in source.tables]
        lines = [
            line
            for source, name in tables
            if table in (None, name)
            for line in stage.rejected_lines(lake, source.name, name, named)
        ]
        for line in lines or ["no row is rejected"]:
            output.print(line, highlight=False, markup=False, soft_wrap=True)
        return OK, ""
    except SettingError as error:
        return BAD_SETTING, str(error)
    except OSError as error:
        return FAILED, str(error)


def _ask(
    output: Console,
    sources: list[Source],
    dates: list[date],
    phases: tuple[str, ...],
    table: str | None,
    refresh: bool,
    plan_only: bool,
    today: date,
    outcomes: list[Outcome],
) -> None:
    """The sources that are asked: the APIs. Fills in what becomes of their tables."""
    settings.check_requests()
    lake = open_lake(settings.lake_url())
    with ExitStack() as open_things:
        unkeyed = [source for source in sources if needs_sample(source)]
        sample_url = NO_SAMPLE
        if unkeyed and not plan_only and "extract" in phases:
            sample_url = open_things.enter_context(SampleApi(today=today)).url
            for source in unkeyed:
                key = settings.environment_name(f"sources.{source.name}.service_key")
                output.print(
                    f"{source.name}: {key} is not set, so the sample API answers: made-up data"
                )
        works = [prepare(source, lake, sample_url, today, refresh) for source in sources]
        if plan_only:
            output.print(plan.as_table(plan.planned(work, dates, table) for work in works))
            return
        display = open_things.enter_context(Display(output))

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            display.done(outcome)

        run_tables(works, dates, phases, table, display.progress, done)


def _logs(
    output: Console,
    pipeline: str | None,
    tables: tuple[str, ...],
    dates: str | None,
    phases: tuple[str, ...],
    refresh: bool,
    plan_only: bool,
    scale: str | None,
    today: date,
) -> Callable[[list[Outcome]], None]:
    """The usage logs, which are made. Their settings are read at once, so that a wrong one ends a
    run before the others begin; what is returned makes them, and fills in what becomes of them."""
    from loaders.web_logs import pipeline as logs_pipeline  # with numpy, which others do not need

    if not tables:
        return lambda _: None
    logs = logs_pipeline.logs_of_settings(scale)
    named = _dates(dates, today) if dates else None
    if pipeline is None and named is not None:  # it is no mistake when others are asked too
        named = [it for it in named if it >= logs.first_date]
    wanted = logs_pipeline.wanted_dates(logs, named, today)
    anew = refresh and pipeline == web_logs.NAME  # of other pipelines it says to ask again
    lake = open_lake(settings.lake_url())
    if not anew:
        logs_pipeline.check(lake, logs)

    def make(outcomes: list[Outcome]) -> None:
        if plan_only:
            rows = logs_pipeline.planned(lake, logs, wanted, tables)
            output.print(logs_pipeline.as_table(rows))
            return
        made = {name: Outcome(web_logs.NAME, name) for name in tables}
        outcomes += made.values()
        with RowsDisplay(output, web_logs.NAME) as display:
            logs_pipeline.run(logs, lake, wanted, phases, made, anew, display.progress)

    return make


def _told(
    output: Console, outcomes: list[Outcome], began_at: datetime, phases: tuple[str, ...]
) -> tuple[int, str]:
    _remember(outcomes)
    lake = open_lake(settings.lake_url())
    try:
        history.keep(lake, outcomes, began_at)
        if "load" in phases:  # what does not load leaves the warehouse alone
            history.load_kept(lake)
    except (load.LoadError, OSError) as error:  # of what the run itself did, its tables tell
        output.print(str(error), highlight=False, markup=False, soft_wrap=True)
    output.print()
    output.print(outcomes_table(outcomes))
    for line in remarks(outcomes):
        output.print(line, highlight=False, markup=False, soft_wrap=True)
    failed = sorted({f"{it.source}.{it.table}" for it in outcomes if it.errors})
    return (FAILED, f"not complete: {', '.join(failed)}") if failed else (OK, "")


def _chosen(pipeline: str | None, table: str | None) -> tuple[list[Source], tuple[str, ...]]:
    """The sources to ask, and the tables of logs to make."""
    known = ", ".join([*SOURCES, web_logs.NAME, "rds"])
    if pipeline not in (None, web_logs.NAME, *SOURCES):
        raise SettingError("the pipeline", pipeline, f"wants one of {known}")
    sources = [it for it in SOURCES.values() if pipeline in (None, it.name)]
    logs = web_logs.TABLES if pipeline in (None, web_logs.NAME) else ()
    if table is None:
        return sources, logs
    with_table = [it for it in sources if table in {one.name for one in it.tables}]
    if not with_table and table not in logs:
        tables = ", ".join([*(one.name for it in sources for one in it.tables), *logs])
        raise SettingError("--table", table, f"wants one of {tables}")
    return with_table, (table,) if table in logs else ()


def _dates(words: str | None, today: date) -> list[date]:
    """The dates of `--date`, ascending; today when there are none."""
    if words is None:
        return [today]
    wants = f"wants a date such as {today}, or a range such as {today - timedelta(days=7)}..{today}"
    try:
        first, _, last = words.partition("..")
        start = date.fromisoformat(first)
        end = date.fromisoformat(last) if last else start
    except ValueError:
        raise SettingError("--date", words, wants) from None
    if end < start or words.endswith(".."):
        raise SettingError("--date", words, wants)
    if (end - start).days > LONGEST_RANGE:
        raise SettingError("--date", words, f"wants a range of at most {LONGEST_RANGE} days")
    if end > today:
        raise SettingError("--date", words, f"wants no date after today ({today} in KST)")
    return [start + timedelta(days=day) for day in range((end - start).days + 1)]


def _remember(outcomes: list[Outcome]) -> None:
    named = [{**dataclasses.asdict(outcome), "files": {}} for outcome in outcomes]
    (settings.home() / LAST_RUN).write_bytes(orjson.dumps(named))


def _export(output: Console, words: list[object]) -> tuple[int, str]:
    """Exports again what the last `dbt build` proved."""
    # Not at the top: they come with dbt, which takes a second that other commands save.
    from loaders.export import export, proved_artifacts
    from loaders.marts import ExportError

    if any(words):
        return BAD_SETTING, "dlt pipeline rds run takes no options: it exports the last dbt build"
    try:
        report = export(proved_artifacts(settings.dbt_artifacts()))
    except ExportError as error:
        return FAILED, str(error)
    for line in report.lines():
        output.print(line, highlight=False, markup=False, soft_wrap=True)
    return (FAILED, report.failure) if report.failure else (OK, "")
