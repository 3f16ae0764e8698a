"""Tables of one pipeline are staged and loaded side by side, each by a process of its own."""

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.pipelines import DLT, query, run
from support.project import PROJECT, TODAY

from loaders.pipeline.locks import part_lock, pipeline_lock
from loaders.pipeline.staging import ALL
from loaders.sample_api import SampleApi

TABLES = sorted(table for source, table in ALL if source == "seoul")
ROWS = "select * exclude (_dlt_load_id) from staging_seoul.{} order by all"


def start(phase: str, table: str) -> subprocess.Popen[str]:
    command = [str(DLT), "pipeline", "seoul", "run", "--only", phase, "--table", table]
    return subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run_side_by_side(phase: str) -> None:
    processes = [start(phase, table) for table in TABLES]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0, output


@pytest.mark.long
def test_tables_side_by_side_give_the_rows_of_one_run(
    api: SampleApi, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("seoul", only="extract") == (0, "")
    calls = api.calls.total()
    for phase in ("stage", "load"):
        run_side_by_side(phase)
    assert api.calls.total() == calls
    rows = {table: query(home, ROWS.format(table)) for table in TABLES}
    steps = query(home, "select table_name, phase, status from staging_runs.steps order by all")
    assert steps == sorted(
        (table, phase, "done") for table in TABLES for phase in ("extract", "load", "stage")
    )
    monkeypatch.setenv("LAKE__URL", str(home / "lake"))
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "other home"))
    assert run("seoul") == (0, "")
    assert rows == {table: query(tmp_path / "other home", ROWS.format(table)) for table in TABLES}
    assert all(rows.values())


@pytest.mark.parametrize(
    ("held", "only", "table", "expected"),
    [
        (part_lock("exim", "exchange_rates.stage"), "stage", "exchange_rates", 3),
        (part_lock("exim", "exchange_rates.stage"), "load", "exchange_rates", 0),
        (part_lock("exim", "extract"), "stage", "exchange_rates", 0),
        (part_lock("exim", "extract"), "extract", "exchange_rates", 3),
        (part_lock("exim", "exchange_rates.stage"), None, None, 3),
        (part_lock("exim", "exchange_rates.stage"), None, "exchange_rates", 3),
        (pipeline_lock("exim"), "stage", "exchange_rates", 3),
    ],
)
def test_only_what_would_meet_is_refused(
    api: SampleApi,
    held: AbstractContextManager[None],
    only: str | None,
    table: str | None,
    expected: int,
) -> None:
    assert run("exim", only="extract") == (0, "")
    with held:
        code, message = run("exim", only=only, table=table, date=f"{TODAY}")
    assert code == expected, message
    assert expected == 0 or "is being run by process" in message


def test_one_table_of_the_logs_at_a_time_is_generated(api: SampleApi) -> None:
    with part_lock("web_logs", "extract"):
        code, message = run("web_logs", only="stage", table="users", date=f"{TODAY}")
    assert code == 3
    assert "web_logs.extract is being run by process" in message
