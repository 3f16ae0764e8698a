"""Tell people of what no command tells: of failed tasks and late assets, once a cause.

A command tells of its own failures. `loaders.cli.tell` sends the rest through `NOTIFY__URLS`.
"""

import asyncio
import json
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from loaders.airflow import project, variables
from loaders.airflow.project import Settings

STATE = "notified.json"
"""In the home: what is open."""


class CommandError(AirflowException):
    """Raised if a command failed, and has told people why."""


def failed(context: dict[str, Any]) -> None:
    """Tell of a task that has failed for good, unless its command has told of it."""
    error = context.get("exception")
    if has_told(error):
        return
    task = _name(context)
    reason = str(error or "its process was killed, or ended without a word")
    _tell("failed", task, reason, f"clear the task {task} once the cause is gone")


def recovered(context: dict[str, Any]) -> None:
    """Tell that a task works again, or that an asset is there, if somebody was told otherwise."""
    names = {_name(context), *(asset.name for asset in context["task"].outlets)}
    file = project.home(_settings()) / STATE
    state = json.loads(file.read_bytes()) if file.is_file() else {}
    for name in sorted(names & {each for cause in state.values() for each in cause["about"]}):
        _tell("over", name)


async def late(asset: str, context: dict[str, Any] | None = None) -> None:
    """Tell that an asset is late. Airflow's triggerer calls it at the deadline."""
    day = (context or {}).get("dag_run", {}).get("partition_key") or ""
    words = ("late", asset, f"not complete in time {day}".strip(), f"see the DAG run of {asset}")
    await asyncio.to_thread(_tell, *words)


def has_told(error: object) -> bool:
    """Return whether a command has told of an error: of all but kills and waits in vain."""
    return isinstance(error, AirflowFailException | CommandError)


def _name(context: dict[str, Any]) -> str:
    task = context["task_instance"]
    return f"{task.dag_id}/{task.task_id}"


def _tell(*words: str) -> None:
    lines: list[str] = []
    project.run(["python", "-m", "loaders.cli.tell", *words], _settings(), lines.append)
    for line in lines:
        print(line)


def _settings() -> Settings:
    """Return the project's settings, or those of the environment alone if Airflow does not answer:
    a callback may run where variables can't be read."""
    try:
        return variables.loader()
    except Exception as error:  # of any kind: telling comes first
        print(f"the variable {variables.LOADER} was not read: {error}")
        return {}
