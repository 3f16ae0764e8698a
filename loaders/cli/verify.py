"""`dlt pipeline [NAME] verify`: compare the lake with what is recorded of it, the warehouse with
the staged files, and the website's database with the marts.

Each difference is printed as it is found. No API is called.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from loaders import settings, web_logs
from loaders.cli import misspelt
from loaders.cli.commands import chosen, parse_dates
from loaders.cli.display import DatesDisplay, console, print_plain
from loaders.cli.enabled import PIPELINES, check_name
from loaders.cli.exit_codes import BAD_SETTING, FAILED, OK, RUNNING
from loaders.export.marts import ExportError
from loaders.lake.lake import Lake, open_lake
from loaders.lake.raw import RawError
from loaders.pipeline import history, load, repair, verify_loads
from loaders.pipeline import verify as lake_verify
from loaders.pipeline.budget import Budget
from loaders.pipeline.context import RunOptions, SourceContext, count_kept, prepare_offline
from loaders.pipeline.differences import Difference, Repair, failed, repaired
from loaders.pipeline.load import LoadError
from loaders.pipeline.locks import AlreadyRunningError, pipeline_lock, shared_lock
from loaders.pipeline.stage import BrokenTableError
from loaders.pipeline.verify_loads import Staged
from loaders.settings import SettingError
from loaders.sources.source import Source, Table

RDS = "rds"
"""The name that stands for the website's database."""


@dataclass(frozen=True)
class VerifyArguments:
    """The options of `dlt pipeline … verify` as typed."""

    date: str | None = None
    table: str | None = None
    repair: bool = False


def verify(pipeline: str | None, arguments: VerifyArguments) -> tuple[int, str]:
    """Print a line for each difference. Return the exit code, which is 1 if any is left, and a line
    that counts them."""
    output = console()
    found, mended, loaded = 0, 0, False
    try:
        misspelt.check()
        with DatesDisplay(output) as display:
            for difference in _differences(pipeline, arguments, display):
                found += 1
                mended += difference.is_repaired
                loaded |= difference.is_repaired and difference.repair is Repair.LOAD
                print_plain(output, [str(difference)])
    except SettingError as error:
        return BAD_SETTING, str(error)
    except AlreadyRunningError as error:
        return RUNNING, str(error)
    except LoadError as error:
        reason = str(error).removeprefix("not loaded: ")
        return FAILED, f"the warehouse was not compared: {reason}"
    except (ExportError, OSError) as error:
        return FAILED, str(error)
    if loaded:
        print_plain(output, ["rows were loaded again: `dbt build` takes them over"])
    count = f"{found:,} difference{'s' * (found != 1)}"
    if found > mended:
        return FAILED, f"{count}, {mended:,} repaired"
    print_plain(output, [f"{count}, all repaired" if found else "as recorded"])
    return OK, ""


def _differences(
    pipeline: str | None, arguments: VerifyArguments, display: DatesDisplay
) -> Iterator[Difference]:
    """Yield the differences of the lake and the warehouse, then those of the website's database."""
    is_all = pipeline is None and not (arguments.date or arguments.table)
    if pipeline == RDS:
        if arguments.date or arguments.table:
            option = "--date" if arguments.date else "--table"
            raise SettingError(option, f"with {RDS}", "expected it with a source")
    else:
        check_name(pipeline)
        days = parse_dates(arguments.date, settings.today()) if arguments.date else None
        names = (pipeline,) if pipeline else PIPELINES
        sources, logs = chosen(names, arguments.table)
        load.read_settings_again()
        load.warehouse()  # checks DBT_TARGET
        verification = _Verification(_open_existing_lake(), arguments, days, display)
        with ExitStack() as locks:
            locks.enter_context(shared_lock("upkeep"))  # of another source's run
            for name in [source.name for source in sources] + [web_logs.NAME] * bool(logs):
                locks.enter_context(pipeline_lock(name))
            yield from verification.run(sources, logs)
    if pipeline == RDS or is_all:
        yield from _of_rds(arguments.repair, is_named=pipeline == RDS)


def _open_existing_lake() -> Lake:
    """Open the lake, which is not created. Raise SettingError."""
    url = settings.lake_url()
    expected = "expected a lake that a run has filled"
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise SettingError("LAKE__URL", url, expected)
    lake = open_lake(url)
    if not (lake.folders("raw") or lake.folders("stage")):
        raise SettingError("LAKE__URL", url, expected)
    return lake


@dataclass
class _Verification:
    """The lake and the warehouse, one table after the other."""

    lake: Lake
    arguments: VerifyArguments
    days: list[date] | None
    """The dates of `--date`, or None for all."""
    display: DatesDisplay
    complete: dict[tuple[str, str], set[date]] = field(default_factory=dict)
    """The dates with a complete extraction, by source and table."""

    def run(self, sources: list[Source], logs: Collection[str]) -> Iterator[Difference]:
        """Yield the differences of the tables. Raise SettingError, LoadError, OSError."""
        extracted = history.completed(self.lake, self.lake.keys(history.FOLDER))
        dates = {
            (source.name, table.name): self._dates(source, table, extracted)
            for source in sources
            for table in source.tables
            if self._is_chosen(table.name)
        }
        logs_dates = self._logs_dates(logs)
        count = sum(map(len, [*dates.values(), *logs_dates.values()]))
        if self.days and not count:
            name, text = "--date", self.arguments.date
            raise SettingError(name, text, "expected a date of which the lake has something")
        self.display.expect(count)
        yield from lake_verify.verify_history(self.lake)
        for source in sources:
            yield from self._source(source, dates, extracted)
        if logs:
            yield from self._logs(logs_dates)

    def _is_chosen(self, table: str) -> bool:
        return self.arguments.table in (None, table)

    def _dates(
        self, source: Source, table: Table, extracted: dict[tuple[str, str], set[date]]
    ) -> list[date]:
        """Return the dates of a table to verify, ascending."""
        known = {
            *lake_verify.dates(self.lake, source.name, table.name),
            *extracted.get((source.name, table.name), ()),
        }
        wanted = self._wanted(table)
        return sorted(known if wanted is None else known & wanted)

    def _wanted(self, table: Table) -> set[date] | None:
        """Return the dates of `--date` under which a table is kept, or None for all."""
        if self.days is None or table.kept_under is None:
            return None if self.days is None else set(self.days)
        return {table.kept_under(day) for day in self.days}

    def _source(
        self,
        source: Source,
        dates: dict[tuple[str, str], list[date]],
        extracted: dict[tuple[str, str], set[date]],
    ) -> Iterator[Difference]:
        today = settings.today()
        options = RunOptions(today, (today,), phases=("stage", "load"))
        context = prepare_offline(source, self.lake, options)
        tables = [table for table in source.tables if self._is_chosen(table.name)]
        staged: dict[str, dict[date, Staged]] = {}
        for table in tables:
            key = (source.name, table.name)
            staged[table.name] = {}
            self.complete[key] = set()
            for verified in lake_verify.verify_dates(
                self.lake, source, table, dates[key], extracted.get(key, set())
            ):
                found, file = list(verified.differences), repair.staged_of(verified.staged)
                if self.arguments.repair:
                    found, file = repair.repair_date(context, table, verified)
                yield from found
                if file:
                    staged[table.name][verified.day] = file
                if verified.is_complete:
                    self.complete[key].add(verified.day)
                self.display.progress(f"{source.name}.{table.name}")
        if self.days is None and not self.arguments.table:
            yield from self._indexes(context)
        yield from self._counts(source)
        yield from self._loads(context, tables, staged)

    def _indexes(self, context: SourceContext) -> Iterator[Difference]:
        """Yield the differences of the indexes of details, which are of all dates."""
        source = context.source.name
        for name, kept in context.indexes.items():
            parent = context.source.table(name).details_of or ""
            lists, details = self.complete[source, parent], self.complete[source, name]
            for difference in lake_verify.verify_index(kept, lists, details):
                yield self._repaired(difference, kept.rebuild)

    def _counts(self, source: Source) -> Iterator[Difference]:
        """Yield the damaged counts of calls."""
        for key, day in lake_verify.damaged_counts(self.lake, source.name, self.days):
            difference = Difference(key, "is damaged", Repair.COUNT)
            yield self._repaired(difference, partial(self._recount, source, day, key))

    def _recount(self, source: Source, day: date, key: str) -> None:
        count = count_kept(self.lake, source)
        Budget(self.lake, source.name, lambda: day, 0, "", count).recount(key)

    def _repaired(self, difference: Difference, mend: Callable[[], None]) -> Difference:
        """Put a difference right, if that is wanted."""
        if not self.arguments.repair:
            return difference
        try:
            mend()
        except (RawError, BrokenTableError, OSError) as error:
            return failed(difference, str(error))
        return repaired(difference)

    def _loads(
        self,
        context: SourceContext,
        tables: list[Table],
        staged: dict[str, dict[date, Staged]],
    ) -> Iterator[Difference]:
        """Yield the differences of the warehouse."""
        source = context.source
        count = sum(map(len, staged.values()))
        if verify_loads.is_missing():
            if count:
                yield verify_loads.of_lost_warehouse(source.name, count)
            return
        loads = verify_loads.read(source, {table: self._wanted(table) for table in tables})
        if not loads.has_any(source.name):
            # Rows that were removed on purpose are not missed.
            if count and not loads.by_date:
                yield verify_loads.of_lost_warehouse(source.name, count)
            return
        for table in tables:
            wanted = self._wanted(table)
            ledger = {
                day: each
                for day, each in loads.of_table(source.name, table.name).items()
                if wanted is None or day in wanted
            }
            found = verify_loads.of_loads(
                f"{source.name}.{table.name}", staged[table.name], ledger, loads.counts[table.name]
            )
            if self.arguments.repair:
                yield from repair.load_again(
                    context, table, dict(found), staged[table.name], loads.by_date
                )
            else:
                yield from (difference for _, difference in found)

    def _logs_dates(self, tables: Collection[str]) -> dict[str, list[date]]:
        if not tables:
            return {}
        from loaders.web_logs import verify as logs_verify  # imports numpy

        return {
            table: [
                day
                for day in logs_verify.dates(self.lake, table)
                if self.days is None or day in self.days
            ]
            for table in tables
        }

    def _logs(self, dates: dict[str, list[date]]) -> Iterator[Difference]:
        """Yield the differences of the usage logs."""
        from loaders.web_logs import pipeline, verify

        yield from verify.of_config(self.lake, dates)
        config = pipeline.config_of_lake(self.lake)
        if config is None:
            return
        for table, days in dates.items():
            is_damaged = False
            for day in days:
                for difference in verify.verify_date(
                    self.lake, config, table, day, repair=self.arguments.repair
                ):
                    is_damaged |= not difference.is_repaired
                    yield difference
                self.display.progress(f"{web_logs.NAME}.{table}")
            if days and not is_damaged:  # DuckDB can't count the rows of damaged files
                yield from self._loads_of_logs(config, table, len(days))

    def _loads_of_logs(self, config: Any, table: str, days: int) -> Iterator[Difference]:
        from loaders.web_logs import verify

        if verify_loads.is_missing():
            yield verify_loads.of_lost_warehouse(web_logs.NAME, days)
            return
        found = verify.of_loads(self.lake, config, table, self.days)
        if self.arguments.repair and found:
            yield from verify.load_again(self.lake, config, table, found)
        else:
            yield from found.values()


def _of_rds(wants_repair: bool, *, is_named: bool) -> Iterator[Difference]:
    """Yield how the tables of the website's database differ from their marts.

    Without an export from this home there is nothing to compare, which is an error only if it was
    asked for.
    """
    from loaders.export import compare  # imports dbt

    if not is_named and not compare.has_export():
        return
    found = []
    for table, compared, reason in compare.compare(settings.dbt_artifacts()):
        if text := str(compared):
            why = f" (the last export left it out, because {reason})" if reason else ""
            found.append(Difference(f"{RDS}.{table}", f"{text}{why}", Repair.EXPORT))
    if wants_repair and found:
        found = list(_exported(found))
    yield from found


def _exported(found: list[Difference]) -> Iterator[Difference]:
    """Export the marts, and yield what became of the differences."""
    from loaders.export.export import export_again

    report = export_again(settings.dbt_artifacts())
    exported = {table.table for table in report.tables}
    for difference in found:
        table = difference.place.removeprefix(f"{RDS}.")
        if table in exported:
            yield repaired(difference)
        else:
            yield failed(difference, report.kept_out.get(table, "it was not exported"))
