"""The index of details answers what raw would, whatever order the days come in."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loaders.lake import raw
from loaders.lake.folder import FolderLake
from loaders.lake.lake import Lake
from loaders.pipeline import stage
from loaders.pipeline.index import DamagedError, Index, from_bytes, to_bytes
from loaders.pipeline.kept_index import KeptIndex
from loaders.settings import KST
from loaders.sources.source import Source, Table, boolean, text, text_columns

FIRST = date(2026, 11, 1)
INDEX = "index/shows/show_details/index.json"


def read(body: bytes) -> pa.Table:
    return text_columns(orjson.loads(body))


def source(version: str | None) -> Source:
    """Return a source of a list and its details."""
    list_columns = (text("id", "id"), text("version", "version"), boolean("is_changed", "changed"))
    shows = Table("shows", ("id",), list_columns, lambda _: (), read, version=version)
    details = Table(
        "show_details", ("id",), (text("id", "id"),), lambda _: (), read, details_of="shows"
    )
    return Source(
        name="shows",
        base_url="",
        key_url="",
        extension="json",
        daily_allowance=1,
        tables=(shows, details),
        options={},
        authenticate=lambda *_: None,
        check_response=lambda _: None,
        operation=str,
    )


class Provider:
    """Days of an API that a test decides, extracted to raw as the pipelines do."""

    def __init__(self, lake: Lake, chance: random.Random, version: str | None) -> None:
        self.lake = lake
        self.chance = chance
        self.source = source(version)
        self.clock = datetime(2026, 11, 1, tzinfo=KST)
        self.index = self.open()

    def open(self) -> KeptIndex:
        """Return the index as a new run reads it."""
        self.index = KeptIndex(self.lake, self.source, self.source.table("show_details"))
        return self.index

    def folder(self, table: str, day: date, *, is_refresh: bool) -> raw.Folder:
        folders = raw.extractions(self.lake, "shows", table, day)
        return raw.folder_to_fill(folders, "shows", table, day, is_refresh)

    def keep(self, folder: raw.Folder, name: str, body: bytes, key: str = "") -> raw.Page:
        self.clock += timedelta(seconds=1)
        return raw.keep(self.lake, f"{folder.name}/{name}.json", body, {}, key, {}, self.clock)

    def extract_list(self, day: date, *, is_refresh: bool = False) -> None:
        """Extract a list of random shows, unless it is complete."""
        folder = self.folder("shows", day, is_refresh=is_refresh)
        if folder.is_complete:
            return
        self.index.mark_list(day)
        rows = [
            {
                "id": f"s{number}",
                "version": str(self.chance.randint(1, 2)),
                "changed": self.chance.choice("YNNN"),
            }
            for number in range(12)
            if self.chance.random() < 0.7
        ]
        page = self.keep(folder, "page", orjson.dumps(rows))
        raw.complete(self.lake, folder.name, [page])
        if self.chance.random() < 0.5:  # as a run does that has staged the list
            parent = self.source.table("shows")
            rows_staged = stage.stage(
                parent, stage.staged_pages(parent, self.lake, [page], {}), day
            ).rows
            self.index.remember_list(day, rows_staged, [page])

    def extract_details(self, day: date, *, share: float, is_refresh: bool = False) -> None:
        """Extract what is due, or only a share of it."""
        folder = self.folder("show_details", day, is_refresh=is_refresh)
        if folder.is_complete or not self.index.is_listed(day):
            return
        due = self.index.due(day)
        assert due == due_from_raw(self.lake, self.source, day)
        self.index.mark_details(day)
        pages = []
        is_complete = True
        for key in due:
            file = f"{folder.name}/{key.replace('/', '.')}.json"
            if file in folder.keys:
                page = raw.find_page(self.lake, file)
                assert page
                pages.append(page)
            elif self.chance.random() < share:
                pages.append(self.keep(folder, key, b"[]", key))
            else:
                is_complete = False
        if is_complete:
            raw.complete(self.lake, folder.name, pages)


def due_from_raw(lake: Lake, source: Source, logical_date: date) -> tuple[str, ...]:
    """Return what a date has to request, from all dates of raw and without an index."""
    parent = source.table("shows")

    def to_stage(day: date) -> raw.Folder | None:
        folders = raw.extractions(lake, "shows", "show_details", day)
        return raw.folder_to_stage(folders, is_details=True)

    days = raw.days(lake, "shows", "show_details")
    answered: dict[str, str] = {}
    for day in days:
        folder = to_stage(day)
        for page in raw.pages_of(lake, folder) if folder and day != logical_date else []:
            answered[page.key] = max(page.answered_at, answered.get(page.key, ""))
    staged = {day: to_stage(day) for day in days if day < logical_date}
    complete = [day for day, folder in staged.items() if folder and folder.is_complete]
    listed: set[str] = set()
    changed: set[str] = set()
    for day in raw.days(lake, "shows", "shows"):
        folder = raw.newest_complete(raw.extractions(lake, "shows", "shows", day))
        if day > logical_date or (complete and day <= complete[-1]) or not folder:
            continue
        pages = raw.pages_of(lake, folder)
        rows = stage.stage(parent, stage.staged_pages(parent, lake, pages, {}), day).rows
        values = rows.to_pylist()
        version = parent.version
        keys = [f"{row['id']}@{row['version']}" if version else row["id"] for row in values]
        listed = set(keys)
        listed_at = min(page.answered_at for page in pages)
        changed |= {
            key
            for key, row in zip(keys, values, strict=True)
            if not version and row["is_changed"] and answered.get(key, "") < listed_at
        }
    return tuple(sorted((listed - answered.keys()) | (listed & changed)))


def steps(chance: random.Random) -> Iterator[tuple[date, bool]]:
    """Yield days mostly one after the other, some late or again, and whether to refresh them."""
    newest = 0
    for _ in range(25):
        newest += chance.choice((0, 1, 1, 1, 2))
        day = newest if chance.random() < 0.75 else chance.randint(0, newest)
        yield FIRST + timedelta(days=day), chance.random() < 0.3


@pytest.mark.parametrize("version", [None, "version"])
@pytest.mark.parametrize("seed", range(16))
def test_the_index_says_what_raw_says_after_any_days_refreshes_and_kills(
    tmp_path: Path, seed: int, version: str | None
) -> None:
    chance = random.Random(seed)
    lake = FolderLake(tmp_path)
    provider = Provider(lake, chance, version)
    for day, is_refresh in steps(chance):
        provider.open()
        provider.extract_list(day, is_refresh=is_refresh)
        share = chance.choice((0.3, 0.6, 1))
        provider.extract_details(day, share=share, is_refresh=is_refresh)
        if chance.random() < 0.7:  # otherwise the run is killed before it writes the index
            provider.index.save()
    kept = provider.open()
    rebuilt_lake = FolderLake(tmp_path)
    days = raw.days(lake, "shows", "shows")
    answers = [kept.due(day) for day in days]
    kept.save()
    lake.delete(INDEX)
    rebuilt = KeptIndex(rebuilt_lake, provider.source, provider.source.table("show_details"))
    assert answers == [rebuilt.due(day) for day in days]
    assert answers == [due_from_raw(lake, provider.source, day) for day in days]


def extracted(folder: Path) -> Provider:
    """Return a source with two complete days, and its index."""
    provider = Provider(FolderLake(folder), random.Random(1), None)
    for day in (FIRST, FIRST + timedelta(days=1)):
        provider.extract_list(day)
        provider.extract_details(day, share=1)
    provider.index.save()
    assert provider.index.take_remarks() == []
    return provider


@pytest.mark.parametrize("damage", [b"", b"{}", b"cut", b"\xff\n{}"])
def test_a_damaged_index_is_rebuilt_and_said_in_one_line(tmp_path: Path, damage: bytes) -> None:
    provider = extracted(tmp_path)
    sound = provider.lake.read(INDEX)
    provider.lake.write(INDEX, sound[:-20] if damage == b"cut" else damage)
    index = provider.open()
    due = index.due(FIRST)
    index.save()
    (remark,) = index.take_remarks()
    assert remark == (
        f"the index {INDEX} was damaged (its checksum is wrong): it has been rebuilt from raw"
    )
    assert provider.lake.read(INDEX) == sound
    assert due == due_from_raw(provider.lake, provider.source, FIRST)


def test_a_missing_index_is_rebuilt_and_said_in_one_line(tmp_path: Path) -> None:
    provider = extracted(tmp_path)
    sound = provider.lake.read(INDEX)
    provider.lake.delete(INDEX)
    index = provider.open()
    assert index.is_listed(FIRST)
    index.save()
    assert index.take_remarks() == [f"the index {INDEX} was missing: it has been rebuilt from raw"]
    assert provider.lake.read(INDEX) == sound


def test_an_index_that_a_killed_run_left_behind_catches_up_and_says_so(tmp_path: Path) -> None:
    provider = extracted(tmp_path)
    killed, day = provider.open(), FIRST + timedelta(days=2)
    provider.extract_list(day)
    provider.extract_details(day, share=0.5)
    assert killed is provider.index
    index = provider.open()
    assert index.due(day) == due_from_raw(provider.lake, provider.source, day)
    index.save()
    assert index.take_remarks() == [
        f"the index {INDEX} was behind raw: it has caught up with {day}"
    ]
    assert provider.lake.keys("index") == [INDEX]
    assert provider.open().due(day) == index.due(day)


def test_keys_are_due_in_the_order_that_the_details_want_and_with_their_columns(
    tmp_path: Path,
) -> None:
    provider = Provider(FolderLake(tmp_path), random.Random(1), "version")
    shows, details = provider.source.tables
    details = replace(
        details,
        details_key=("id", "version"),
        wanted=lambda rows: rows.filter(pc.equal(rows["version"], "2")).sort_by(
            [("id", "descending")]
        ),
    )
    provider.source = replace(provider.source, tables=(shows, details))
    provider.open()
    provider.extract_list(FIRST)
    due = provider.index.due(FIRST)
    assert len(due) > 2
    assert list(due) == sorted(due, reverse=True)
    assert all(key.endswith("/2@2") for key in due)


def test_the_index_does_not_grow_with_days_without_news() -> None:
    index = Index()
    index.list_days = {FIRST + timedelta(days=day) for day in range(3650)}
    index.details_days = index.list_days - {FIRST}
    assert len(to_bytes(index)) < 300
    assert from_bytes(to_bytes(index)) == index


def test_an_index_of_another_format_is_not_read() -> None:
    content = to_bytes(Index()).partition(b"\n")[2].replace(b'"format":1', b'"format":2')
    data = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    with pytest.raises(DamagedError, match="it has the format 2: expected 1"):
        from_bytes(data)
