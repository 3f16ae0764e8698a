"""Commands, settings, files and messages in `docs/operations.md` exist and work as described."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from dbt.cli.main import cli
from support.pipelines import query, run, table_results
from support.project import PROJECT, TODAY
from support.small_project import SmallProject, postgres

from loaders import web_logs
from loaders.cli.plugin import RunCommand, VerifyCommand
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

DOCUMENT = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
SYSTEMD = PROJECT / "docs" / "systemd"
DAYS = f"{TODAY - timedelta(days=2)}..{TODAY}"


def commands(first_word: str) -> list[list[str]]:
    """Return the document's commands that begin with a word, in code blocks and in lines."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    text = re.sub(r"```.*?```", "", DOCUMENT, flags=re.DOTALL)
    lines = "\n".join([*blocks, *re.findall(r"`([^`]+)`", text)]).splitlines()
    without_settings = [re.sub(r"^([A-Z_]+=\S+ )+", "", line) for line in lines]
    return [shlex.split(line) for line in without_settings if line.startswith(f"{first_word} ")]


@pytest.mark.parametrize("words", commands("dlt"), ids=" ".join)
def test_each_dlt_command_exists(words: list[str]) -> None:
    is_of_all = words[2] in ("run", "status", "verify")
    _, group, name, verb, *options = [*words[:2], "", *words[2:]] if is_of_all else words
    assert group == "pipeline"
    assert name in {"", "rds", web_logs.NAME, *SOURCES}
    if verb not in ("run", "verify"):
        assert verb in ("info", "trace", "failed-jobs", "rejected", "status", "check")
        return
    parser = argparse.ArgumentParser(exit_on_error=False)
    (RunCommand() if verb == "run" else VerifyCommand()).configure_parser(parser)
    parser.parse_args(options)


@pytest.mark.parametrize("words", commands("dbt"), ids=" ".join)
def test_each_dbt_command_exists_with_its_options(words: list[str]) -> None:
    names = [word for word in words[1:] if not word.startswith("-")]
    command = cli.commands[names[0]]
    if names[0] == "source":
        command = command.commands[names[1]]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    if names[0] == "run-operation":
        assert (PROJECT / "macros" / f"{names[1]}.sql").exists()


def test_each_make_target_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = {words[1] for words in commands("make")}
    assert targets >= {"setup", "lock"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_each_file_exists() -> None:
    named = set(re.findall(r"(?<!target/)(?:docs|\.dlt|\.\.)/[\w./-]+\.\w+", DOCUMENT))
    assert len(named) >= 10
    for name in named - {".dlt/secrets.toml"}:
        assert (PROJECT / "docs" / name).exists() or (PROJECT / name).exists(), name


def test_the_loaders_read_each_setting() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in [
            *(PROJECT / "loaders").rglob("*.py"),
            *(PROJECT / "profiles.yml.example", PROJECT / "Makefile"),
        ]
    )
    named = set(re.findall(r"\b(?:[A-Z]+__[A-Z_]+|(?:AWS|DBT|HELLO)_[A-Z_]+)\b", DOCUMENT))
    assert len(named) >= 15
    for name in named:
        if name.startswith("AIRFLOW__"):  # of Airflow itself: see test_airflow.py
            continue
        *_, last = name.lower().split("__")
        assert name in code or f"{last}" in code, name


def test_the_loaders_print_each_message() -> None:
    code = re.sub(
        r'"\s+f?"',
        "",
        "".join(path.read_text("utf-8") for path in (PROJECT / "loaders").rglob("*.py")),
    )
    rows = re.findall(
        r"^\| (.+?) \| .+ \| .+ \|$", DOCUMENT.partition("## When something")[2], re.M
    )
    messages = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    assert len(messages) >= 12
    dbt_tests = [path.stem for path in (PROJECT / "tests" / "dbt").glob("*.sql")]
    for message in messages:
        if message in dbt_tests:
            continue
        # Table names and numbers in a message are examples.
        parts = re.split(r"…|tour[./]places|tour|events|0\.2", message)
        for part in (part.strip(" :") for part in parts):
            assert part in code or part in ("dbt build", "raw/"), part


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    for unit in ("hello-korea.service", "hello-korea.timer", "hello-korea-failed@.service"):
        text = (SYSTEMD / unit).read_text(encoding="utf-8")
        (tmp_path / unit).write_text(text.replace("/opt/hello-korea", str(PROJECT)))
    process = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_the_daily_unit_names_the_unit_that_tells_of_its_end() -> None:
    daily = (SYSTEMD / "hello-korea.service").read_text(encoding="utf-8")
    assert "OnFailure=hello-korea-failed@%n.service" in daily
    assert "-m loaders.cli.tell %i" in (SYSTEMD / "hello-korea-failed@.service").read_text("utf-8")


@pytest.mark.parametrize(
    ("load_code", "build_code", "expected_code", "expected_commands"),
    [
        (0, 0, 0, ["loader dlt pipeline run", "transformer dbt build"]),
        (1, 0, 1, ["loader dlt pipeline run", "transformer dbt build"]),
        (0, 2, 2, ["loader dlt pipeline run", "transformer dbt build"]),
        (2, 0, 2, ["loader dlt pipeline run"]),
        (3, 0, 3, ["loader dlt pipeline run"]),
    ],
)
def test_the_daily_script_loads_and_builds_with_the_settings_of_each_user(
    tmp_path: Path,
    load_code: int,
    build_code: int,
    expected_code: int,
    expected_commands: list[str],
) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, code in (("dlt", load_code), ("dbt", build_code)):
        script = f'#!/bin/sh\necho "$ROLE" {name} "$@"\nexit {code}\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    for role in ("loader", "transformer"):
        (tmp_path / f"{role}.env").write_text(f"ROLE='{role}'\n")
    command = [SYSTEMD / "day.sh", tmp_path, tmp_path]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == expected_code
    assert process.stdout.splitlines() == expected_commands


@pytest.mark.parametrize(
    ("code", "opened", "expected_code", "expected_calls"),
    [
        (0, "", 0, []),
        (1, "", 0, ["issue list", "issue create"]),
        (1, "7", 0, ["issue list", "issue view", "issue comment"]),
        (2, "", 2, []),
    ],
)
def test_the_nightly_check_opens_one_issue_with_the_difference(
    tmp_path: Path, code: int, opened: str, expected_code: int, expected_calls: list[str]
) -> None:
    difference = "exim.exchange_rates: new field 'spread'"
    scripts = {
        ".venv/bin/dlt": f'echo "kma.forecasts: as described"; echo "{difference}"; exit {code}',
        "bin/gh": f'echo "$1 $2" >> {tmp_path}/calls; printf "%s" "$*" >> {tmp_path}/texts\n'
        f'case "$2" in list) echo "{opened}";; esac',
    }
    for name, script in scripts.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci" / "drift", tmp_path / ".ci")
    environment = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "SOURCES__EXIM__SERVICE_KEY": "k",
    }
    process = subprocess.run([tmp_path / ".ci" / "drift"], env=environment, capture_output=True)
    assert process.returncode == expected_code, process.stderr
    calls = tmp_path / "calls"
    assert (calls.read_text().splitlines() if calls.exists() else []) == expected_calls
    if expected_calls:
        texts = (tmp_path / "texts").read_text()
        assert difference in texts
        assert "kma.forecasts" not in texts


def test_the_nightly_check_asks_nobody_without_a_key() -> None:
    environment = {"PATH": os.environ["PATH"], "SOURCES__EXIM__SERVICE_KEY": ""}
    command = [PROJECT / ".ci" / "drift"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, "no key is set: nothing is asked\n")


@pytest.mark.slow
def test_the_warehouse_can_be_restored_from_the_lake_without_a_call(
    api: SampleApi, home: Path
) -> None:
    assert run("exim", date=DAYS) == (0, "")
    all_rows = "select * exclude (_dlt_load_id) from staging_exim.exchange_rates order by all"
    before, calls = query(home, all_rows), api.calls.copy()
    assert before
    for phases in (("load",), ("stage", "load")):
        (home / "warehouse.duckdb").unlink()
        if "stage" in phases:
            shutil.rmtree(home / "lake" / "stage")
        for phase in phases:
            assert run("exim", only=phase, date=DAYS)[0] == 0, table_results(home)
        assert [row[:-1] for row in query(home, all_rows)] == [row[:-1] for row in before]
    assert api.calls == calls


@pytest.mark.slow
def test_rds_can_be_restored_from_the_marts(tmp_path: Path) -> None:
    with postgres(tmp_path / "rds") as url:
        project = SmallProject(tmp_path / "project", tmp_path / "home", url)
        project.write()
        assert project.dbt("build").returncode == 0
        all_events = "select (to_jsonb(e) - 'updated_at')::text from events as e order by 1"
        before = project.rds(all_events)
        assert before
        project.empty_rds()
        environment = project.environment | {"DBT_TARGET_PATH": str(project.target_dir)}
        with pytest.MonkeyPatch.context() as settings:
            for name, value in environment.items():
                settings.setenv(name, value)
            assert run("rds") == (0, "")
        assert project.rds(all_events) == before
