"""The types in which each module of this package describes its API. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Generic, TypeVar

KEY = "sample"
"""The only valid key. Any other key gets the API's own error for a wrong key."""

Rows = TypeVar("Rows")


class RecordingError(Exception):
    """A folder of recordings lacks a file. The message names the file."""


@dataclass(frozen=True)
class Request:
    path: str
    """Path below the pipeline's name, such as `EngService2/areaBasedList2`."""
    params: Mapping[str, str]
    """Query parameters with a non-empty value."""
    target: str
    """Path and query as received."""
    headers: Mapping[str, str]
    """Headers by lower-case name."""
    received_at: datetime
    """Time of the request, KST."""
    is_quota_spent: bool = False
    calls_in_minute: int = 1
    """Calls of this operation in the current minute, including this one."""


@dataclass(frozen=True)
class ApiResponse:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service(Generic[Rows]):
    """One API. Every function is pure except `recorded`, which reads files."""

    name: str
    """Name of its pipeline, as in `SOURCES__<NAME>__BASE_URL`, and the first part of its paths."""
    operation: Callable[[str], str]
    """Map a path below the name to the operation under which its calls are counted."""
    respond: Callable[[Request, Rows], ApiResponse]
    generated: Callable[[date], Rows]
    """Return all rows that the API has on a date (KST)."""
    recorded: Callable[[Path], Rows]
    """Return all rows from a folder of recordings. Raises RecordingError."""
    errors: Mapping[str, ApiResponse]
    """The API's documented error responses by name, for fault injection."""


def recorded_file(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder of recordings.

    Raises RecordingError when the file does not exist.
    """
    path = folder / name
    if not path.is_file():
        raise RecordingError(f"the recordings in {folder} lack {name}")
    return path
