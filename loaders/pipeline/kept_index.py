"""The index of a details table as it is kept in the lake, and how it follows raw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from loaders.lake import raw
from loaders.lake.lake import Lake, map_parallel
from loaders.lake.raw import Folder, Page
from loaders.pipeline import index, stage
from loaders.pipeline.index import DamagedError, Index, NeedsRebuildError
from loaders.sources.source import Source, Table


@dataclass(frozen=True)
class Listing:
    """What a complete list says of its details."""

    keys: tuple[str, ...]
    """Those that are wanted, in the form of `ExtractRequest.keys` and in their order."""
    changed: frozenset[str]
    """The keys that the API reports as changed. A list with versions has none."""
    listed_at: str
    """Time of the first page in KST, ISO 8601."""


class KeptIndex:
    """The index of one details table in the lake, under `index/<source>/<table>/`.

    Before a run changes what raw holds of a date, of the list or of the details, it marks the date
    there. So an index that a killed run left behind raw is found, and catches up with these dates.
    One thread at a time uses it.
    """

    def __init__(self, lake: Lake, source: Source, table: Table) -> None:
        assert table.details_of
        self._lake = lake
        self._source = source.name
        self._table = table
        self._parent = source.table(table.details_of)
        self._folder = f"index/{source.name}/{table.name}"
        self._file = f"{self._folder}/index.json"
        self._index: Index | None = None
        self._marked: set[date] = set()
        """Dates with a mark in the lake."""
        self._lists_behind: set[date] = set()
        """Dates whose list is to be read from raw again."""
        self._details_behind: set[date] = set()
        """Dates whose details are to be read from raw again."""
        self._is_rebuilt = False
        self._listings: dict[date, Listing] = {}
        """Lists that this run has staged."""
        self._details: dict[date, tuple[Folder, Sequence[Page]]] = {}
        """Details that this run has extracted."""
        self._remarks: list[str] = []

    def mark_list(self, day: date) -> None:
        """Mark a date whose list in raw is about to change."""
        self._mark(day)
        self._lists_behind.add(day)
        self._listings.pop(day, None)

    def mark_details(self, day: date) -> None:
        """Mark a date whose details in raw are about to change."""
        self._mark(day)
        self._details_behind.add(day)
        self._details.pop(day, None)

    def remember_list(self, day: date, rows: pa.Table, pages: Sequence[Page]) -> None:
        """Take over the staged rows of a list, so that they are not read from raw again."""
        self._listings[day] = listing(self._table, self._parent, rows, pages)

    def remember_details(self, day: date, folder: Folder, pages: Sequence[Page]) -> None:
        """Take over the pages of the details to stage, so that they are not read from raw again."""
        self._details[day] = folder, pages

    def is_listed(self, day: date) -> bool:
        """Return whether a date has a complete list."""
        return day in self._current().list_days

    def last_list(self, before: date) -> date | None:
        """Return the last date before another that has a complete list."""
        return index.last_before(self._current().list_days, before)

    def due(self, day: date) -> tuple[str, ...]:
        """Return the keys whose details a date has to request."""
        current = self._current()
        changes = current.changes
        if day < current.newest_list:
            changes = self._changes(index.days_to_read(current, day))
        return index.due(current, self._listing(day).keys, changes, day)

    def save(self) -> None:
        """Write the index if raw has changed since it was written, and remove the marks."""
        if self._index is None or not (self._marked or self._is_rebuilt):
            return
        self._lake.write(self._file, index.to_bytes(self._current()))
        for day in sorted(self._marked):
            self._lake.delete(self._mark_key(day))
        self._marked.clear()
        self._is_rebuilt = False

    def rebuild(self) -> None:
        """Write the index that raw makes up, whatever is kept of it."""
        self._opened()
        self._index = self._rebuilt()
        self._lists_behind.clear()
        self._details_behind.clear()
        self.save()

    def take_remarks(self) -> list[str]:
        """Return what became of the index, once."""
        remarks, self._remarks = self._remarks, []
        return remarks

    @property
    def file(self) -> str:
        """The key of the index in the lake."""
        return self._file

    def kept(self) -> tuple[Index | None, set[date]]:
        """Return the index as it is kept, or None if it is missing, and the dates with a mark.

        Raise DamagedError.
        """
        keys = self._lake.keys(self._folder)
        marked = {_marked_day(key) for key in keys if key != self._file}
        if self._file not in keys:
            return None, marked
        return index.from_bytes(self._lake.read(self._file)), marked

    def _current(self) -> Index:
        """Return the index, up to date with raw."""
        current = self._opened()
        if self._lists_behind or self._details_behind:
            try:
                self._catch_up(current)
            except NeedsRebuildError:
                self._index = current = self._rebuilt()
                self._remark("has been rebuilt from raw, since a refresh left keys out")
            self._lists_behind.clear()
            self._details_behind.clear()
        return current

    def _opened(self) -> Index:
        """Return the index as it was kept, or rebuilt if it is missing or damaged."""
        if self._index is None:
            keys = self._lake.keys(self._folder)
            self._marked = {_marked_day(key) for key in keys if key != self._file}
            self._index = self._read() if self._file in keys else self._rebuilt_if_missing()
            if self._marked and not self._is_rebuilt:
                self._lists_behind |= self._marked
                self._details_behind |= self._marked
                days = ", ".join(map(str, sorted(self._marked)))
                self._remark(f"was behind raw: it has caught up with {days}")
        return self._index

    def _mark(self, day: date) -> None:
        self._opened()
        if day not in self._marked:
            self._lake.write(self._mark_key(day), b"")
            self._marked.add(day)

    def _read(self) -> Index:
        try:
            return index.from_bytes(self._lake.read(self._file))
        except DamagedError as error:
            self._remark(f"was damaged ({error}): it has been rebuilt from raw")
            return self._rebuilt()

    def _rebuilt_if_missing(self) -> Index:
        rebuilt = self._rebuilt()
        if rebuilt.list_days or rebuilt.answers:
            self._remark("was missing: it has been rebuilt from raw")
        return rebuilt

    def _remark(self, text: str) -> None:
        self._remarks.append(f"the index {self._file} {text}")

    def _rebuilt(self) -> Index:
        """Return the index that all dates of raw make up."""
        self._is_rebuilt = True
        rebuilt = Index()
        list_days = raw.days(self._lake, self._source, self._parent.name)
        folders = map_parallel(self._list_folder, list_days)
        rebuilt.list_days = {day for day, found in zip(list_days, folders, strict=True) if found}
        days = raw.days(self._lake, self._source, self._table.name)
        details = map_parallel(self._details_of, days)
        for day, (times, is_complete) in zip(days, details, strict=True):
            index.set_details(rebuilt, day, times, is_complete)
        rebuilt.changes = self._changes(index.days_to_read(rebuilt, rebuilt.newest_list))
        index.forget(rebuilt)
        return rebuilt

    def _catch_up(self, current: Index) -> None:
        """Bring the index up to date with raw. Raise NeedsRebuildError."""
        for day in sorted(self._details_behind):
            index.set_details(current, day, *self._details_of(day))
        is_stale = False
        for day in sorted(self._lists_behind):
            if day in self._listings or self._list_folder(day):
                try:
                    index.set_list(current, day, self._changes([day])[str(day)])
                except NeedsRebuildError:
                    is_stale = True
        if is_stale:
            days = index.days_to_read(current, current.newest_list)
            current.changes = self._changes(days)
        index.forget(current)

    def _changes(self, days: Sequence[date]) -> dict[str, dict[str, str]]:
        """Return what the lists of some dates report as changed, and when."""
        if self._parent.version:  # a changed row has a new key
            return {str(day): {} for day in days}
        listings = ((day, self._listing(day)) for day in days)
        return {str(day): dict.fromkeys(one.changed, one.listed_at) for day, one in listings}

    def _listing(self, day: date) -> Listing:
        """Return what the newest complete list of a date says."""
        if day not in self._listings:
            folder = self._list_folder(day)
            pages = raw.pages_of(self._lake, folder) if folder else []
            staged_pages = stage.staged_pages(self._parent, self._lake, pages, {})
            rows = stage.stage(self._parent, staged_pages, day).rows
            self._listings[day] = listing(self._table, self._parent, rows, pages)
        return self._listings[day]

    def _list_folder(self, day: date) -> Folder | None:
        folders = raw.extractions(self._lake, self._source, self._parent.name, day)
        return raw.newest_complete(folders)

    def _details_of(self, day: date) -> tuple[dict[str, str], bool]:
        """Return the time of each key's details of a date, and whether these are complete."""
        if day in self._details:
            folder, pages = self._details[day]
        else:
            folders = raw.extractions(self._lake, self._source, self._table.name, day)
            found = raw.folder_to_stage(folders, is_details=True)
            if not found:
                return {}, False
            folder, pages = found, raw.pages_of(self._lake, found)
        times: dict[str, str] = {}
        for page in pages:
            times[page.key] = max(page.answered_at, times.get(page.key, ""))
        return times, folder.is_complete

    def _mark_key(self, day: date) -> str:
        return f"{self._folder}/behind/dt={day}"


def _marked_day(key: str) -> date:
    return date.fromisoformat(key.rpartition("/dt=")[2])


def listing(details: Table, parent: Table, rows: pa.Table, pages: Sequence[Page]) -> Listing:
    """Return what the staged rows of a list say of its details."""
    if details.wanted:
        rows = details.wanted(rows)
    keys = _keys(details, parent, rows)
    changed: set[str] = set()
    if not parent.version:
        flags = zip(keys, rows["is_changed"].to_pylist(), strict=True)
        changed = {key for key, is_changed in flags if is_changed}
    listed_at = min((page.answered_at for page in pages), default="")
    return Listing(tuple(keys if details.wanted else sorted(keys)), frozenset(changed), listed_at)


def _keys(details: Table, parent: Table, rows: pa.Table) -> list[str]:
    """Return the key of details for each row of a list, in the form of `ExtractRequest.keys`."""
    values = rows.select(list(details.details_key or parent.primary_key)).to_pylist()
    keys = ["/".join(part or "" for part in value.values()) for value in values]
    if parent.version is None:
        return keys
    versions = rows[parent.version].cast(pa.string()).to_pylist()
    return [f"{key}@{version or ''}" for key, version in zip(keys, versions, strict=True)]
