"""What dbt and the export have written of their last run."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

PASSED = ("success", "pass", "warn", "no-op")


@dataclass(frozen=True)
class Build:
    """A `dbt build` of everything that has ended."""

    run_id: str
    began_at: datetime
    has_passed: bool


@dataclass(frozen=True)
class Export:
    """An export, which is one transaction."""

    run_id: str
    started_at: datetime
    tables: dict[str, str]
    """What was done with each exported table."""
    kept_out: dict[str, str]
    """Why a table was not exported."""
    held_back: dict[str, str]
    """Those of them that were refused; the others are their children, or not built."""
    error: str | None


NO_EXPORT = Export("", datetime.fromisoformat("1970-01-01T00:00:00+00:00"), {}, {}, {}, None)


def read_build(folder: Path) -> Build | None:
    """Return the last command's results, if it was a `dbt build` of everything."""
    results = _read(folder / "run_results.json")
    if not results or results["args"].get("which") != "build" or results["args"].get("select"):
        return None
    metadata = results["metadata"]
    began_at = datetime.fromisoformat(metadata["invocation_started_at"])
    passed = all(result["status"] in PASSED for result in results["results"])
    return Build(metadata["invocation_id"], began_at, passed)


def read_export(folder: Path) -> Export:
    """Return the last export."""
    report = _read(folder / "export.json")
    if not report:
        return NO_EXPORT
    tables = {table["table"]: _described(table) for table in report["tables"]}
    return Export(
        report["run_id"],
        datetime.fromisoformat(report["started_at"]),
        tables,
        report["kept_out"],
        report["held_back"],
        report["error"],
    )


def _described(table: dict[str, Any]) -> str:
    counts = ("rows", "inserted", "changed", "unchanged", "deleted")
    return ", ".join(f"{table[count]:,} {count}" for count in counts)


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
    return content
