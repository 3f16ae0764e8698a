"""The DAG of the warehouse: one `dbt build` with its export, each exported table, freshness."""

import sys
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from airflow.sdk import (
    DAG,
    Asset,
    PartitionedAssetTimetable,
    TaskGroup,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from loaders.airflow import listing, pools, project, variables
from loaders.airflow.results import Build, read_build, read_export
from loaders.airflow.tasks import DEFAULTS, START, check, log
from loaders.airflow.told import CommandError

LATE = 1
"""Exit code of `dlt pipeline status` if something is late."""
BUILT_PARTLY = 2
"""Exit code of a `dbt build` that passed, and whose export held a table back."""


@task.short_circuit(do_xcom_push=False)
def is_new() -> bool:
    """Return whether something arrived since the last build began.

    Assets that arrive during a build each start a run, which waits. The first of these runs builds
    what all of them brought, and the others end here.
    """
    context = get_current_context()
    events = [each for found in context["triggering_asset_events"].values() for each in found]
    build = read_build(project.artifacts(variables.transformer()))
    if not events or context["task_instance"].try_number > 1:  # somebody started or cleared it
        return True
    newest = max(event.timestamp for event in events)
    return build is None or build.began_at <= newest


# Loads that wait go first, so that one build has them all.
@task(retries=1, pool=pools.WAREHOUSE, weight_rule="absolute", priority_weight=1)
def dbt_build() -> str:
    """Build, test and export. Return the path of the export's report.

    A build that passed has done its work, even if the export held tables back: their tasks fail.
    """
    settings = variables.transformer()
    began_at = datetime.now().astimezone()
    ended = project.run(["dbt", "build"], settings, log.info, has_document=False)
    folder = project.artifacts(settings)
    build = read_build(folder)
    is_written = build is not None and build.began_at >= began_at
    if not (ended.code == BUILT_PARTLY and is_written and exported(folder, build)):
        check(ended)
    return str(folder / "export.json")


def exported(folder: Path, build: Build | None) -> bool:
    """Return whether the report in a folder is of a build that passed, and of an export without an
    error."""
    report = read_export(folder)
    return bool(build and build.has_passed and report.run_id == build.run_id and not report.error)


def export_of(table: str) -> Any:
    """Return the task that shows what the export, which is one transaction, did with a table."""

    @task(task_id=table, trigger_rule="all_done", retries=0)
    def show() -> None:
        report = read_export(project.artifacts(variables.transformer()))
        run = get_current_context()["dag_run"]
        if report.started_at < run.start_date:
            raise AirflowSkipException("nothing was exported")
        if table in report.held_back:
            raise AirflowFailException(f"held back: {report.held_back[table]}")
        if table in report.kept_out:
            raise AirflowSkipException(f"kept out: {report.kept_out[table]}")
        if table not in report.tables:
            raise AirflowSkipException(report.error or "not exported")
        log.info(report.tables[table])

    return show()


@task(trigger_rule="none_failed", retries=0)
def freshness() -> None:
    """Fail if a mart is late, or a table of a source that started the run.

    The assets of the other sources tell of them: a run may be the day's first.
    """
    words = ["dlt", "pipeline", "status", "--output", "json"]
    ended = project.run(words, variables.loader(), log.info)
    if ended.code != LATE:
        check(ended)
    arrived = {
        asset.name.rpartition("/")[2] for asset in get_current_context()["triggering_asset_events"]
    }
    found = ended.document
    tables = [
        (f"{each['source']}.{each['table']}", each)
        for each in found["tables"]
        if not arrived or each["source"] in arrived
    ]
    marts = [(f"rds.{each['mart']}", each) for each in found["marts"]]
    late = [f"{name} ({each['reason']})" for name, each in [*tables, *marts] if each["is_late"]]
    if late:
        raise CommandError(f"late: {', '.join(late)}")  # each run tells of what is late


def warehouse_dag(sources: list[str], marts: Mapping[str, list[str]]) -> DAG:
    """Return the DAG that any source's data starts, one run at a time."""
    loaded = [Asset(f"warehouse/{source}") for source in sources]
    with DAG(
        "warehouse",
        description="dbt build, then the export in one transaction.",
        schedule=PartitionedAssetTimetable(assets=reduce(or_, loaded)),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULTS,
        tags=["warehouse"],
    ) as dag:
        build = dbt_build()
        is_new() >> build
        with TaskGroup("export"):
            shown = {mart: export_of(mart) for mart in marts}
        for mart, parents in marts.items():
            for parent in parents:
                shown[parent] >> shown[mart]
            build >> shown[mart]
        [build, *shown.values()] >> freshness()
    return dag


found = listing.read()
dag = warehouse_dag([*found["sources"], *found["logs"]], found["marts"])
