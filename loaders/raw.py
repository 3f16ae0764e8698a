"""Raw: what the APIs answered, byte for byte.

Under `raw/<source>/<table>/dt=<day>/extraction=<n>/`: one asking of a table's date. Each page is a
body and, beside it, `<body>.meta.json` with the request (without its key), status, time and
checksum. `_complete.json` names the pages in order; an extraction without it was interrupted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from loaders.lake import Lake, at_once

COMPLETE = "_complete.json"
META = ".meta.json"


class RawError(Exception):
    """A raw file that is not what was written."""


@dataclass(frozen=True)
class Page:
    """One kept answer."""

    file: str
    sha256: str
    row: dict[str, Any]
    """Values that hold for every row of it and do not stand in it."""
    key: str
    """Of a detail: the key it was asked by."""
    answered_at: str
    """ISO, in KST."""


def extractions(lake: Lake, source: str, table: str, day: date) -> list[str]:
    """The folders of a table's date, the newest last."""
    folder = f"raw/{source}/{table}/dt={day}"
    return [f"{folder}/{name}" for name in lake.folders(folder)]


def newest_complete(lake: Lake, source: str, table: str, day: date) -> str | None:
    folders = extractions(lake, source, table, day)
    return next((folder for folder in reversed(folders) if is_complete(lake, folder)), None)


def folder_to_fill(lake: Lake, source: str, table: str, day: date, refresh: bool) -> str:
    """The extraction to go on with: the newest complete one, else the newest begun, else a new one.

    With `refresh`, a new one; or the newest, when it is a refresh that was interrupted.
    """
    folders = extractions(lake, source, table, day)
    fresh = f"raw/{source}/{table}/dt={day}/extraction={len(folders) + 1:03}"
    if refresh:
        interrupted = len(folders) > 1 and not is_complete(lake, folders[-1])
        return folders[-1] if interrupted else fresh
    return newest_complete(lake, source, table, day) or (folders[-1] if folders else fresh)


def days(lake: Lake, source: str, table: str) -> list[date]:
    """The dates of a table that anything is kept of, ascending."""
    folders = lake.folders(f"raw/{source}/{table}")
    return [date.fromisoformat(name.removeprefix("dt=")) for name in folders]


def is_complete(lake: Lake, folder: str) -> bool:
    return lake.exists(f"{folder}/{COMPLETE}")


def complete(lake: Lake, folder: str, pages: list[Page]) -> None:
    """Says that all pages of the extraction are kept."""
    lake.write_once(f"{folder}/{COMPLETE}", orjson.dumps(pages))


def pages_of(lake: Lake, folder: str) -> list[Page]:
    """The pages of an extraction in the order asked; of an interrupted one, in order of name."""
    try:
        return [Page(**page) for page in orjson.loads(lake.read(f"{folder}/{COMPLETE}"))]
    except FileNotFoundError:
        metas = _metas(lake, folder)
    kept = zip(metas, at_once(lake.read, metas), strict=True)
    return [_page(key.removesuffix(META), orjson.loads(meta)) for key, meta in kept]


def count_pages(lake: Lake, folder: str) -> int:
    """The pages that are kept of an extraction."""
    return len(_metas(lake, folder))


def find_page(lake: Lake, file: str) -> Page | None:
    """The page that is kept and described, or None."""
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
    """Writes beside a kept body what is known of it. Only answers under HTTP 200 are kept."""
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
    """The answer's bytes. Raises RawError when they are not those that were written."""
    body = lake.read(page.file)
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise RawError(f"{page.file} in the lake has changed since it was written (checksum)")
    return body


def _metas(lake: Lake, folder: str) -> list[str]:
    return [key for key in lake.keys(folder) if key.endswith(META)]


def _page(file: str, meta: dict[str, Any]) -> Page:
    return Page(file, meta["sha256"], meta["row"], meta["key"], meta["answered_at"])
