"""The settings of one source in a run, read and checked."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from threading import Event
from typing import Any

from loaders import settings
from loaders.files import replace_file
from loaders.lake import raw
from loaders.lake.lake import Lake
from loaders.lake.raw import Folder
from loaders.pipeline import stage
from loaders.pipeline.budget import Budget
from loaders.pipeline.gate import Gate
from loaders.pipeline.kept_index import KeptIndex
from loaders.pipeline.results import PHASES
from loaders.settings import Limits, SettingError
from loaders.sources import SOURCES
from loaders.sources.source import ApiRequest, ExtractRequest, Source, Table

THIS_MACHINE, INTERNET = "this machine", "the internet"
"""Where responses come from: made-up ones from the sample API or a stand-in, real ones from an
API."""
LAKE_ORIGIN = "raw/_answered_by"
"""Object with the origin of all responses in the lake."""
HOME_ORIGIN = "rows_from"
"""File in the home with the origin of all rows in its warehouse."""


@dataclass(frozen=True)
class Api:
    """Where a source is called, and with which key."""

    base_url: str
    key: str


@dataclass(frozen=True)
class RunOptions:
    """The options of a run, which are the same for every source in it."""

    today: date
    """The KST date on which the run began, or `HELLO_KOREA_TODAY`."""
    dates: tuple[date, ...]
    """The logical dates to run, ascending."""
    phases: tuple[str, ...] = PHASES
    table: str | None = None
    """The only table to run, or None for all."""
    refresh: bool = False
    """Whether to extract again what raw already holds."""
    rebuild: bool = False
    """Whether to load every date that the lake has, instead of `dates`."""
    is_daily: bool = False
    """Whether it is a run of today in all its phases, rather than of chosen dates or one phase."""


@dataclass(frozen=True)
class SourceContext:
    """Everything that the phases need to know of one source in a run."""

    source: Source
    lake: Lake
    api: Api
    budget: Budget
    gate: Gate
    options: Mapping[str, Any]
    """The source's own options by name."""
    limits: Limits
    contracts: Mapping[str, str]
    """One of `stage.CONTRACTS` for each table."""
    indexes: Mapping[str, KeptIndex]
    """The index of each details table."""
    run: RunOptions
    earlier: Mapping[str, tuple[date, ...]]
    """The dates before today that tables of a new home on the sample API also get, ascending."""
    stopping: Event
    """Set when the run is to end: no further call is made."""

    def calls_left(self, table: Table) -> int:
        """Return the calls left today for `table`, of the operation with the fewest."""
        return min(self.budget.left(operation) for operation in self.operations(table))

    def dates(self, table: Table) -> tuple[date, ...]:
        """Return the logical dates of `table` in this run, ascending."""
        if table.kept_under is None:
            return (*self.earlier.get(table.name, ()), *self.run.dates)
        return tuple(sorted({table.kept_under(day) for day in self.run.dates}))

    def operations(self, table: Table) -> set[str]:
        """Return the operations that the requests of `table` count towards."""
        request = ExtractRequest(self.run.today, self.options, keys=self._placeholder_keys(table))
        return {self.source.operation(call.path) for call in table.requests(request)}

    def indexes_of_list(self, table: Table) -> list[KeptIndex]:
        """Return the indexes of the details of a list. A table without details has none."""
        return [
            self.indexes[other.name]
            for other in self.source.tables
            if other.details_of == table.name
        ]

    def _placeholder_keys(self, table: Table) -> tuple[str, ...]:
        """Return a key of details for each request of their list.

        The parts of a key that only a response contains are zeros.
        """
        if not table.details_of:
            return ()
        parent = self.source.table(table.details_of)
        names = table.details_key or parent.primary_key
        by_name = {column.name: column.field for column in parent.columns}
        fields = [by_name[name] for name in names]
        version = "@0" if parent.version else ""

        def key(request: ApiRequest) -> str:
            return "/".join(request.row.get(field, "0") for field in fields) + version

        return tuple(map(key, parent.requests(ExtractRequest(self.run.today, self.options))))


def prepare(source: Source, lake: Lake, sample_url: str, run: RunOptions) -> SourceContext:
    """Read and check the settings of a source. Raise SettingError.

    `sample_url` is the address of the sample API, which serves sources without a key.
    """
    context = prepare_offline(source, lake, run)
    earlier = _earlier(source, run) if run.is_daily and needs_sample(source) else {}
    return replace(context, api=_api(source, sample_url), earlier=earlier)


def prepare_offline(source: Source, lake: Lake, run: RunOptions) -> SourceContext:
    """Return a context without an API, for work on the lake and the warehouse alone."""
    name = f"sources.{source.name}"
    options = {
        option_name: settings.read(
            f"{name}.{option_name}", option.convert(option.default), option.convert, option.expected
        )
        for option_name, option in source.options.items()
    }
    allowance = settings.read(
        f"{name}.daily_allowance",
        source.daily_allowance,
        settings.non_negative_integer,
        "expected a number of calls",
    )
    setting = settings.environment_name(f"{name}.daily_allowance")
    parallel = settings.read(
        f"{name}.parallel_calls",
        source.parallel_calls,
        settings.positive_integer,
        "expected a number of calls, at least 1",
    )
    stopping = Event()
    return SourceContext(
        source=source,
        lake=lake,
        api=Api("", ""),
        budget=Budget(
            lake,
            source.name,
            settings.today,
            allowance,
            setting,
            count_kept(lake, source),
        ),
        gate=Gate(parallel, source.calls_per_minute, stopping),
        options=options,
        limits=settings.limits(),
        contracts={table.name: _contract(source, table) for table in source.tables},
        indexes={
            table.name: KeptIndex(lake, source, table)
            for table in source.tables
            if table.details_of
        },
        run=run,
        earlier={},
        stopping=stopping,
    )


def count_kept(lake: Lake, source: Source) -> Callable[[date], Counter[str]]:
    """Return a function that counts the responses in raw of a day, by operation."""
    return partial(_count_kept, lake, source)


def _count_kept(lake: Lake, source: Source, day: date) -> Counter[str]:
    """Return how many responses of a day raw holds, by operation."""
    calls: Counter[str] = Counter()
    for table in source.tables:
        # A run belongs to the day that it began on, and may end on the next.
        dates = [day, day - timedelta(days=1)]
        if table.answers_past:
            dates = raw.days(lake, source.name, table.name)
        paths = raw.pages_of_day(lake, source.name, table.name, dates, day)
        calls.update(map(source.operation, paths))
    return calls


def _earlier(source: Source, run: RunOptions) -> dict[str, tuple[date, ...]]:
    """Return the dates before today that each table of a new home has."""
    return {
        table.name: tuple(
            run.today - timedelta(days=back) for back in range(table.days_before_first, 0, -1)
        )
        for table in source.tables
        if table.days_before_first
    }


def _contract(source: Source, table: Table) -> str:
    return settings.read(
        f"sources.{source.name}.{table.name}.contract",
        stage.CONTRACTS[0],
        settings.one_of(*stage.CONTRACTS),
        f"expected one of {', '.join(stage.CONTRACTS)}",
    )


def needs_sample(source: Source) -> bool:
    """Return whether the sample API serves this source. Raise SettingError."""
    if settings.service_key(source.name):
        return False
    check_base_url(source)
    if settings.dbt_target() != "local":
        setting = settings.environment_name(f"sources.{source.name}.service_key")
        expected = "expected a key: the sample API serves DBT_TARGET=local only"
        raise SettingError(setting, "", expected)
    return True


def check_base_url(source: Source) -> None:
    """Raise SettingError if a source has a base URL but no key."""
    base_url = settings.base_url(source.name, "")
    if base_url and not settings.service_key(source.name):
        setting = settings.environment_name(f"sources.{source.name}.service_key")
        raise SettingError(setting, "", f"expected the key of {base_url}, which is set")


def _api(source: Source, sample_url: str) -> Api:
    if needs_sample(source):
        return Api(f"{sample_url}/{source.name}", "sample")
    return Api(
        settings.base_url(source.name, source.base_url), settings.service_key(source.name) or ""
    )


def origin_of(base_url: str) -> str:
    """Return where the responses of an address come from: `THIS_MACHINE` or `INTERNET`."""
    return THIS_MACHINE if settings.is_this_machine(base_url) else INTERNET


def check_lake_origin(lake: Lake, origin: str) -> None:
    """Raise SettingError if responses of the sample API and of a real API would mix in a lake.

    The lake's origin is recorded in it, and changes only as long as raw is empty.
    """
    if not lake.exists(LAKE_ORIGIN):
        _check_older_records(lake, origin)
        with suppress(FileExistsError):  # another process is writing it
            lake.write_once(LAKE_ORIGIN, origin.encode())
    recorded = lake.read(LAKE_ORIGIN).decode()
    if recorded == origin:
        return
    if filled := next((name for name in SOURCES if lake.folders(f"raw/{name}")), None):
        raise _mixed_lake(lake, filled, recorded, origin)
    lake.write(LAKE_ORIGIN, origin.encode())


def _check_older_records(lake: Lake, origin: str) -> None:
    """Check the records by source, which version 0.1 wrote."""
    for name in SOURCES:
        key = f"raw/{name}/_answered_by"
        recorded = lake.read(key).decode() if lake.exists(key) else origin
        if recorded != origin and lake.folders(f"raw/{name}"):
            raise _mixed_lake(lake, name, recorded, origin)


def _mixed_lake(lake: Lake, source: str, recorded: str, origin: str) -> SettingError:
    return SettingError(
        "LAKE__URL",
        lake.url,
        f"holds {source} responses from {recorded}, and would now get some from {origin}: set"
        " another HELLO_KOREA_HOME, or remove this one",
    )


def check_home_origin(origin: str) -> None:
    """Raise SettingError if made-up and real rows would mix in the warehouse of the home."""
    home = settings.home()
    file = home / HOME_ORIGIN
    if file.exists() and (recorded := file.read_text()) != origin:
        raise SettingError(
            "HELLO_KOREA_HOME",
            str(home),
            f"holds rows from {recorded}, and would now get some from {origin}: set another, or"
            " remove this one",
        )


def record_home_origin(origin: str) -> None:
    """Record where the rows that were loaded come from."""
    file = settings.home() / HOME_ORIGIN
    if not file.exists():
        replace_file(file, origin.encode())


def folder_to_stage(context: SourceContext, table: Table, logical_date: date) -> Folder | None:
    """Return the newest complete extraction of a date, or, for details, the largest one."""
    folders = raw.extractions(context.lake, context.source.name, table.name, logical_date)
    return raw.folder_to_stage(folders, is_details=bool(table.details_of))
