"""The settings of one source in a run, read and checked."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from threading import Event
from typing import Any

from loaders import settings
from loaders.lake import raw
from loaders.lake.lake import Lake
from loaders.pipeline import stage
from loaders.pipeline.budget import Budget
from loaders.pipeline.results import PHASES
from loaders.settings import Limits, SettingError
from loaders.sources.source import ApiRequest, ExtractRequest, Source, Table


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


@dataclass(frozen=True)
class SourceContext:
    """Everything that the phases need to know of one source in a run."""

    source: Source
    lake: Lake
    api: Api
    budget: Budget
    options: Mapping[str, Any]
    """The source's own options by name."""
    limits: Limits
    contracts: Mapping[str, str]
    """One of `stage.CONTRACTS` for each table."""
    run: RunOptions
    stopping: Event = field(default_factory=Event)
    """Set when the run is to end: no further call is made."""

    def calls_left(self, table: Table) -> int:
        """Return the calls left today for `table`, of the operation with the fewest."""
        return min(self.budget.left(operation) for operation in self.operations(table))

    def operations(self, table: Table) -> set[str]:
        """Return the operations that the requests of `table` count towards."""
        request = ExtractRequest(self.run.today, self.options, keys=self._placeholder_keys(table))
        return {self.source.operation(call.path) for call in table.requests(request)}

    def _placeholder_keys(self, table: Table) -> tuple[str, ...]:
        """Return a key of details for each request of their list.

        The parts of a key that only a response contains are zeros.
        """
        if not table.details_of:
            return ()
        parent = self.source.table(table.details_of)
        fields = [column.field for column in parent.columns if column.name in parent.primary_key]
        version = "@0" if parent.version else ""

        def key(request: ApiRequest) -> str:
            return "/".join(request.row.get(field, "0") for field in fields) + version

        return tuple(map(key, parent.requests(ExtractRequest(self.run.today, self.options))))


def prepare(source: Source, lake: Lake, sample_url: str, run: RunOptions) -> SourceContext:
    """Read and check the settings of a source. Raise SettingError.

    `sample_url` is the address of the sample API, which serves sources without a key.
    """
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
    api = _api(source, sample_url)
    check_origin(lake, source, api)
    setting = settings.environment_name(f"{name}.daily_allowance")
    return SourceContext(
        source=source,
        lake=lake,
        api=api,
        budget=Budget(lake, source.name, settings.today, allowance, setting),
        options=options,
        limits=settings.limits(),
        contracts={table.name: _contract(source, table) for table in source.tables},
        run=run,
    )


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
    setting = settings.environment_name(f"sources.{source.name}.service_key")
    if base_url := settings.base_url(source.name, ""):
        raise SettingError(setting, "", f"expected the key of {base_url}, which is set")
    if settings.dbt_target() != "local":
        expected = "expected a key: the sample API serves DBT_TARGET=local only"
        raise SettingError(setting, "", expected)
    return True


def _api(source: Source, sample_url: str) -> Api:
    if needs_sample(source):
        return Api(f"{sample_url}/{source.name}", "sample")
    return Api(
        settings.base_url(source.name, source.base_url), settings.service_key(source.name) or ""
    )


def check_origin(lake: Lake, source: Source, api: Api) -> None:
    """Raise SettingError if responses of the sample API and of a real API would mix in a lake."""
    origin = "this machine" if settings.is_this_machine(api.base_url) else "the internet"
    key = f"raw/{source.name}/_answered_by"
    if not lake.exists(key):
        with suppress(FileExistsError):  # another process is writing it
            lake.write_once(key, origin.encode())
    recorded_origin = lake.read(key).decode()
    if recorded_origin == origin:
        return
    if lake.folders(f"raw/{source.name}"):
        raise SettingError(
            "LAKE__URL",
            lake.url,
            f"holds {source.name} responses from {recorded_origin}, and would now get some"
            f" from {origin}: set another HELLO_KOREA_HOME, or remove this one",
        )
    lake.write(key, origin.encode())


def folder_to_stage(context: SourceContext, table: Table, logical_date: date) -> str | None:
    """Return the newest complete extraction of a date, or, for details, the largest one."""
    name = context.source.name
    folder = raw.newest_complete(context.lake, name, table.name, logical_date)
    if folder is None and table.details_of:
        return raw.largest(context.lake, name, table.name, logical_date)
    return folder
