"""What the DAGs have in common: their dates, their retries, and the commands as tasks."""

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

import airflow
from airflow.sdk import (
    Asset,
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)

from loaders.airflow import pools, project, told, variables
from loaders.airflow.project import Ended, ProjectError

VERSION = "3.3"
KST = timezone(timedelta(hours=9), "KST")
DAILY = "10 6 * * *"
"""When the forecast of 05:00 is out. Allowances are reset at midnight."""
ZONE = "Asia/Seoul"
DATE = "%Y-%m-%d"
START = datetime(2026, 1, 1, tzinfo=KST)
LATE_AFTER = timedelta(hours=3)
"""Time after the usual end of a run at which its asset is late."""

log = logging.getLogger("airflow.task")


class RunsAlreadyError(AirflowException):
    """Raised if another process runs the same table."""


class EndedError(AirflowException):
    """Raised if a command was killed or broke off, so that it could not tell anybody."""


class StaleError(AirflowException):
    """Raised if a task was given a file that another one has replaced."""


if not airflow.__version__.startswith(f"{VERSION}."):
    raise ProjectError(
        f"Airflow is {airflow.__version__}: expected {VERSION}; install requirements-airflow.lock"
    )

DEFAULTS: dict[str, Any] = {
    "retries": 3,  # after Airflow's `default_task_retry_delay`, then after three times as long
    "retry_exponential_backoff": 3,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(RunsAlreadyError, RetryAction.RETRY, timedelta(seconds=20)),
            RetryRule(ProjectError, RetryAction.FAIL),
        ]
    ),
    "weight_rule": "upstream",  # what has begun is finished first
    "on_failure_callback": told.failed,
    "on_success_callback": told.recovered,
}
"""Arguments of every task."""


def day_of(context: Mapping[str, Any]) -> date:
    """Return the KST date of a run: its partition, or, if somebody starts it without one, the day
    it was started."""
    run = context["dag_run"]
    if run.partition_key:
        return _date(run.partition_key)
    today = project.environment(variables.loader()).get("HELLO_KOREA_TODAY")
    return date.fromisoformat(today) if today else run.run_after.astimezone(KST).date()


def _date(key: str) -> date:
    try:
        return date.fromisoformat(key)
    except ValueError:
        message = f"the partition key is {key!r}: expected a KST date such as 2026-11-22"
        raise AirflowFailException(message) from None


def run_table(source: str, table: str, phase: str, day: date) -> str | None:
    """Run one phase of one table for a date. Return what it made, as a key in the lake, or None if
    there is nothing of the date: the extraction's folder, or the staged file."""
    words = ["dlt", "pipeline", source, "run", "--only", phase, "--table", table]
    words += ["--date", day.isoformat(), "--output", "json"]
    ended = project.run(words, variables.loader(), log.info)
    check(ended)
    (result,) = ended.document["tables"]
    for note in result["notes"]:
        log.warning(note)
    dates = result["dates"]
    # What is asked for once a year is kept under a date of its own.
    keys: dict[str, str | None] = dates.get(day.isoformat()) or dates.get(
        max(dates, default=""), {}
    )
    return keys.get("raw" if phase == "extract" else "stage")


@task
def extract(source: str, table: str) -> str | None:
    """Call the API for a table's date. Return the extraction's folder in the lake."""
    return run_table(source, table, "extract", day_of(get_current_context()))


@task(max_active_tis_per_dag=1)
def stage(source: str, table: str) -> str | None:
    """Stage a table's date. Return the key of the parquet."""
    return run_table(source, table, "stage", day_of(get_current_context()))


@task(max_active_tis_per_dag=1, pool=pools.WAREHOUSE)
def load(source: str, table: str, file: str | None) -> None:
    """Load the parquet of a table's date."""
    if file is None:
        raise AirflowSkipException(f"nothing is staged of {table}")
    found = run_table(source, table, "load", day_of(get_current_context()))
    if found != file:
        raise StaleError(f"{found} was loaded: expected {file}; clear the stage of {table}")


def update_asset(asset: Asset) -> Any:
    """Return the task that says that a run's date is in an asset."""

    @task(task_id="update_asset", outlets=[asset], trigger_rule="none_failed")
    def update(outlet_events: Any = None) -> None:
        outlet_events[asset].add_partitions(f"{day_of(get_current_context()):{DATE}}")

    return update()


def late(asset: Asset) -> DeadlineAlert:
    """Return the alert for an asset that a run has not updated in time.

    A deadline that counts from the start of the run would make Airflow 3.3.2 refuse to clear a task
    of it.
    """
    usual = DeadlineReference.AVERAGE_RUNTIME(max_runs=10, min_runs=1)
    return DeadlineAlert(usual, LATE_AFTER, AsyncCallback(told.late, {"asset": asset.name}))


def check(ended: Ended) -> None:
    """Raise what makes Airflow retry, or not, for a command that did not end well."""
    message = ended.document.get("error") or ended.last_line
    match ended.code:
        case 0:
            return
        case 1:
            raise told.CommandError(message)
        case 2:
            raise AirflowFailException(message)
        case 3:
            raise RunsAlreadyError(message)
        case code if code < 0:
            raise EndedError(f"the command was ended by signal {-code}")
        case code:
            raise EndedError(f"the command ended with exit code {code}: {message}")
