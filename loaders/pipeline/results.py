"""What a run reports of each table: its phases, counts, notes and errors."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from loaders.settings import KST

PHASES = ("extract", "stage", "load")
LAST_RUN = "last_run.json"
"""File in the home with the results of the last run, for the summary."""


@dataclass(frozen=True)
class Progress:
    """How far a table is. `total` grows while the API does not report its page count.

    Pages and rows are those of the extraction, and 0 in other phases.
    """

    pages: int = 0
    total: int = 0
    rows: int = 0
    phase: str = "extract"
    """A phase, or `wait` between stage and load, since one table is loaded at a time."""
    pause: float = 0.0
    """Seconds for which the API asked to make no call."""


Report = Callable[[str, str, Progress], None]
"""Called with source, table and progress during an extraction, and when another phase begins."""


@dataclass
class StepResult:
    """One phase of one table, for one date, or for all dates of a run if they are done together."""

    phase: str
    logical_date: date | None
    began_at: datetime
    """In KST."""
    status: str = "done"
    """`done`, `partial` (incomplete, but not through an error) or `failed`."""
    calls: int = 0
    rows: int | None = None
    rejected: int | None = None
    bytes: int | None = None
    """Size of the responses, or of the staged file."""
    seconds: float = 0.0
    """Duration. Dates that are loaded together share it."""
    error: str = ""

    def fail(self, error: str) -> None:
        self.status, self.error = "failed", error


@dataclass
class TableResult:
    """The result of one table in a run, over all its dates."""

    source: str
    table: str
    calls: int = 0
    calls_left: int | None = None
    """Calls left of the day's allowance, for the operation with the fewest."""
    pages: int = 0
    staged: int = 0
    rejected: int = 0
    duplicates: int = 0
    loaded: int = 0
    notes: list[str] = field(default_factory=list)
    """Remarks that do not make the run fail."""
    errors: list[str] = field(default_factory=list)
    files: dict[date, str] = field(default_factory=dict)
    """Key in the lake of the staged file of each date."""
    folders: dict[date, str] = field(default_factory=dict)
    """Key in the lake of the extraction of each date that is or can be staged."""
    steps: list[StepResult] = field(default_factory=list)
    """The phases in the order in which they ran."""
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """First begin and last end of each phase, on the monotonic clock."""

    @contextmanager
    def step(self, phase: str, logical_date: date | None) -> Iterator[StepResult]:
        """Time a phase and append its result, which fails if the block raises."""
        began = time.monotonic()
        step = StepResult(phase, logical_date, datetime.now(KST))
        self.steps.append(step)
        try:
            yield step
        except BaseException as error:  # Ctrl-C too
            step.fail(str(error) or type(error).__name__)
            raise
        finally:
            ended = time.monotonic()
            step.seconds = ended - began
            self.seconds[phase] = (self.seconds.get(phase, (began, 0))[0], ended)
