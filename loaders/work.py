"""One source in a run: its settings, what of it is asked for a date, and what is staged."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from threading import Event
from typing import Any

import pyarrow as pa

from loaders import extract, raw, settings, stage
from loaders.budget import Budget
from loaders.extract import Api, Extracted, Progress
from loaders.lake import Lake, at_once
from loaders.settings import Limits, SettingError
from loaders.source import Ask, Source, Table


@dataclass(frozen=True)
class Work:
    """What a run needs to know of one source."""

    source: Source
    lake: Lake
    api: Api
    budget: Budget
    options: Mapping[str, Any]
    today: date
    limits: Limits
    contracts: Mapping[str, str]
    """Of each table, what is done with answers that are not as its columns say."""
    refresh: bool = False
    stopping: Event = field(default_factory=Event)
    """Set when the run is to end: no further call is made."""

    def operations(self, table: Table) -> set[str]:
        """The operations that a table's calls count for."""
        ask = Ask(self.today, self.options, keys=self._keys_like(table))
        return {self.source.operation(call.path) for call in table.calls(ask)}

    def _keys_like(self, table: Table) -> tuple[str, ...]:
        """Of details: a key for each call of their list, zeros where only its answer tells more."""
        if not table.details_of:
            return ()
        parent = self.source.table(table.details_of)
        fields = [it.field for it in parent.columns if it.name in parent.primary_key]
        calls = parent.calls(Ask(self.today, self.options))
        version = "@0" if parent.version else ""
        return tuple(
            "/".join(call.row.get(field, "0") for field in fields) + version for call in calls
        )

    def left(self, table: Table) -> int:
        """Calls that today's allowance still holds, of the operation with the fewest."""
        return min(self.budget.left(operation) for operation in self.operations(table))

    def ask(self, table: Table, on: date) -> Ask:
        """What `table` is asked for the logical date `on`."""
        if table.details_of:
            parent = self.source.table(table.details_of)
            return Ask(on, self.options, keys=new_or_changed(self, table, parent, on))
        return Ask(on, self.options, changed_since=changes_since(self, table, on))


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
    budget = Budget(lake, source.name, settings.today, allowance, setting)
    contracts = {
        table.name: settings.read(
            f"{name}.{table.name}.contract",
            stage.CONTRACTS[0],
            settings.one_of(*stage.CONTRACTS),
            f"wants one of {', '.join(stage.CONTRACTS)}",
        )
        for table in source.tables
    }
    limits = settings.limits()
    return Work(source, lake, api, budget, options, today, limits, contracts, refresh)


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
        return Api(f"{sample_url}/{source.name}", "sample")
    return Api(
        settings.base_url(source.name, source.base_url), settings.service_key(source.name) or ""
    )


def check_origin(lake: Lake, source: Source, api: Api) -> None:
    """Answers of the sample API and of a real one never mix in a lake. Raises SettingError."""
    origin = "this machine" if settings.is_this_machine(api.base_url) else "the internet"
    key = f"raw/{source.name}/_answered_by"
    if not lake.exists(key):
        with suppress(FileExistsError):  # another process says it at this moment
            lake.write_once(key, origin.encode())
    said = lake.read(key).decode()
    if said != origin and lake.folders(f"raw/{source.name}"):
        raise SettingError(
            "LAKE__URL",
            lake.url,
            f"holds {source.name} answers from {said}, and would now get some"
            f" from {origin}: set another HELLO_KOREA_HOME, or remove this one",
        )
    if said != origin:
        lake.write(key, origin.encode())


def changes_since(work: Work, table: Table, on: date) -> date | None:
    """The last date before `on` for which a list was asked that tells changes only when asked."""
    has_details = any(it.details_of == table.name for it in work.source.tables)
    if not has_details or table.version:
        return None
    return last_complete(work, table, on)


def last_complete(work: Work, table: Table, before: date) -> date | None:
    """The last date before another that has a complete extraction."""
    name = work.source.name
    days = (day for day in raw.days(work.lake, name, table.name) if day < before)
    latest = sorted(days, reverse=True)
    return next((it for it in latest if raw.newest_complete(work.lake, name, table.name, it)), None)


def listing(work: Work, table: Table, on: date) -> list[raw.Page]:
    """The pages of a list's newest complete extraction; none where there is none."""
    folder = raw.newest_complete(work.lake, work.source.name, table.name, on)
    return raw.pages_of(work.lake, folder) if folder else []


def new_or_changed(work: Work, table: Table, parent: Table, on: date) -> tuple[str, ...]:
    """The keys listed on a date that have no details yet, or older ones than their last change.

    A change is told once, by the list of the day after it. So the lists are read back to the last
    day whose details are complete: what could not be asked then is asked now.
    """
    answered = details_answered_at(work, table, on)
    complete = last_complete(work, table, on)
    listed: set[str] = set()
    changed: set[str] = set()
    for day in raw.days(work.lake, work.source.name, parent.name):
        if day > on or (complete and day <= complete):
            continue
        pages = listing(work, parent, day)
        rows = stage.stage(parent, stage.as_answered(work.lake, pages), day).rows
        keys = _keys(parent, rows)
        listed = set(keys)
        if parent.version:
            continue  # a changed row has another key
        listed_at = min((page.answered_at for page in pages), default="")
        flagged = zip(keys, rows["is_changed"].to_pylist(), strict=True)
        changed |= {
            key for key, is_changed in flagged if is_changed and answered.get(key, "") < listed_at
        }
    return tuple(sorted((listed - answered.keys()) | (listed & changed)))


def _keys(parent: Table, rows: pa.Table) -> list[str]:
    """What details are asked by, for each row of a list, in the form that `Ask.keys` tells."""
    values = rows.select(list(parent.primary_key)).to_pylist()
    keys = ["/".join(value.values()) for value in values]
    if parent.version is None:
        return keys
    versions = rows[parent.version].cast(pa.string()).to_pylist()
    return [f"{key}@{version or ''}" for key, version in zip(keys, versions, strict=True)]


def details_answered_at(work: Work, table: Table, but: date) -> dict[str, str]:
    """When each key's newest details were answered, all dates but one considered."""

    def pages(day: date) -> list[raw.Page]:
        folder = folder_to_stage(work, table, day)
        return raw.pages_of(work.lake, folder) if folder else []

    days = [day for day in raw.days(work.lake, work.source.name, table.name) if day != but]
    answered: dict[str, str] = {}
    for page in chain.from_iterable(at_once(pages, days)):
        answered[page.key] = max(page.answered_at, answered.get(page.key, ""))
    return answered


def folder_to_stage(work: Work, table: Table, on: date) -> str | None:
    """The newest complete extraction of a date; of details, else the one that has most."""
    name = work.source.name
    folder = raw.newest_complete(work.lake, name, table.name, on)
    if folder is None and table.details_of:
        begun = raw.extractions(work.lake, name, table.name, on)
        folder = max(begun, key=lambda it: raw.count_pages(work.lake, it), default=None)
    return folder


def extract_date(
    work: Work, table: Table, on: date, report: Callable[[Progress], None]
) -> Extracted:
    """Asks for what raw lacks of a table's date, as far as the API can still answer for it."""
    name = work.source.name
    folder = raw.folder_to_fill(work.lake, name, table.name, on, work.refresh)
    if raw.is_complete(work.lake, folder):
        return Extracted(calls=0, pages=len(raw.pages_of(work.lake, folder)))
    if on < work.today and not table.answers_past:
        kept = raw.count_pages(work.lake, folder_to_stage(work, table, on) or folder)
        held = f"{kept} pages are kept" if kept else "nothing is kept"
        return Extracted(0, 0, note=f"the API does not answer for a past date; {held}")
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
        work.stopping,
        work.limits,
    )


def stage_date(work: Work, table: Table, on: date) -> tuple[str, stage.Staged] | None:
    folder = folder_to_stage(work, table, on)
    if folder is None:
        return None
    contract = work.contracts[table.name]
    return stage.stage_extraction(work.lake, work.source.name, table, on, folder, contract)
