"""A real Airflow for the tests: its programs, and its components on this machine."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from loaders import settings
from loaders.airflow import local
from loaders.export import embedded_postgres
from support.project import PROJECT

PYTHON = local.PROGRAMS / "python"
SCRIPT = PROJECT / "tests" / "support" / "dag_runs.py"


def airflow(*words: str, **environment: str) -> Any:
    """Run the script in Airflow's environment. Return the JSON document that it prints."""
    home = {"AIRFLOW_HOME": str(settings.home() / "airflow")}
    process = subprocess.run(
        [str(PYTHON), str(SCRIPT), *words],
        env={**home, **os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout[-5000:] + process.stderr[-5000:]
    return json.loads(process.stdout.splitlines()[-1])


def airflow_command(*words: str) -> None:
    """Run a command of Airflow, as `make airflow` does."""
    folder = local.state_folder()
    process = subprocess.run(
        [str(local.PROGRAMS / "airflow"), *words],
        env=local.environment(folder, free_port(), embedded_postgres.start(database="airflow")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind((local.HOST, 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running_airflow(folder: Path, port: int) -> Iterator[local.Api]:
    """Start the components of Airflow, and log in to its API."""
    try:
        local.launch(folder, port, {})
        with local.log_in(folder, port) as api:
            yield api
    finally:
        local.stop()


def metadata(sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query or a change of Airflow's metadata."""
    with (
        closing(psycopg2.connect(embedded_postgres.start(database="airflow"))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        rows = cursor.fetchall()
        connection.commit()
        return rows
