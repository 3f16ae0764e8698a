"""The DAG of the usage logs: each date's tables are generated, then loaded, by mapped tasks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from airflow.sdk import DAG, Asset, CronPartitionTimetable, task_group

from loaders.airflow import listing
from loaders.airflow.tasks import (
    DAILY,
    DATE,
    DEFAULTS,
    START,
    ZONE,
    late,
    load,
    stage,
    update_asset,
)


def logs_dag(source: str, tables: list[str]) -> DAG:
    """Return the DAG that generates a date's logs and loads them."""
    loaded = Asset(f"warehouse/{source}")

    @task_group
    def table(table: str) -> None:
        # Tables are generated one at a time, as those of a source are extracted.
        load(source, table, stage.override(pool=source)(source, table))

    with DAG(
        source,
        description="Generates and loads the usage logs.",
        schedule=CronPartitionTimetable(DAILY, timezone=ZONE, key_format=DATE),
        start_date=START,
        catchup=False,
        default_args=DEFAULTS,
        deadline=late(loaded),
        tags=["load", source],
    ) as dag:
        table.expand(table=tables) >> update_asset(loaded)
    return dag


for source, tables in listing.read()["logs"].items():
    globals()[source] = logs_dag(source, tables)
