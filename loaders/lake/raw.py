"""Raw: what the APIs returned, byte for byte.

A table's date is extracted into `raw/<source>/<table>/dt=<day>/extraction=<n>/`. Each page is a
body and its description: the request (without its key), status, time and checksum. S3 keeps the
description with the body, as its metadata; a folder next to it, in `<body>.meta.json`.
`_complete.json` lists the pages in order; an extraction without it was interrupted.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from loaders.lake.folder import DESCRIPTION
from loaders.lake.lake import Lake, map_parallel

COMPLETE = "_complete.json"
META = DESCRIPTION


class RawError(Exception):
    """Raised when a raw file differs from what was written."""


@dataclass(frozen=True)
class Page:
    """One response kept in raw."""

    file: str
    sha256: str
    row: dict[str, Any]
    """Values that apply to every row of the page but are not part of its body."""
    key: str
    """For details, the key that was requested."""
    answered_at: str
    """Time of the response in KST, ISO 8601."""

    @property
    def path(self) -> str:
        """Path of the request, with a slash for each dot."""
        name = self.file.rpartition("/")[2]
        return re.sub(r"\.[0-9a-f]{12}(\.\d+)?\.\w+$", "", name).replace(".", "/")


@dataclass(frozen=True)
class Folder:
    """One extraction of a table's date, as it was listed."""

    name: str
    """Its key in the lake."""
    keys: frozenset[str]
    """The keys of its files."""

    @property
    def is_complete(self) -> bool:
        return f"{self.name}/{COMPLETE}" in self.keys

    @property
    def bodies(self) -> list[str]:
        """The keys of its bodies, sorted."""
        return sorted(
            key for key in self.keys if not key.endswith(META) and key != f"{self.name}/{COMPLETE}"
        )


def extractions(lake: Lake, source: str, table: str, day: date) -> list[Folder]:
    """Return the extractions of a table's date, oldest first, from one listing."""
    date_folder = f"raw/{source}/{table}/dt={day}"
    keys: dict[str, set[str]] = {}
    for key in lake.keys(date_folder):
        keys.setdefault(key.rpartition("/")[0], set()).add(key)
    return [Folder(name, frozenset(keys[name])) for name in sorted(keys)]


def pages_of_day(
    lake: Lake, source: str, table: str, dates: Iterable[date], day: date
) -> list[str]:
    """Return the path of each request of some dates that was answered on a KST day."""
    folders = [folder for on in dates for folder in extractions(lake, source, table, on)]
    return [
        page.path
        for folder in folders
        for page in pages_of(lake, folder)
        if page.answered_at.startswith(str(day))
    ]


def newest_complete(folders: list[Folder]) -> Folder | None:
    """Return the newest complete extraction of a date, if there is one."""
    return next((folder for folder in reversed(folders) if folder.is_complete), None)


def largest(folders: list[Folder]) -> Folder | None:
    """Return the extraction of a date with the most pages, if there is one."""
    return max(folders, key=lambda folder: len(folder.bodies), default=None)


def folder_to_stage(folders: list[Folder], *, is_details: bool) -> Folder | None:
    """Return the newest complete extraction of a date, or, for details, the largest one."""
    return newest_complete(folders) or (largest(folders) if is_details else None)


def folder_to_fill(
    folders: list[Folder], source: str, table: str, day: date, refresh: bool
) -> Folder:
    """Return the extraction to continue: the newest complete one, else the newest, else a new one.

    `folders` are those of the date. With `refresh`, return a new one, or the newest if it is an
    interrupted refresh.
    """
    name = f"raw/{source}/{table}/dt={day}/extraction={len(folders) + 1:03}"
    new = Folder(name, frozenset())
    if refresh:
        is_interrupted = len(folders) > 1 and not folders[-1].is_complete
        return folders[-1] if is_interrupted else new
    return newest_complete(folders) or (folders[-1] if folders else new)


def days(lake: Lake, source: str, table: str) -> list[date]:
    """Return the dates of a table that raw holds pages of, ascending. It lists every date."""
    folders = lake.folders(f"raw/{source}/{table}")
    return [date.fromisoformat(name.removeprefix("dt=")) for name in folders]


def complete(lake: Lake, folder: str, pages: Sequence[Page]) -> None:
    """Mark the extraction as complete and record the order of its pages."""
    _write_once(lake, f"{folder}/{COMPLETE}", orjson.dumps(list(pages)))


def _write_once(lake: Lake, key: str, data: bytes, description: bytes = b"") -> None:
    try:
        lake.write_once(key, data, description)
    except FileExistsError:
        raise RawError(
            f"{key} was written meanwhile, by a run in another home: a pipeline of a lake runs in"
            " one home at a time"
        ) from None


def pages_of(lake: Lake, folder: Folder, known: Sequence[Page] = ()) -> list[Page]:
    """Return the pages of an extraction in request order, or by name if it was interrupted.

    The descriptions of `known` pages are not read again. They are all pages of a complete one.
    """
    if folder.is_complete and known:
        return list(known)
    if folder.is_complete:
        return read_mark(lake, folder.name)
    found = {page.file: page for page in known}
    missing = [body for body in folder.bodies if body not in found]
    described = map_parallel(lambda file: find_page(lake, file), missing) if missing else []
    found |= {page.file: page for page in described if page}
    return [found[file] for file in sorted(found)]


def read_mark(lake: Lake, folder: str) -> list[Page]:
    """Return the pages of a complete extraction in request order. Raise RawError."""
    file = f"{folder}/{COMPLETE}"
    try:
        return [Page(**page) for page in orjson.loads(lake.read(file))]
    except (ValueError, TypeError):
        raise _lost(file, "damaged in the lake") from None


def _lost(file: str, state: str) -> RawError:
    """Return the error for a raw file that is gone or unreadable, with the remedy."""
    _, source, table, folder, *_ = file.split("/")
    day = folder.removeprefix("dt=")
    return RawError(
        f"{file} of {day} is {state}: restore it from a backup, or ask again with "
        f"`dlt pipeline {source} run --table {table} --date {day} --refresh`"
    )


def find_page(lake: Lake, file: str) -> Page | None:
    """Return the page, or None if its description is missing or damaged."""
    try:
        return _page(file, orjson.loads(lake.description(file)))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def keep(
    lake: Lake,
    file: str,
    body: bytes,
    row: Mapping[str, Any],
    key: str,
    request: dict[str, str | None],
    answered_at: datetime,
) -> Page:
    """Write a body and its description. The status is 200, since no other response is kept."""
    meta = {
        "request": request,
        "status": 200,
        "answered_at": answered_at.isoformat(timespec="milliseconds"),
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "row": dict(row),
        "key": key,
    }
    _write_once(lake, file, body, orjson.dumps(meta))
    return _page(file, meta)


def read_page(lake: Lake, page: Page) -> bytes:
    """Return the body of a page. Raise RawError if it is lost or does not match its checksum."""
    try:
        body = lake.read(page.file)
    except FileNotFoundError:
        raise _lost(page.file, "missing from the lake") from None
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise RawError(f"{page.file} in the lake has changed since it was written (checksum)")
    return body


def _page(file: str, meta: dict[str, Any]) -> Page:
    return Page(file, meta["sha256"], meta["row"], meta["key"], meta["answered_at"])
