"""Raw: what the APIs returned, byte for byte.

A table's date is extracted into `raw/<source>/<table>/dt=<day>/extraction=<n>/`. Each page is a
body and, next to it, `<body>.meta.json` with the request (without its key), status, time and
checksum. `_complete.json` lists the pages in order; an extraction without it was interrupted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from loaders.lake.lake import Lake, map_parallel

COMPLETE = "_complete.json"
META = ".meta.json"


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


def extractions(lake: Lake, source: str, table: str, day: date) -> list[str]:
    """Return the folders of a table's date, oldest first."""
    folder = f"raw/{source}/{table}/dt={day}"
    return [f"{folder}/{name}" for name in lake.folders(folder)]


def newest_complete(lake: Lake, source: str, table: str, day: date) -> str | None:
    """Return the folder of the newest complete extraction of a date, if there is one."""
    folders = extractions(lake, source, table, day)
    return next((folder for folder in reversed(folders) if is_complete(lake, folder)), None)


def largest(lake: Lake, source: str, table: str, day: date) -> str | None:
    """Return the folder of the extraction of a date with the most pages, if there is one."""
    folders = extractions(lake, source, table, day)
    return max(folders, key=lambda folder: count_pages(lake, folder), default=None)


def folder_to_fill(lake: Lake, source: str, table: str, day: date, refresh: bool) -> str:
    """Return the extraction to continue: the newest complete one, else the newest, else a new one.

    With `refresh`, return a new one, or the newest if it is an interrupted refresh.
    """
    folders = extractions(lake, source, table, day)
    new = f"raw/{source}/{table}/dt={day}/extraction={len(folders) + 1:03}"
    if refresh:
        is_interrupted = len(folders) > 1 and not is_complete(lake, folders[-1])
        return folders[-1] if is_interrupted else new
    return newest_complete(lake, source, table, day) or (folders[-1] if folders else new)


def days(lake: Lake, source: str, table: str) -> list[date]:
    """Return the dates of a table that raw holds pages of, ascending."""
    folders = lake.folders(f"raw/{source}/{table}")
    return [date.fromisoformat(name.removeprefix("dt=")) for name in folders]


def is_complete(lake: Lake, folder: str) -> bool:
    return lake.exists(f"{folder}/{COMPLETE}")


def complete(lake: Lake, folder: str, pages: list[Page]) -> None:
    """Mark the extraction as complete and record the order of its pages."""
    lake.write_once(f"{folder}/{COMPLETE}", orjson.dumps(pages))


def pages_of(lake: Lake, folder: str) -> list[Page]:
    """Return the pages of an extraction in request order, or by name if it was interrupted."""
    try:
        return [Page(**page) for page in orjson.loads(lake.read(f"{folder}/{COMPLETE}"))]
    except FileNotFoundError:
        keys = _meta_keys(lake, folder)
    metas = zip(keys, map_parallel(lake.read, keys), strict=True)
    return [_page(key.removesuffix(META), orjson.loads(meta)) for key, meta in metas]


def count_pages(lake: Lake, folder: str) -> int:
    return len(_meta_keys(lake, folder))


def find_page(lake: Lake, file: str) -> Page | None:
    """Return the page, or None if its metadata is missing."""
    try:
        return _page(file, orjson.loads(lake.read(file + META)))
    except FileNotFoundError:
        return None


def describe(
    lake: Lake,
    file: str,
    body: bytes,
    row: Mapping[str, Any],
    key: str,
    request: dict[str, str | None],
    answered_at: datetime,
) -> Page:
    """Write the metadata next to a body. The status is 200, since no other response is kept."""
    meta = {
        "request": request,
        "status": 200,
        "answered_at": answered_at.isoformat(timespec="milliseconds"),
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "row": dict(row),
        "key": key,
    }
    lake.write_once(file + META, orjson.dumps(meta))
    return _page(file, meta)


def read_page(lake: Lake, page: Page) -> bytes:
    """Return the body of a page. Raise RawError if it does not match its checksum."""
    body = lake.read(page.file)
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise RawError(f"{page.file} in the lake has changed since it was written (checksum)")
    return body


def _meta_keys(lake: Lake, folder: str) -> list[str]:
    return [key for key in lake.keys(folder) if key.endswith(META)]


def _page(file: str, meta: dict[str, Any]) -> Page:
    return Page(file, meta["sha256"], meta["row"], meta["key"], meta["answered_at"])
