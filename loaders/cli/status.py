"""`dlt pipeline [NAME] status`: how old each table and each mart is, and why.

It reads the history of runs and the counts of calls in the lake, and the record of exports in the
home. So it works without the warehouse and the website's database, and while others use them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table as PrintedTable

from loaders import settings, web_logs
from loaders.cli.display import console, print_json, print_plain
from loaders.cli.enabled import NO_SAMPLE_API, check_name, read_enabled
from loaders.cli.exit_codes import BAD_SETTING, FAILED, OK
from loaders.export import exported
from loaders.lake.lake import Lake, open_lake
from loaders.pipeline import history
from loaders.pipeline.context import RunOptions, prepare
from loaders.settings import KST, SettingError
from loaders.sources import SOURCES
from loaders.sources.source import Source, Table

LATE_AFTER = timedelta(hours=26)
"""Age at which a table that loads every day, or a mart, is late. dbt warns at the same age."""
DAYS_BACK = 60
"""Days of the history of runs in which a table is looked for."""
MARTS = settings.PROJECT / "dbt_project" / "models" / "serving"

Step = dict[str, Any]
"""A row of the history of runs."""


@dataclass(frozen=True)
class LastRun:
    """What the last run did with a table."""

    began_at: datetime
    result: str
    """`done`, `partial` (incomplete, but not through an error) or `failed`."""
    reason: str | None
    """Why it is not done, in full."""


@dataclass(frozen=True)
class TableStatus:
    """How old a table is. Times are in KST."""

    source: str
    table: str
    newest_date: date | None
    """The newest date that was extracted in full and loaded."""
    loaded_at: datetime | None
    """When that was. For a table that can be late, at the latest the end of the date."""
    age_hours: float | None
    late_after_hours: float | None
    """None for tables that need not change every day: details, what is asked for once a year, and
    generated logs."""
    is_late: bool
    last_run: LastRun | None
    rejected: int | None
    """Rows of the newest staged date that were rejected."""
    calls_left: int | None
    """Calls left of the day's allowance, for the operation with the fewest."""
    remedy: str | None = None

    @property
    def name(self) -> str:
        return f"{self.source}.{self.table}"

    @property
    def reason(self) -> str | None:
        """Why the table is late, or why the last run is not done."""
        if self.last_run and self.last_run.reason:
            return f"{self.last_run.result}: {self.last_run.reason}"
        if not self.is_late:
            return None
        return (
            f"no run since {self.last_run.began_at:%Y-%m-%d %H:%M}" if self.last_run else "no run"
        )


@dataclass(frozen=True)
class MartStatus:
    """When a mart was last exported."""

    mart: str
    exported_at: datetime | None
    age_hours: float | None
    is_late: bool
    """Whether the last export left it out, or none was for `LATE_AFTER`."""
    reason: str | None
    rows: int | None
    remedy: str | None


@dataclass(frozen=True)
class Status:
    as_of: datetime
    tables: list[TableStatus]
    marts: list[MartStatus]

    @property
    def late(self) -> list[str]:
        """The names of the tables and marts that are late."""
        tables = [each.name for each in self.tables if each.is_late]
        return tables + [f"rds.{each.mart}" for each in self.marts if each.is_late]


def status(pipeline: str | None, output: str = "text") -> tuple[int, str]:
    """Print the status of one pipeline, or of all and the marts. `rds` stands for the marts.

    Return the exit code, which is 1 if something is late, and a line that names it.
    """
    try:
        if pipeline != "rds":
            check_name(pipeline)
        found = read_status(pipeline)
    except (SettingError, OSError) as error:
        return (BAD_SETTING if isinstance(error, SettingError) else FAILED), str(error)
    if output == "json":
        print_json(as_json(found))
    else:
        _print(console(), found)
    late = found.late
    return (FAILED, f"late: {', '.join(late)}") if late else (OK, "")


def read_status(pipeline: str | None = None) -> Status:
    """Read the status of one pipeline, or of all. Raise SettingError, OSError."""
    now = _now()
    tables = [] if pipeline == "rds" else list(_tables(pipeline, now))
    is_exported = settings.dbt_target() in settings.rds_targets()
    marts = list(_marts(now)) if pipeline in (None, "rds") and is_exported else []
    return Status(now, tables, marts)


def as_json(found: Status) -> dict[str, Any]:
    """Return the status as plain values: the tables with their reasons, and whether any is late."""
    tables = [{**asdict(each), "reason": each.reason} for each in found.tables]
    marts = [asdict(each) for each in found.marts]
    return {"as_of": found.as_of, "is_late": bool(found.late), "tables": tables, "marts": marts}


def _now() -> datetime:
    """Return the time in KST, on the day `HELLO_KOREA_TODAY` if it is set."""
    return datetime.combine(settings.today(), datetime.now(KST).time(), KST)


def _tables(pipeline: str | None, now: datetime) -> Iterator[TableStatus]:
    enabled = read_enabled()
    if pipeline:
        enabled.check(pipeline)
    names = (pipeline,) if pipeline else enabled.names
    sources = [SOURCES[name] for name in names if name in SOURCES]
    wanted = {(source.name, table.name) for source in sources for table in source.tables}
    wanted |= {(web_logs.NAME, name) for name in web_logs.TABLES if web_logs.NAME in names}
    lake = open_lake(settings.lake_url())
    steps = _steps_of_tables(lake, wanted, now.date())
    options = RunOptions(now.date(), (now.date(),))
    for source in sources:
        context = prepare(source, lake, NO_SAMPLE_API, options)
        for table in source.tables:
            of_table = steps.get((source.name, table.name), [])
            yield _table(source, table, of_table, now, context.calls_left(table))
    if web_logs.NAME in names:
        for name in web_logs.TABLES:
            days = lake.folders(f"stage/{web_logs.NAME}/{name}")
            yield _logs(name, steps.get((web_logs.NAME, name), []), days)


def _steps_of_tables(
    lake: Lake, wanted: set[tuple[str, str]], today: date
) -> dict[tuple[str, str], list[Step]]:
    """Return the steps by table, oldest first: of the newest days that have a complete date of each
    table, and at most of `DAYS_BACK`."""
    by_day: dict[str, list[str]] = {}
    for key in lake.keys(history.FOLDER):
        by_day.setdefault(key.split("/")[3].removeprefix("dt="), []).append(key)
    first_day = str(today - timedelta(days=DAYS_BACK))
    steps: dict[tuple[str, str], list[Step]] = {}
    for day in sorted((day for day in by_day if day >= first_day), reverse=True):
        rows = history.read(lake, by_day[day]).to_pylist()
        for row in sorted(rows, key=lambda row: row["step_id"], reverse=True):
            steps.setdefault((row["source_name"], row["table_name"]), []).insert(0, row)
        missing = wanted - {table for table, of_table in steps.items() if _has_end(of_table)}
        if not missing:
            break
    return steps


def _has_end(steps: list[Step]) -> bool:
    """Return whether the steps have a complete date, or are of logs, whose steps have no date."""
    return bool(complete_dates(steps)) or steps[-1]["logical_date"] is None


def complete_dates(steps: Iterable[Step]) -> dict[date, datetime]:
    """Return the dates that were extracted in full and loaded, and when, in KST.

    A later run that loads the same responses again makes them no newer.
    """
    is_extracted: dict[date, bool] = {}
    loaded: dict[date, datetime] = {}
    for step in steps:
        day, is_done = step["logical_date"], step["status"] == "done"
        if day is None:
            continue
        if step["phase"] == "extract":
            is_extracted[day] = is_done or is_extracted.get(day, False)
            if is_done and step["call_count"]:
                loaded.pop(day, None)
        elif step["phase"] == "load" and is_done:
            ended = step["began_at"] + timedelta(seconds=step["duration_seconds"])
            loaded.setdefault(day, ended.replace(tzinfo=KST))
    return {day: at for day, at in loaded.items() if is_extracted.get(day, True)}


def late_after(table: Table) -> timedelta | None:
    """Return the age at which a table is late, or None if it need not change every day."""
    return None if table.details_of or table.kept_under else LATE_AFTER


def _table(
    source: Source, table: Table, steps: list[Step], now: datetime, calls_left: int
) -> TableStatus:
    complete, limit = complete_dates(steps), late_after(table)
    if limit:  # loading an old date does not make the table fresh
        complete = {day: min(at, _end_of(day)) for day, at in complete.items()}
    loaded_at = max(complete.values(), default=None)
    age = _age(loaded_at, now)
    is_late = limit is not None and (age is None or age > limit)
    last_run = _last_run(steps)
    is_done = last_run is not None and last_run.result == "done"
    return TableStatus(
        source.name,
        table.name,
        max(complete, default=None),
        loaded_at,
        _hours(age),
        _hours(limit),
        is_late,
        last_run,
        _rejected(steps),
        calls_left,
        f"dlt pipeline {source.name} run" if is_late or not is_done else None,
    )


def _logs(name: str, steps: list[Step], days: list[str]) -> TableStatus:
    newest = date.fromisoformat(days[-1].removeprefix("dt=")) if days else None
    return TableStatus(
        source=web_logs.NAME,
        table=name,
        newest_date=newest,
        loaded_at=None,
        age_hours=None,
        late_after_hours=None,
        is_late=False,
        last_run=_last_run(steps),
        rejected=None,
        calls_left=None,
    )


def _last_run(steps: list[Step]) -> LastRun | None:
    if not steps:
        return None
    run_id = steps[-1]["run_id"]
    of_run = [step for step in steps if step["run_id"] == run_id]
    began_at = min(step["began_at"] for step in of_run).replace(tzinfo=KST)
    for result in ("failed", "partial"):
        found = [step for step in of_run if step["status"] == result]
        if found:
            reasons = dict.fromkeys(step["error"] for step in found if step["error"])
            return LastRun(began_at, result, "; ".join(reasons) or None)
    return LastRun(began_at, "done", None)


def _rejected(steps: list[Step]) -> int | None:
    staged = [step for step in steps if step["rejected_count"] is not None]
    newest = max(staged, key=lambda step: (step["logical_date"], step["began_at"]), default=None)
    return newest["rejected_count"] if newest else None


def _marts(now: datetime) -> Iterator[MartStatus]:
    known = exported.read(settings.dbt_target())
    for name in sorted(file.stem.removeprefix("rds_") for file in MARTS.glob("rds_*.sql")):
        record: Mapping[str, Any] = known.get(name, {})
        text, reason = record.get("exported_at"), record.get("reason")
        exported_at = datetime.fromisoformat(text) if text else None
        age = _age(exported_at, now)
        if not reason and (age is None or age > LATE_AFTER):
            reason = "no export since" if age else "never exported"
        remedy = "dbt build" if reason else None
        yield MartStatus(
            name, exported_at, _hours(age), bool(reason), reason, record.get("rows"), remedy
        )


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), KST)


def _age(at: datetime | None, now: datetime) -> timedelta | None:
    return max(now - at, timedelta(0)) if at else None


def _hours(age: timedelta | None) -> float | None:
    return None if age is None else round(age.total_seconds() / 3600, 1)


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _print(output: Console, found: Status) -> None:
    """Print a table of the tables, one of the marts, and the reasons in full below each."""
    printed = _columns(("table", "newest date"), ("age (h)", "late (h)", "rejected", "calls left"))
    printed.add_column("last run")
    for each in found.tables:
        run = each.last_run
        printed.add_row(
            each.name,
            str(each.newest_date or ""),
            *_cells(each.age_hours, each.late_after_hours, each.rejected, each.calls_left),
            f"{_minute(run.began_at)} {run.result}" if run else "",
            "LATE" * each.is_late,
        )
    output.print(printed)
    print_plain(
        output,
        (
            f"{each.name}: {each.reason}{f': {each.remedy}' * bool(each.remedy)}"
            for each in found.tables
            if each.reason
        ),
    )
    if not found.marts:
        return
    printed = _columns(("mart", "exported at"), ("age (h)", "rows"))
    for mart in found.marts:
        cells = _cells(mart.age_hours, mart.rows)
        printed.add_row(mart.mart, _minute(mart.exported_at), *cells, "LATE" * mart.is_late)
    output.print()
    output.print(printed)
    marts = [mart for mart in found.marts if mart.reason]
    for reason in dict.fromkeys(mart.reason for mart in marts):
        names = ", ".join(mart.mart for mart in marts if mart.reason == reason)
        print_plain(output, [f"{names}: {reason}: dbt build"])


def _columns(texts: Iterable[str], numbers: Iterable[str]) -> PrintedTable:
    printed = PrintedTable(box=None, pad_edge=False, header_style="bold")
    for name in texts:
        printed.add_column(name)
    for name in numbers:
        printed.add_column(name, justify="right")
    return printed


def _cells(*values: float | None) -> list[str]:
    return ["" if value is None else f"{value:,}" for value in values]
