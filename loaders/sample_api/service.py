"""The words in which a module here describes the API that it stands in for. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Generic, TypeVar

KEY = "sample"
"""The one key that is accepted; any other gets the API's own answer to a wrong key."""

Rows = TypeVar("Rows")


class RecordingError(Exception):
    """A folder of recordings that lacks something. The message names the missing file."""


@dataclass(frozen=True)
class Request:
    path: str
    """Below the pipeline's name, such as `EngService2/areaBasedList2`."""
    params: Mapping[str, str]
    """Query parameters that have a value."""
    target: str
    """Path and query as they came."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    at: datetime
    """The moment of the call, KST."""
    is_quota_spent: bool = False
    calls_in_minute: int = 1
    """Calls of this operation in the current minute, this one included."""


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service(Generic[Rows]):
    """One API. Every function is pure but `recorded`, which reads files."""

    name: str
    """The pipeline that reads it, as in `SOURCES__<NAME>__BASE_URL`, and its path's first part."""
    operation: Callable[[str], str]
    """From a path below that, the operation that calls are counted by."""
    answer: Callable[[Request, Rows], Answer]
    generated: Callable[[date], Rows]
    """All rows as the API would hold them on that KST date."""
    recorded: Callable[[Path], Rows]
    """All rows from a folder of recordings. Raises RecordingError."""
    errors: Mapping[str, Answer]
    """Its documented error answers by name, for faults on demand."""


def recording(folder: Path, name: str) -> Path:
    """The file `name` of a folder of recordings. Raises RecordingError when it is not there."""
    path = folder / name
    if not path.is_file():
        raise RecordingError(f"the recordings in {folder} lack {name}")
    return path
