"""The pools of the DAGs, as JSON for `airflow pools import`: `python -m loaders.airflow.pools`."""

import json
from typing import Any

from loaders.airflow import listing
from loaders.airflow.listing import Listing

WAREHOUSE = "warehouse"


def of(listed: Listing) -> dict[str, dict[str, Any]]:
    """Return the pools by name."""
    one_at_a_time = {
        name: _pool(1, f"One call after the other: tables of {name} share its daily allowance")
        for name in [*listed["sources"], *listed["logs"]]
    }
    return {**one_at_a_time, WAREHOUSE: _pool(1, "One load or build after the other")}


def _pool(slots: int, description: str) -> dict[str, Any]:
    return {"slots": slots, "description": description, "include_deferred": False}


if __name__ == "__main__":
    print(json.dumps(of(listing.read()), indent=1))
