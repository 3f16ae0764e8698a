"""Airflow on this machine, on loopback alone: `python -m loaders.airflow.local start|stop`.

Its metadata is a database of its own in the embedded PostgreSQL, its state in `<home>/airflow`. If
no API has a key, the sample API runs beside it.
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import psutil
import requests

from loaders import notify, settings
from loaders.airflow import listing, pools
from loaders.airflow.project import BIN, CHECKOUT, ProjectError
from loaders.cli.enabled import PIPELINES, read_enabled
from loaders.cli.exit_codes import BAD_SETTING, FAILED, OK
from loaders.export import embedded_postgres
from loaders.export.marts import ExportError
from loaders.sample_api.server import SERVICES
from loaders.sample_api.service import KEY
from loaders.sources import SOURCES

HOST = "127.0.0.1"
PORT = "AIRFLOW__API__PORT"
PROGRAMS = CHECKOUT / ".venv-airflow" / "bin"
COMPONENTS = {
    "api-server": ("api-server", "--host", HOST),
    # Their log servers would listen on all addresses. The API server reads the logs as files.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
}
USER = "admin"
BEGIN = time_of_day(6, 10)
"""When a day's first DAGs are due, in KST."""
SECONDS_TO_START, SECONDS_TO_STOP = 300, 20
SECONDS_BETWEEN_LOOKS = 0.5


class StartError(Exception):
    """Raised if Airflow does not start. The message says why in one line."""


def start() -> list[str]:
    """Start everything that does not run yet, and today's runs. Return lines that say where to
    look.

    Raise StartError, SettingError, ExportError, ProjectError.
    """
    folder, port = state_folder(), _port()
    notify.urls()  # checks them
    pipelines = read_enabled().names
    if running(folder):
        return _where(folder, port)
    check_port(port)
    try:
        sample = {} if any(map(settings.service_key, SOURCES)) else _start_sample_api(folder)
        launch(folder, port, sample)
        with log_in(folder, port) as airflow:
            airflow.unpause(["warehouse", *pipelines])
            airflow.unpause(begins_with(pipelines))
            if datetime.now(settings.KST).time() < BEGIN:  # later, the scheduler starts today's
                for dag in begins_with(pipelines):
                    airflow.start_run(dag, settings.today())
    except BaseException:  # Ctrl-C too
        stop()
        raise
    return _where(folder, port)


def prepare(folder: Path, port: int) -> dict[str, str]:
    """Create or migrate the metadata, and set the pools. Return the environment of Airflow's
    programs. Raise StartError, ExportError, ProjectError."""
    program = PROGRAMS / "airflow"
    if not program.is_file():
        raise ProjectError(f"{program} is missing: run `make airflow`, which installs it")
    airflow = environment(folder, port, embedded_postgres.start(database="airflow"))
    slots = folder / "pools.json"
    slots.write_text(json.dumps(pools.of(listing.read()), indent=1))
    for words in (["db", "migrate"], ["pools", "import", str(slots)]):
        process = subprocess.run(
            [str(program), *words], env=airflow, capture_output=True, text=True, check=False
        )
        if process.returncode:
            *_, last = (process.stderr.strip() or process.stdout.strip() or "?").splitlines()
            raise StartError(f"airflow {' '.join(words[:2])} failed: {last}")
    return airflow


def launch(folder: Path, port: int, sources: Mapping[str, str]) -> None:
    """Start the components of Airflow, with settings of the sources. Raise StartError, ExportError,
    ProjectError."""
    airflow = {**prepare(folder, port), **sources}
    _password(folder)
    for name, words in COMPONENTS.items():
        _start(folder, name, [str(PROGRAMS / "airflow"), *words], airflow)


def begins_with(pipelines: Iterable[str]) -> list[str]:
    """Return the DAGs that a day of some pipelines begins with. The others follow them."""
    return [f"{name}_extract" if name in SOURCES else name for name in pipelines]


@contextmanager
def log_in(folder: Path, port: int) -> Iterator["Api"]:
    """Log in to Airflow's API as soon as it has the DAGs. Raise StartError."""
    began_at = datetime.now(settings.KST)
    with closing(Api(f"http://{HOST}:{port}")) as api:

        def has_dags() -> bool:
            if error := api.import_error(since=began_at):
                raise StartError(f"Airflow can't import {error}")
            return all(map(api.has_dag, ["warehouse", *PIPELINES]))

        _wait(api.is_healthy, folder, "Airflow")
        api.log_in(_password(folder))
        _wait(has_dags, folder, "the DAGs")
        yield api


def stop() -> list[str]:
    """Stop everything that `start` started, and what it left behind. Return lines for a person."""
    found = list(running(state_folder()))
    _signal(found, signal.SIGTERM)
    _, left = psutil.wait_procs(found, SECONDS_TO_STOP)
    _signal([*left, *running(state_folder())], signal.SIGKILL)
    psutil.wait_procs(left, SECONDS_TO_STOP)
    embedded_postgres.stop()
    return [f"Airflow is stopped ({len(found)} processes), and so is the embedded PostgreSQL"]


def running(folder: Path) -> list[psutil.Process]:
    """Return the processes of this user that belong to an Airflow with its state in a folder.

    Some leave their parent's group.
    """
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _belongs(process, str(folder))
    ]


def check_port(port: int) -> None:
    """Raise SettingError unless a port is free."""
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            expected = f"expected a free port: make airflow {PORT}={port + 1}"
            raise settings.SettingError(PORT, str(port), expected) from None


def _belongs(process: psutil.Process, folder: str) -> bool:
    """Return whether a process is of the Airflow of a folder. One that has renamed itself has lost
    its environment."""
    with suppress(psutil.Error, OSError):
        if process.environ().get("AIRFLOW_HOME") == folder:
            return True
        return process.cwd() == folder and "".join(process.cmdline()[:1]).startswith("airflow ")
    return False


def state_folder() -> Path:
    """Return Airflow's folder, which only its owner can read: it has a password."""
    folder = settings.home().resolve() / "airflow"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _port() -> int:
    text = os.environ.get(PORT) or "8080"
    if not re.fullmatch(r"\d{1,5}", text) or not 0 < int(text) < 65536:
        raise settings.SettingError(PORT, text, "expected a port from 1 to 65535")
    return int(text)


def environment(folder: Path, port: int, database: str) -> dict[str, str]:
    """Return the environment of Airflow's programs. What the user sets wins."""
    url = f"http://{HOST}:{port}"
    airflow = {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "30",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # A command takes about a core.
        "AIRFLOW__CORE__PARALLELISM": str((os.cpu_count() or 1) + 2),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _sqlalchemy(database, "psycopg2"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": _sqlalchemy(database, "asyncpg"),
        # The default of 5 s fails tasks on a busy machine.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }
    return {
        **airflow,
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "HELLO_KOREA_HOME": str(folder.parent),
        BIN: str(Path(sys.executable).parent),
        "PYTHONPATH": str(CHECKOUT),
    }


def _sqlalchemy(url: str, driver: str) -> str:
    """Return SQLAlchemy's form of a URL of PostgreSQL with a socket."""
    parts = urlsplit(url)
    host = parse_qs(parts.query)["host"][0]
    user = unquote(parts.username or "postgres")
    return f"postgresql+{driver}://{user}@{parts.path}?{urlencode({'host': host})}"


def _password(folder: Path) -> str:
    """Return the password of the user, made at the first start."""
    file = folder / "simple_auth_manager_passwords.json.generated"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps({USER: secrets.token_urlsafe(12)}) + "\n")
    password: str = json.loads(file.read_text())[USER]
    return password


def _start(folder: Path, name: str, words: list[str], variables: dict[str, str]) -> None:
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        subprocess.Popen(
            words,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )


def _start_sample_api(folder: Path) -> dict[str, str]:
    """Start the sample API on a free port. Return the settings that point the sources at it."""
    with closing(socket.socket()) as listener:
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
    words = [sys.executable, "-m", "loaders.sample_api", "--port", str(port)]
    variables = {**os.environ, "AIRFLOW_HOME": str(folder), "PYTHONPATH": str(CHECKOUT)}
    _start(folder, "sample-api", words, variables)
    return {
        name: value
        for source in SERVICES
        for name, value in (
            (f"SOURCES__{source.upper()}__BASE_URL", f"http://{HOST}:{port}/{source}"),
            (f"SOURCES__{source.upper()}__SERVICE_KEY", KEY),
        )
    }


def _wait(is_ready: Callable[[], bool], folder: Path, what: str) -> None:
    """Wait until something is ready. Raise StartError if it is not in time, or a process ended."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not is_ready():
        if time.monotonic() > deadline or not running(folder):
            raise StartError(f"{what} did not start: see {folder / 'logs'}")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _where(folder: Path, port: int) -> list[str]:
    return [
        f"Airflow: http://{HOST}:{port}, user {USER}, password {_password(folder)}",
        f"  its logs: {folder / 'logs'}",
        "  the key of a source: a variable such as SOURCES__TOUR__SERVICE_KEY (Admin, Variables)",
        "  stop it: make airflow-down",
    ]


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


class Api:
    """Airflow's REST API."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy can't reach this machine

    def close(self) -> None:
        self._session.close()

    def is_healthy(self) -> bool:
        """Return whether every component has reported that it runs."""
        try:
            found = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=30).json()
        except (requests.RequestException, ValueError):
            return False
        components = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(found[name]["status"] == "healthy" for name in components)

    def log_in(self, password: str) -> None:
        body = {"username": USER, "password": password}
        answer = self._session.post(f"{self._url}/auth/token", json=body, timeout=60)
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def has_dag(self, name: str) -> bool:
        return self.get(f"dags/{name}").ok

    def import_error(self, since: datetime) -> str | None:
        """Return a file of DAGs that was not imported since then, and why. Earlier errors may be
        mended."""
        for error in self.get("importErrors").json()["import_errors"]:
            if datetime.fromisoformat(error["timestamp"]) >= since:
                *_, reason = error["stack_trace"].strip().splitlines() or ["?"]
                return f"{error['filename']}: {reason}"
        return None

    def unpause(self, dags: Iterable[str]) -> None:
        for dag in dags:
            self.change("patch", f"dags/{dag}", {"is_paused": False})

    def start_run(self, dag: str, day: date) -> None:
        """Start a DAG's run of a date. Raise StartError."""
        body = {"logical_date": None, "partition_key": str(day)}
        self.change("post", f"dags/{dag}/dagRuns", body)

    def get(self, path: str) -> requests.Response:
        return self._session.get(f"{self._url}/api/v2/{path}", timeout=60)

    def change(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Send a request that changes something. Raise StartError if Airflow refuses it."""
        url = f"{self._url}/api/v2/{path}"
        answer = self._session.request(method, url, json=body, timeout=60)
        if not answer.ok:
            raise StartError(f"Airflow refused {method.upper()} {path}: {answer.text}")


def main(words: list[str]) -> int:
    """Run the command. Return the exit code."""
    try:
        match words:
            case ["start"]:
                lines = start()
            case ["stop"]:
                lines = stop()
            case _:
                print(f"{' '.join(words) or 'nothing'!r}: expected start or stop", file=sys.stderr)
                return BAD_SETTING
    except settings.SettingError as error:
        print(error, file=sys.stderr)
        return BAD_SETTING
    except (StartError, ProjectError, ExportError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    print("\n".join(lines))
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
