"""What DAGs are made of: the listing that `loaders.cli.listing` prints.

It is kept in the home until the code that it is of changes, so that a DAG file parses without
running the project.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loaders.airflow import project
from loaders.files import replace_file

CODE = ("loaders/sources/*.py", "loaders/web_logs/__init__.py", "dbt_project/models/serving/*.yml")
NAME = "airflow/listing.json"
"""In the home."""

Listing = dict[str, dict[str, Any]]


def read() -> Listing:
    """Return the listing, printed anew if the code has changed. Raise ProjectError."""
    file = project.home({}) / NAME
    state = _state()
    kept = json.loads(file.read_bytes()) if file.is_file() else {}
    if kept.get("state") == state:
        listing: Listing = kept["listing"]
        return listing
    listing = _printed()
    replace_file(file, json.dumps({"state": state, "listing": listing}, indent=1).encode())
    return listing


def _printed() -> Listing:
    lines: list[str] = []
    ended = project.run(["python", "-m", "loaders.cli.listing"], {}, lines.append)
    if ended.code:
        raise project.ProjectError(
            f"the project does not list its sources: {ended.last_line}; run `make setup`"
        )
    return ended.document


def _state() -> list[str]:
    """Return the names of the code's files and the times of their last change."""
    return [f"{file.name} {file.stat().st_mtime_ns}" for file in _files()]


def _files() -> Iterator[Path]:
    for pattern in CODE:
        yield from sorted(project.CHECKOUT.glob(pattern))
