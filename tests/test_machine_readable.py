"""What a run prints for programs: one JSON document, and logs of one JSON object a line."""

import json
import subprocess
from typing import Any

import pytest
from support.pipelines import DLT, lake
from support.project import PROJECT, TODAY

from loaders import web_logs
from loaders.cli import commands
from loaders.sample_api import SampleApi


def run(*words: str) -> tuple[int, dict[str, Any], str]:
    """Run a dlt command. Return its exit code, the JSON of standard output and standard error."""
    process = subprocess.run(
        [DLT, "pipeline", *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return process.returncode, json.loads(process.stdout), process.stderr


@pytest.mark.slow
def test_standard_output_is_one_document_with_the_paths_in_the_lake(api: SampleApi) -> None:
    code, found, _ = run("exim", "run", "--output", "json")
    (table,) = found["tables"]
    (paths,) = table["dates"].values()
    assert (code, found["exit_code"], found["error"], table["errors"]) == (0, 0, None, [])
    assert list(table["dates"]) == [TODAY.isoformat()]
    assert table["calls"] == api.calls.total()
    assert table["loaded"] == table["staged"] > 0
    assert [step["phase"] for step in table["steps"]] == ["extract", "stage", "load"]
    assert paths["raw"] == f"raw/exim/exchange_rates/dt={TODAY}/extraction=001"
    assert lake().keys(paths["raw"])
    assert lake().exists(paths["stage"])


@pytest.mark.slow
def test_a_failure_is_in_the_document_and_in_a_log_of_json(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__LOG_FORMAT", "json")
    api.fail("*exchangeJSON", error="bad_key")
    code, found, log = run("exim", "run", "--output", "json")
    (table,) = found["tables"]
    assert (code, found["exit_code"]) == (1, 1)
    assert found["error"] == "not complete: exim.exchange_rates"
    assert "the key is refused" in table["errors"][0]
    entries = [json.loads(line) for line in log.splitlines()]
    (failed, last) = [entry for entry in entries if entry["level"] == "error"]
    assert (failed["source"], failed["table"]) == ("exim", "exchange_rates")
    assert failed["message"] == table["errors"][0]
    assert last["message"] == found["error"]
    assert all(entry["time"].endswith("+09:00") for entry in entries)


def test_a_wrong_option_is_in_the_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = commands.RunArguments(plan=True, is_json=True)
    code, message = commands.run("exim", arguments)
    found = json.loads(capsys.readouterr().out)
    assert (code, message) == (2, "--output is 'json with --plan': expected it with a run")
    assert (found["exit_code"], found["error"], found["tables"]) == (2, message, [])


@pytest.mark.core
def test_generated_logs_name_their_folders_in_stage(capsys: pytest.CaptureFixture[str]) -> None:
    day = "2026-08-15"
    arguments = commands.RunArguments(day, scale="0.0001", table="users", is_json=True)
    assert commands.run(web_logs.NAME, arguments) == (0, "")
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert table["dates"] == {day: {"raw": None, "stage": f"stage/web_logs/users/dt={day}"}}
    assert lake().keys(table["dates"][day]["stage"])
