"""Runs inside Airflow's own environment: parses the DAGs, or runs some of them by `dag.test()`.

It prints one JSON document as its last line. The tests of the project start it.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import airflow
from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).resolve().parents[2] / "loaders" / "airflow"


def parse() -> dict[str, Any]:
    """Return the seconds of the processor that each DAG file takes, and what was imported."""
    seconds: dict[str, float] = {}
    dags: dict[str, list[str]] = {}
    for file in ("sources.py", "web_logs.py", "warehouse.py"):
        began = time.process_time()
        bag = DagBag(DAGS / file)
        seconds[file] = time.process_time() - began
        dags |= {name: sorted(dag.task_dict) for name, dag in bag.dags.items()}
        assert not bag.import_errors, bag.import_errors
    unwanted = [name for name in ("dlt", "dbt", "pyarrow", "duckdb") if name in sys.modules]
    return {"seconds": seconds, "dags": dags, "imported": unwanted}


def errors(version: str) -> dict[str, str]:
    """Return why the DAG files can't be parsed by a version of Airflow."""
    airflow.__version__ = version
    return {Path(file).name: error for file, error in DagBag(DAGS).import_errors.items()}


def unknown(settings: list[str]) -> list[str]:
    """Return the names of environment variables that are none of Airflow's settings."""
    described = conf.configuration_description
    parts = {name: name.lower().split("__") for name in settings}
    return [
        name
        for name, (_, section, option) in parts.items()
        if option not in described.get(section, {}).get("options", {})
    ]


def test(names: list[str]) -> dict[str, Any]:
    """Run DAGs in turn. Return the states of their tasks and their XComs."""
    bag = DagBag(DAGS)
    runs = {}
    for name in names:
        dag = bag.dags[name]
        dag.deadline = None  # dag.test() of Airflow 3.3.2 fails on one
        for task in dag.tasks:
            task.retry_delay = timedelta(seconds=1)
        run = dag.test()
        runs[name] = {
            "state": str(run.state.value),
            "tasks": {task.task_id: str(task.state) for task in run.get_task_instances()},
            "tries": {task.task_id: task.try_number for task in run.get_task_instances()},
        }
    return runs


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["parse"]:
            found: Any = parse()
        case ["errors", version]:
            found = errors(version)
        case ["unknown", *settings]:
            found = unknown(settings)
        case ["test", *dags]:
            found = test(dags)
    print("\n" + json.dumps(found))
