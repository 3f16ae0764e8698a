"""The DAGs in a real Airflow: parsed, run one by one, and run by its scheduler."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from support.dag_server import (
    PYTHON,
    airflow,
    airflow_command,
    free_port,
    metadata,
    running_airflow,
)
from support.inboxes import webhook
from support.pipelines import query, run
from support.project import PROJECT, point_at

from loaders import settings, web_logs
from loaders.airflow import local
from loaders.cli.listing import listing
from loaders.export import embedded_postgres
from loaders.pipeline.locks import part_lock
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-airflow: make test-airflow makes it"),
]
SECONDS_TO_WAIT = 400
RATES = """
select * exclude (_dlt_load_id) from staging_exim.exchange_rates
where logical_date in ('{}', '{}') order by all
"""


def use(home: Path, api: SampleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a home as of now, in which the settings point every source at `api`."""
    monkeypatch.setenv("HELLO_KOREA_HOME", str(home))
    monkeypatch.delenv("HELLO_KOREA_TODAY", raising=False)
    monkeypatch.setenv("SOURCES__ENABLED", "exim")
    monkeypatch.setenv("DBT_TARGET_PATH", str(home / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(home / "logs"))
    point_at(api, monkeypatch)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """What became of each task of a source's pair and of the warehouse, and their home."""
    home = tmp_path_factory.mktemp("tried")
    with pytest.MonkeyPatch.context() as monkeypatch, SampleApi() as api:
        use(home, api, monkeypatch)
        environment = local.prepare(local.state_folder(), free_port())
        yield airflow("test", "exim_extract", "exim", "warehouse", **environment), home
        embedded_postgres.stop()


def test_each_file_of_dags_parses_in_two_seconds_without_dlt_and_dbt() -> None:
    airflow("parse")  # the listing is printed once after each change of a source
    found = airflow("parse")
    assert found["imported"] == []
    assert max(found["seconds"].values()) < 2, found["seconds"]


def test_every_source_has_its_pair_and_the_export_every_mart() -> None:
    dags = airflow("parse")["dags"]
    assert set(dags) == {
        *SOURCES,
        *(f"{name}_extract" for name in SOURCES),
        web_logs.NAME,
        "warehouse",
    }
    for name, source in SOURCES.items():
        tables = [table.name for table in source.tables]
        assert dags[f"{name}_extract"] == sorted([*tables, "update_asset"])
        phases = [f"{table}.{phase}" for table in tables for phase in ("stage", "load")]
        assert dags[name] == sorted([*phases, "update_asset"])
    marts = [f"export.{mart}" for mart in listing()["marts"]]
    assert dags["warehouse"] == sorted([*marts, "dbt_build", "freshness", "is_new"])


@pytest.mark.parametrize(
    ("version", "programs", "expected"),
    [
        (
            "3.3.2",
            "/nowhere",
            "HELLO_KOREA_BIN is '/nowhere', which has no python: run `make setup`",
        ),
        ("2.11.0", "", "Airflow is 2.11.0: expected 3.3; install requirements-airflow.lock"),
    ],
)
def test_a_wrong_environment_is_one_line_with_the_remedy(
    version: str, programs: str, expected: str
) -> None:
    environment = {"HELLO_KOREA_BIN": programs}
    environment["AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS"] = "False"
    errors = airflow("errors", version, **environment)
    assert len(errors) == 3
    for error in errors.values():
        assert expected in error
        assert error.count("\n") == 0


def test_each_setting_of_airflow_exists() -> None:
    texts = [PROJECT / "docs" / "operations.md", PROJECT / "loaders" / "airflow" / "local.py"]
    found = {name for text in texts for name in re.findall(r"AIRFLOW__[A-Z_]+", text.read_text())}
    assert len(found) > 10
    assert airflow("unknown", *sorted(found)) == []


def test_a_pair_and_the_warehouse_bring_rows_to_the_database(
    tried: tuple[dict[str, Any], Path],
) -> None:
    runs, _ = tried
    assert {name: run["state"] for name, run in runs.items()} == dict.fromkeys(runs, "success")
    assert set(runs["warehouse"]["tasks"].values()) == {"success"}
    with closing(psycopg2.connect(embedded_postgres.start())) as connection:
        cursor = connection.cursor()
        cursor.execute("select count(*) from exchange_rates")
        ((count,),) = cursor.fetchall()
    assert count > 0


def test_no_xcom_is_more_than_a_path(tried: tuple[dict[str, Any], Path]) -> None:
    _, home = tried
    values = {
        f"{dag}/{task}": value
        for dag, task, value in metadata("select dag_id, task_id, value from xcom")
    }
    day = settings.today()
    raw = f"raw/exim/exchange_rates/dt={day}/extraction=001"
    assert values["exim_extract/exchange_rates"] == raw
    assert values["exim/exchange_rates.stage"].startswith(f"stage/exim/exchange_rates/dt={day}/")
    assert values["warehouse/dbt_build"] == str(home / "target" / "export.json")
    assert all(isinstance(value, str) and len(value) < 256 for value in values.values())
    assert len(values) == 3


def test_a_table_that_is_held_back_fails_its_task_and_the_others_are_exported(
    tried: tuple[dict[str, Any], Path],
) -> None:
    with closing(psycopg2.connect(embedded_postgres.start())) as connection:
        connection.cursor().execute("alter table airports alter column city_en type varchar(999)")
        connection.commit()
    run = airflow("test", "warehouse", **local.prepare(local.state_folder(), free_port()))
    tasks = run["warehouse"]["tasks"]
    by_state: dict[str, set[str]] = {}
    for name, state in tasks.items():
        by_state.setdefault(state, set()).add(name)
    assert run["warehouse"]["state"] == "failed"
    assert by_state["failed"] == {"export.airports"}
    assert by_state["skipped"] == {
        "export.fares",
        "export.popular_airports",
        "export.popular_items",
    }
    assert by_state["upstream_failed"] == {"freshness"}
    assert {"is_new", "dbt_build", "export.districts", "export.events"} <= by_state["success"]


class Scheduler:
    """An Airflow with its scheduler, and what is asked of it."""

    def __init__(self, api: local.Api, home: Path) -> None:
        self.api = api
        self.home = home

    def start(self, day: date) -> None:
        self.api.start_run("exim_extract", day)

    def run_of(self, dag: str, day: date) -> dict[str, Any]:
        """Return a DAG's run of a date, or nothing."""
        runs = self.api.get(f"dags/{dag}/dagRuns?limit=100").json()["dag_runs"]
        return next((run for run in runs if run["partition_key"] == str(day)), {})

    def tasks(self, dag: str, day: date) -> dict[str, tuple[str, int]]:
        """Return state and number of the last try of each task of a run."""
        run_id = self.run_of(dag, day).get("dag_run_id")
        found = self.api.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances")
        tasks = found.json()["task_instances"] if found.ok else []
        return {task["task_id"]: (task["state"], task["try_number"]) for task in tasks}

    def wait_for(self, dag: str, day: date, state: str) -> None:
        wait(lambda: self.run_of(dag, day).get("state") == state)

    def log(self, dag: str, day: date, task: str) -> str:
        """Return the log of the first try of a task."""
        run_id = self.run_of(dag, day)["dag_run_id"]
        return self.api.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/1").text

    def set_variable(self, name: str, value: str) -> None:
        self.api.change("post", "variables", {"key": name, "value": value})

    def delete_variable(self, name: str) -> None:
        self.api.change("delete", f"variables/{name}", {})

    def clear(self, dag: str, day: date) -> None:
        """Clear the failed tasks of a run, as the button of the UI does."""
        run_id = self.run_of(dag, day)["dag_run_id"]
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True}
        self.api.change("post", f"dags/{dag}/clearTaskInstances", body)


def wait(is_there: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def sample_api() -> Iterator[SampleApi]:
    with SampleApi() as api:
        yield api


@pytest.fixture(scope="module")
def posted() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with webhook() as found:
        yield found


@pytest.fixture(scope="module")
def scheduler(
    sample_api: SampleApi,
    posted: tuple[str, list[dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scheduler]:
    home = tmp_path_factory.mktemp("scheduler")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(home, sample_api, monkeypatch)
        monkeypatch.setenv("NOTIFY__URLS", posted[0])
        monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
        monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY", "1")
        with running_airflow(local.state_folder(), free_port()) as api:
            api.unpause(["exim", "exim_extract"])
            scheduler = Scheduler(api, home)
            if datetime.now(settings.KST).time() >= local.BEGIN:  # today's run starts by itself
                scheduler.wait_for("exim", settings.today(), "success")
            yield scheduler


@pytest.fixture(autouse=True)
def same_home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests of the scheduler and of `dag.test()` read the home of these."""
    if "scheduler" in request.fixturenames:
        home = request.getfixturevalue("scheduler").home
        use(home, request.getfixturevalue("sample_api"), monkeypatch)
    elif "tried" in request.fixturenames:
        monkeypatch.setenv("HELLO_KOREA_HOME", str(request.getfixturevalue("tried")[1]))
        monkeypatch.delenv("HELLO_KOREA_TODAY")


def test_all_ports_are_on_loopback(scheduler: Scheduler) -> None:
    addresses = set()
    for process in local.running(local.state_folder()):
        with suppress(psutil.NoSuchProcess):  # a task that has ended meanwhile
            addresses |= {
                connection.laddr.ip
                for connection in process.net_connections()
                if connection.status == psutil.CONN_LISTEN
            }
    assert addresses == {local.HOST}


def test_a_backfill_starts_the_second_dag_by_the_asset_and_dates_do_not_mix(
    scheduler: Scheduler,
    sample_api: SampleApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, last = settings.today() - timedelta(days=2), settings.today() - timedelta(days=1)
    dates = ("--from-date", f"{first}", "--to-date", f"{last}T23:59:59+09:00")
    airflow_command("backfill", "create", "--dag-id", "exim_extract", *dates)
    for day in (first, last):
        scheduler.wait_for("exim", day, "success")
    rows, calls = query(scheduler.home, RATES.format(first, last)), sample_api.calls.total()
    assert {row[-3] for row in rows} == {first, last}  # logical_date
    assert run("exim", date=f"{first}..{last}") == (0, "")
    assert sample_api.calls.total() == calls
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "other"))
    assert run("exim", date=f"{first}..{last}") == (0, "")
    assert rows == query(tmp_path / "other", RATES.format(first, last))


def test_a_killed_stage_task_runs_again_alone_and_calls_nobody(
    scheduler: Scheduler, sample_api: SampleApi
) -> None:
    day = settings.today() - timedelta(days=3)
    scheduler.start(day)
    wait(lambda: command_of("stage", day))
    calls = sample_api.calls.total()
    command = command_of("stage", day)
    assert command
    task = command.parent()
    assert task
    task.kill()
    command.wait(timeout=10)
    scheduler.wait_for("exim", day, "success")
    assert scheduler.tasks("exim", day) == {
        "exchange_rates.stage": ("success", 2),
        "exchange_rates.load": ("success", 1),
        "update_asset": ("success", 1),
    }
    assert scheduler.tasks("exim_extract", day)["exchange_rates"] == ("success", 1)
    assert sample_api.calls.total() == calls


def command_of(phase: str, day: date) -> psutil.Process | None:
    """Return the process of a command that runs a phase of a date."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if {"--only", phase, str(day)} <= set(words):
            return process
    return None


def test_a_wrong_key_starts_nothing_else_and_is_told_once(
    scheduler: Scheduler, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    day, messages = settings.today() - timedelta(days=4), posted[1]
    key = "SOURCES__EXIM__SERVICE_KEY"
    scheduler.set_variable(key, "planted-wrong-key")
    scheduler.start(day)
    scheduler.wait_for("exim_extract", day, "failed")
    assert scheduler.tasks("exim_extract", day) == {
        "exchange_rates": ("failed", 4),
        "update_asset": ("upstream_failed", 0),
    }
    assert not scheduler.run_of("exim", day)
    (told,) = [each["message"] for each in messages if "FAILED" in each["message"]]
    assert "the key is refused" in told
    assert "planted" not in told

    scheduler.delete_variable(key)
    scheduler.clear("exim_extract", day)
    scheduler.wait_for("exim", day, "success")
    assert [each["title"] for each in messages if "the key is refused" in each["message"]] == [
        "Hello Korea: failed: exim",
        "Hello Korea: works again",
    ]


def test_a_table_that_runs_already_is_tried_again(scheduler: Scheduler) -> None:
    day = settings.today() - timedelta(days=5)
    with part_lock("exim", "extract"):
        scheduler.start(day)
        expected = ("up_for_retry", 1)
        wait(lambda: scheduler.tasks("exim_extract", day).get("exchange_rates") == expected)
    scheduler.wait_for("exim", day, "success")
    assert scheduler.tasks("exim_extract", day)["exchange_rates"] == ("success", 2)


def test_a_late_asset_is_told_by_the_triggerer_and_that_it_is_there(
    scheduler: Scheduler, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    day, messages = settings.today() - timedelta(days=7), posted[1]
    scheduler.start(day - timedelta(days=1))  # an earlier run says how long one takes
    scheduler.wait_for("exim", day - timedelta(days=1), "success")
    messages.clear()
    with part_lock("exim", "extract"):
        scheduler.start(day)
        wait(lambda: scheduler.run_of("exim_extract", day).get("state") == "running")
        metadata(
            "update deadline set deadline_time = now() from dag_run"
            f" where dag_run.id = dagrun_id and partition_key = '{day}' returning 1"
        )
        wait(lambda: messages)
    assert messages[0]["title"] == "Hello Korea: late: raw/exim"
    assert f"LATE: raw/exim: not complete in time {day}" in messages[0]["message"]
    scheduler.wait_for("exim_extract", day, "success")
    wait(lambda: len(messages) > 1)
    assert messages[1]["title"] == "Hello Korea: works again"
    scheduler.wait_for("exim", day, "success")


@pytest.mark.parametrize(
    ("days_ago", "setting", "expected"),
    [
        (6, {"DBT_TARGET": "oracle"}, "DBT_TARGET is 'oracle': expected local or redshift"),
        # What a page of Airflow shows instead of a key, and saves.
        (9, {"SOURCES__TOUR__SERVICE_KEY": "***"}, "has *** for SOURCES__TOUR__SERVICE_KEY"),
    ],
)
def test_a_wrong_setting_fails_at_once(
    scheduler: Scheduler, days_ago: int, setting: dict[str, str], expected: str
) -> None:
    day = settings.today() - timedelta(days=days_ago)
    scheduler.set_variable("hello_korea_loader", json.dumps(setting))
    scheduler.start(day)
    scheduler.wait_for("exim_extract", day, "failed")
    assert scheduler.tasks("exim_extract", day)["exchange_rates"] == ("failed", 1)
    assert expected in scheduler.log("exim_extract", day, "exchange_rates")
    scheduler.delete_variable("hello_korea_loader")
    scheduler.clear("exim_extract", day)
    scheduler.wait_for("exim", day, "success")


def test_a_file_of_dags_that_is_not_imported_is_named_at_once(scheduler: Scheduler) -> None:
    def report(time: str) -> None:
        metadata(
            "insert into import_error (timestamp, filename, bundle_name, stacktrace)"
            f" select {time}, 'sources.py', bundle_name, 'No module named x' from dag"
            " where dag_id = 'exim' returning 1"
        )

    port = int(scheduler.api.get("config").url.rpartition(":")[2].partition("/")[0])
    report("now() - interval '1 hour'")
    with local.log_in(local.state_folder(), port):  # an error of an earlier start
        pass
    report("now() + interval '1 hour'")
    expected = "Airflow can't import sources.py: No module named x"
    with pytest.raises(local.StartError, match=expected), local.log_in(local.state_folder(), port):
        pass


def test_nothing_is_left_running(scheduler: Scheduler) -> None:
    assert len(local.running(local.state_folder())) > len(local.COMPONENTS)
    local.stop()
    assert local.running(local.state_folder()) == []
