"""`dbt build` with the installed plug-in ends with the export."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from support.pipelines import open_warehouse_elsewhere, run
from support.project import ENOUGH_SECONDS, restore_interrupts
from support.small_project import SmallProject


@pytest.fixture
def project(database: str, tmp_path: Path) -> SmallProject:
    small = SmallProject(tmp_path / "project", tmp_path / "home", database)
    small.write()
    small.empty_rds()
    return small


def tables(project: SmallProject) -> list[str]:
    return [
        name
        for (name,) in project.rds(
            "select tablename::text from pg_tables where schemaname = 'public' order by 1"
        )
    ]


def report(project: SmallProject) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.target_dir / "export.json").read_text())
    return content


def test_a_build_ends_with_the_export_and_prints_its_report(project: SmallProject) -> None:
    build = project.dbt("build")

    assert build.returncode == 0, build.stdout
    assert "events: 100 rows, 100 inserted, 0 changed, 0 deleted" in build.stdout
    assert tables(project) == ["districts", "events", "export_log", "rates", "venues"]
    assert {table["table"]: table["rows"] for table in report(project)["tables"]} == {
        "districts": 2,
        "rates": 10,
        "venues": 10,
        "events": 100,
    }


def test_a_failing_test_keeps_its_mart_and_children_out_and_fails_the_build(
    project: SmallProject,
) -> None:
    project.warehouse("update raw.venues set venue_id = null where venue_id = 'v3'")
    build = project.dbt("build")

    assert build.returncode == 1
    assert tables(project) == ["districts", "export_log", "rates"]
    assert report(project)["kept_out"] == {
        "venues": "it was skipped: not_null_dim_venue_venue_id failed",
        "events": "it was skipped: not_null_dim_venue_venue_id failed",
    }
    assert "kept out: venues, events, because it was skipped" in build.stdout


def test_a_failed_export_fails_the_build_in_one_line(project: SmallProject) -> None:
    build = project.dbt("build", RDS__URL="postgresql://db.example.com/web")

    assert build.returncode != 0
    (message,) = [line for line in build.stdout.splitlines() if "Export failed" in line]
    assert "RDS__URL" in message
    assert "expected ?sslmode=verify-full" in message
    assert "Traceback" not in build.stdout + build.stderr
    assert report(project)["error"] in message


@pytest.mark.long
def test_a_table_that_is_held_back_fails_the_build_although_the_others_are_exported(
    project: SmallProject,
) -> None:
    assert project.dbt("build").returncode == 0
    project.warehouse("delete from raw.events; update raw.districts set district_name = 'new'")
    build = project.dbt("build")

    assert build.returncode == 2
    (message,) = [line for line in build.stdout.splitlines() if "Export failed" in line]
    assert "not exported: events: 100 of 100 rows would be deleted" in message
    assert project.rds("select count(*) from events") == [(100,)]
    assert project.rds("select distinct district_name from districts") == [("new",)]


def test_a_build_names_the_program_that_has_the_warehouse_open_in_one_line(
    project: SmallProject,
) -> None:
    with open_warehouse_elsewhere(project.home) as process:
        build = project.dbt("build", WAREHOUSE__LOCK_TIMEOUT="0")

    assert build.returncode == 2
    (line,) = [line for line in build.stdout.splitlines() if "the warehouse has been open" in line]
    assert f"(PID {process.pid}) for longer than WAREHOUSE__LOCK_TIMEOUT=0; end that" in line
    assert "Traceback" not in build.stdout + build.stderr


def test_a_build_with_a_wrong_address_to_tell_ends_before_it_begins_and_does_not_show_it(
    project: SmallProject,
) -> None:
    build = project.dbt("build", NOTIFY__URLS="nosuch://planted-token@127.0.0.1")
    assert build.returncode == 2
    (line,) = [line for line in build.stdout.splitlines() if "NOTIFY__URLS" in line]
    assert "expected Apprise URLs between commas" in line
    assert "number 1 is not one" in line
    assert "planted-token" not in build.stdout + build.stderr
    assert "Traceback" not in build.stdout + build.stderr
    assert tables(project) == []


def test_builds_in_one_process_export_each_time(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    arguments = ["--project-dir", str(project.folder), "--profiles-dir", str(project.folder)]
    build = ["--quiet", "build", *arguments]

    assert dbtRunner().invoke(build).success
    first = report(project)
    assert dbtRunner().invoke(["--quiet", "run", *arguments]).success
    assert report(project) == first
    monkeypatch.setenv("RDS__TARGETS", "redshift")
    assert dbtRunner().invoke(build).success
    assert report(project) == first

    monkeypatch.delenv("RDS__TARGETS")
    assert dbtRunner().invoke(build).success
    assert [table["inserted"] for table in first["tables"]] == [2, 10, 10, 100]
    assert [table["unchanged"] for table in report(project)["tables"]] == [2, 10, 10, 100]
    monkeypatch.setenv("RDS__URL", "postgresql://127.0.0.1:1/web")
    failed = dbtRunner().invoke(build)
    assert not failed.success
    assert "Connection refused" in str(failed.exception)


@pytest.mark.long
def test_a_build_of_another_target_leaves_the_artifacts_to_export_and_the_website_unchanged(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.dbt("build").returncode == 0
    first = report(project)
    project.warehouse("delete from raw.events where event_id < 50")
    assert project.dbt("build", "--target", "ci").returncode == 0
    assert report(project) == first

    for name, value in {**project.environment, "DBT_TARGET_PATH": str(project.target_dir)}.items():
        monkeypatch.setenv(name, value)
    assert run("rds") == (0, "")
    second = report(project)
    assert (second["run_id"], second["target"]) == (first["run_id"], "local")
    assert {table["table"]: table["unchanged"] for table in second["tables"]}["events"] == 100


def test_an_interrupted_build_exports_nothing(project: SmallProject) -> None:
    slow = "select count(*) as n from range(1000000000) as a, range(1000) as b"
    (project.folder / "models" / "slow.sql").write_text(slow)
    build = subprocess.Popen(
        project.dbt_command("build", "--threads", "2"),
        cwd=project.folder,
        env={**os.environ, **project.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=restore_interrupts,
    )
    try:
        wait_for(lambda: (project.folder / "logs" / "dbt.log").exists())
        log = project.folder / "logs" / "dbt.log"
        wait_for(lambda: "rds_events" in log.read_text() and "range(1000)" in log.read_text())
        output = interrupt(build)
    finally:
        build.kill()

    assert build.returncode != 0
    assert "export" not in output.lower()
    assert tables(project) == []


def interrupt(process: subprocess.Popen[str]) -> str:
    """Interrupt a process and return its output.

    dbt misses an interrupt just before a query starts, so it is repeated, as a person would.
    """
    for _ in range(ENOUGH_SECONDS // 5):
        process.send_signal(signal.SIGINT)
        try:
            output, _ = process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            continue
        return output
    raise AssertionError("the process does not end")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_the_plug_in_does_not_slow_down_other_commands() -> None:
    code = "import sys, dbt.cli.main, dbt_project; sys.exit('loaders.export' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
