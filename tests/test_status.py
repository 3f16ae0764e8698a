"""`dlt pipeline status`: how old the data is, and why."""

import json
import resource
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.newcomer import Newcomer
from support.pipelines import open_warehouse_elsewhere, run
from support.project import PROJECT, TODAY

from loaders.cli import status
from loaders.export import exported
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

DBT_PROJECT = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))
FRESHNESS = DBT_PROJECT["sources"]["hello_korea"]["+freshness"]


def read(pipeline: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, dict[str, Any]]:
    """Return the exit code, the last line and the JSON of `dlt pipeline <pipeline> status`."""
    capsys.readouterr()
    code, message = status.status(pipeline, "json")
    return code, message, json.loads(capsys.readouterr().out)


def go_to(day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELLO_KOREA_TODAY", day.isoformat())


@pytest.mark.core
def test_old_fares_are_found_with_their_reason_while_the_warehouse_is_locked(
    api: SampleApi,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("travelpayouts") == (0, "")
    code, _, found = read("travelpayouts", capsys)
    (fares,) = found["tables"]
    assert (code, found["is_late"], fares["newest_date"]) == (0, False, TODAY.isoformat())
    assert fares["last_run"]["result"] == "done"
    assert fares["rejected"] == 0
    assert fares["calls_left"] == 5000 - api.calls.total()

    go_to(TODAY + timedelta(days=3), monkeypatch)
    api.fail("*prices_for_dates", error="bad_token")
    assert run("travelpayouts")[0] == 1
    with open_warehouse_elsewhere(home):
        code, message, found = read("travelpayouts", capsys)
    (fares,) = found["tables"]
    assert (code, message) == (1, "late: travelpayouts.fares")
    assert (fares["newest_date"], fares["is_late"]) == (TODAY.isoformat(), True)
    assert fares["age_hours"] >= 48
    assert fares["last_run"]["result"] == "failed"
    assert "the key is refused" in fares["last_run"]["reason"]
    assert "SOURCES__TRAVELPAYOUTS__SERVICE_KEY" in fares["last_run"]["reason"]
    assert fares["remedy"] == "dlt pipeline travelpayouts run"

    api.clear_faults()
    assert run("travelpayouts") == (0, "")
    assert read("travelpayouts", capsys)[0] == 0


@pytest.mark.core
def test_a_rerun_and_an_old_day_make_no_table_fresh(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("exim") == (0, "")
    (first,) = read("exim", capsys)[2]["tables"]
    assert run("exim") == (0, "")
    assert run("exim", date=f"{TODAY - timedelta(days=5)}") == (0, "")
    (second,) = read("exim", capsys)[2]["tables"]
    assert second["loaded_at"] == first["loaded_at"]
    assert second["newest_date"] == TODAY.isoformat()
    go_to(TODAY + timedelta(days=3), monkeypatch)
    code, _, found = read("exim", capsys)
    assert code == 1
    assert found["tables"][0]["reason"].startswith("no run since")


def test_before_the_first_run_everything_is_late_and_nothing_is_created_in_the_warehouse(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, message = status.status(None)
    printed = capsys.readouterr().out
    assert code == 1
    assert "travelpayouts.fares" in message
    assert "travelpayouts.fares: no run: dlt pipeline travelpayouts run" in printed
    assert "never exported: dbt build" in printed
    assert not (home / "warehouse.duckdb").exists()


def test_a_mart_says_when_it_was_exported_and_why_not_since(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HELLO_KOREA_TODAY")
    marts = [file.stem.removeprefix("rds_") for file in status.MARTS.glob("rds_*.sql")]
    exported.record("local", dict.fromkeys(marts, 10), {}, None)
    code, _, found = read("rds", capsys)
    assert (code, found["tables"], len(found["marts"])) == (0, [], len(marts))

    exported.record("local", {"airports": 11}, {"fares": "its test unique_fares failed"}, None)
    code, message, found = read("rds", capsys)
    by_name = {mart["mart"]: mart for mart in found["marts"]}
    assert (code, message) == (1, "late: rds.fares")
    assert by_name["fares"]["reason"] == "its test unique_fares failed"
    assert by_name["fares"]["exported_at"]
    assert (by_name["fares"]["rows"], by_name["airports"]["rows"]) == (10, 11)

    exported.record("local", {}, {}, "nothing was exported: connection refused")
    assert "connection refused" in read("rds", capsys)[2]["marts"][0]["reason"]
    exported.record("local", dict.fromkeys(marts, 10), {}, None)
    assert read("rds", capsys)[0] == 0
    monkeypatch.setenv("RDS__TARGETS", "redshift")
    assert read("rds", capsys)[2]["marts"] == []


def test_a_table_is_late_when_dbt_warns() -> None:
    assert FRESHNESS["warn_after"] == {"count": 26, "period": "hour"}
    assert timedelta(hours=26) == status.LATE_AFTER
    without = {
        (source["name"].removeprefix("staging_"), table["name"])
        for file in (PROJECT / "dbt_project/models/staging").rglob("_*__sources.yml")
        for source in yaml.safe_load(file.read_text("utf-8"))["sources"]
        for table in source["tables"]
        if "freshness" in table.get("config", {})
    }
    assert without == {
        (source.name, table.name)
        for source in SOURCES.values()
        for table in source.tables
        if status.late_after(table) is None
    }


@pytest.mark.slow
def test_the_command_answers_within_ten_seconds(home: Path, profiles: Path) -> None:
    newcomer = Newcomer(home, profiles)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = newcomer.run("dlt", "pipeline", "status", "--output", "json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # On a machine with nothing else to do; the clock would measure the other tests too.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    assert process.returncode == 1
    assert json.loads(process.stdout)["is_late"]
    assert process.stderr.startswith("late: ")
