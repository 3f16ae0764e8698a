"""What `make run` prints of `dbt build`."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from support.newcomer import Newcomer

from loaders.cli import build


def event(name: str, level: str, message: str, **data: object) -> bytes:
    return orjson.dumps({"info": {"name": name, "level": level, "msg": message}, "data": data})


def test_a_log_has_warnings_failures_and_notes_in_full_and_how_far_the_build_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "SECONDS_BETWEEN_LINES", 0.0)
    log = StringIO()
    failure = "Failure in test a (models/a.yml)\n  Got 4 results, configured to fail if != 0"
    place, fare = {"unique_id": "model.p.dim_place"}, {"unique_id": "test.p.fare"}
    lines = [
        event("MainReportVersion", "info", "Running with dbt=1.11.16"),
        event("Note", "info", "120 unit tests are left out"),
        event("LogHookEndLine", "info", "1 of 1 OK hook", index=1, total=1, node_info={}),
        event("LogStartLine", "info", "1 of 2 START", index=1, total=2, node_info=place),
        event("LogModelResult", "info", "1 of 2 OK", index=1, total=2, node_info=place),
        event("LogTestResult", "error", "2 of 2 FAIL 4", index=2, num_models=2, node_info=fare),
        event("RunResultFailure", "error", failure, node_info=fare),
        event("Note", "info", "  fares: 3 rows"),
        b"a print of a macro\n",
    ]
    build.show(Console(file=log, width=160, no_color=True), lines)
    assert log.getvalue().splitlines() == [
        "120 unit tests are left out",
        "dbt build: 1 of 2 models and tests",
        "2 of 2 FAIL 4",
        "dbt build: 2 of 2 models and tests",
        *failure.splitlines(),
        "a print of a macro",
    ]


@pytest.mark.slow
def test_every_model_and_test_counts_in_a_layer(built: Newcomer) -> None:
    results = built.artifact("run_results.json")
    lines = build.layer_lines(results, built.artifact("manifest.json"))
    assert [line.split(":")[0] for line in lines] == list(build.LAYERS)
    counted = sum(int(part.split()[0].replace(",", "")) for line in lines for part in counts(line))
    ids = [result["unique_id"] for result in results["results"]]
    assert counted == sum(not name.startswith(("operation.", "exposure.")) for name in ids)


def counts(line: str) -> list[str]:
    """Return the counts of a layer's line, such as `12 tests passed`."""
    return line.split(": ")[1].split(", ")[:-1]


@pytest.mark.slow
def test_output_in_a_file_has_no_colour_codes(built: Newcomer) -> None:
    assert "\x1b" not in built.outputs["dbt build"]


@pytest.mark.long
def test_a_build_before_the_first_load_shows_the_reason_and_ends_as_dbt_does(
    home: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_PROFILES_DIR", str(profiles))
    monkeypatch.setenv("DBT_TARGET_PATH", str(home / "target"))
    process = subprocess.run(
        [sys.executable, "-m", "loaders.cli.build"], capture_output=True, text=True
    )
    assert process.returncode == 2
    assert "dlt pipeline run" in process.stdout
    assert "\x1b" not in process.stdout
