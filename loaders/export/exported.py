"""When each mart was last exported, and why not since: `<home>/exports/<dbt target>.json`.

dbt's artifacts and `export.json` are of the last build alone. This record is of all of them, and
can be read without the website's database.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from loaders import settings
from loaders.files import replace_file

Exported = dict[str, dict[str, Any]]
"""By table: `exported_at` (ISO 8601 in KST, or None), `rows`, and `reason`, why the last export
left it out, or None."""


def read(target: str) -> Exported:
    """Return the record of a dbt target, empty before its first export."""
    file = _file(target)
    content: Exported = json.loads(file.read_bytes()) if file.is_file() else {}
    return content


def record(
    target: str, exported: Mapping[str, int], kept_out: Mapping[str, str], error: str | None
) -> None:
    """Add an export: its tables with their rows, and those that were kept out with the reason.

    After an `error` nothing was exported, and it is the reason of all tables. Tables that the
    export does not name keep what the record says of them.
    """
    known = read(target)
    now = datetime.now(settings.KST).isoformat(timespec="seconds")
    never = {"exported_at": None, "rows": None}
    reasons = dict.fromkeys(known, error) if error else kept_out
    known |= {table: {**known.get(table, never), "reason": why} for table, why in reasons.items()}
    if not error:
        known |= {
            table: {"exported_at": now, "rows": rows, "reason": None}
            for table, rows in exported.items()
        }
    text = json.dumps(known, indent=2, ensure_ascii=False) + "\n"
    replace_file(_file(target), text.encode())


def _file(target: str) -> Path:
    return settings.home() / "exports" / f"{target}.json"
