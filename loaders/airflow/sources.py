"""Two DAGs for each source: one calls the API, the other stages and loads what it returned."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from airflow.sdk import (
    DAG,
    Asset,
    CronPartitionTimetable,
    PartitionedAssetTimetable,
    TaskGroup,
)

from loaders.airflow import listing
from loaders.airflow.tasks import (
    DAILY,
    DATE,
    DEFAULTS,
    START,
    ZONE,
    extract,
    late,
    load,
    stage,
    update_asset,
)


def extract_dag(source: str, tables: dict[str, list[str]], raw: Asset) -> DAG:
    """Return the DAG that calls an API, one table at a time, and nothing else."""
    with DAG(
        f"{source}_extract",
        description=f"Calls the API of {source}, and nothing else.",
        schedule=CronPartitionTimetable(DAILY, timezone=ZONE, key_format=DATE),
        start_date=START,
        catchup=False,
        default_args={**DEFAULTS, "pool": source},
        deadline=late(raw),
        tags=["extract", source],
    ) as dag:
        made = {table: extract.override(task_id=table)(source, table) for table in tables}
        for table, before in tables.items():
            for other in before:
                made[other] >> made[table]
        list(made.values()) >> update_asset(raw)
    return dag


def load_dag(source: str, tables: Iterable[str], raw: Asset) -> DAG:
    """Return the DAG that stages and loads a source's tables, each on its own."""
    loaded = Asset(f"warehouse/{source}")
    with DAG(
        source,
        description=f"Stages and loads what {source} returned.",
        schedule=PartitionedAssetTimetable(assets=raw),
        start_date=START,
        catchup=False,
        default_args=DEFAULTS,
        deadline=late(loaded),
        tags=["load", source],
    ) as dag:
        groups = []
        for table in tables:
            with TaskGroup(table) as group:
                load(source, table, stage(source, table))
            groups.append(group)
        groups >> update_asset(loaded)
    return dag


for source, tables in listing.read()["sources"].items():
    raw = Asset(f"raw/{source}")
    for dag in (extract_dag(source, tables, raw), load_dag(source, tables, raw)):
        globals()[dag.dag_id] = dag
