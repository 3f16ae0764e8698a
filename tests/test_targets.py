"""dbt's targets: the warehouse's own, a developer's, and CI's, which builds only what changed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import pytest
import yaml
from dbt.cli.main import dbtRunner, dbtRunnerResult
from support.newcomer import Newcomer
from support.project import PROJECT
from support.redshift import RedshiftServer
from support.s3_server import S3Server

from loaders.export.export import _profile

TINY = {
    "dbt_project.yml": """
        name: tiny
        profile: hello_korea
        flags: {send_anonymous_usage_stats: false}
        models: {tiny: {+schema: star}}
        seeds: {tiny: {+schema: seeds}}
        snapshots: {tiny: {+schema: snapshots}}
    """,
    "models/dim_day.sql": "select 1 as day",
    "seeds/names.csv": "name\nanna\n",
    "snapshots/_snapshots.yml": """
        snapshots:
          - name: snap_day
            relation: ref('dim_day')
            config: {unique_key: day, strategy: check, check_cols: all}
    """,
}
"""A dbt project with one of each thing that has a schema; its macros are this project's."""


def profile() -> dict[str, Any]:
    """The targets of profiles.yml.example, with Redshift's on DuckDB."""
    example: dict[str, Any] = yaml.safe_load((PROJECT / "profiles.yml.example").read_text())
    outputs = example["hello_korea"]["outputs"]
    for name, output in outputs.items():
        outputs[name] = {**outputs["local"], "schema": output["schema"]}
    return example


@pytest.fixture
def own_redshift(s3: S3Server, tmp_path: Path) -> Iterator[RedshiftServer]:
    """One whose own schemas no other test looks at."""
    with RedshiftServer(tmp_path / "redshift", s3) as server:
        yield server


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    for path, text in {**TINY, "profiles.yml": yaml.safe_dump(profile())}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(dedent(text))
    (tmp_path / "macros").mkdir()
    for name in (
        "generate_schema_name",
        "is_production_target",
        "unquoted_identifier",
        "drop_target_schemas",
    ):
        shutil.copy(PROJECT / "macros" / f"{name}.sql", tmp_path / "macros")
    return tmp_path


def dbt(project: Path, *words: str) -> dbtRunnerResult:
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    return dbtRunner().invoke(["--quiet", *words, *folders])


@pytest.mark.parametrize(
    ("target", "environment", "prefix"),
    [
        ("local", {}, ""),
        ("redshift", {}, ""),
        ("dev", {"USER": "Anna.Kim@x"}, "dev_anna_kim_x_"),
        ("dev_local", {"USER": "7up"}, "dev_local_7up_"),
        ("ci", {"DBT_CI_SCHEMA": "ci_17"}, "ci_17_"),
        ("ci", {"DBT_CI_SCHEMA": "17/merge"}, "ci_17_merge_"),
    ],
)
def test_schemas_begin_with_target_and_user_but_for_the_warehouses_own(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    environment: dict[str, str],
    prefix: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    listed = dbt(tiny, "ls", "--target", target, "--output", "json", "--output-keys", "schema")
    schemas = {json.loads(node)["schema"] for node in listed.result}  # type: ignore[union-attr]
    assert schemas == {f"{prefix}star", f"{prefix}seeds", f"{prefix}snapshots"}


def test_ci_without_a_schema_of_its_run_says_so(tiny: Path) -> None:
    tried = dbt(tiny, "ls", "--target", "ci")
    assert "not provided: 'DBT_CI_SCHEMA'" in str(tried.exception)


@pytest.mark.parametrize("target", ["local", "redshift"])
def test_the_warehouses_own_schemas_are_never_dropped(
    tiny: Path, home: Path, target: str, capfd: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    assert dbt(tiny, "build", "--target", target).success
    assert not dbt(tiny, "run-operation", "drop_target_schemas", "--target", target).success
    message = (
        f"--target is '{target}': drop_target_schemas expected one of your own, such as ci or dev"
    )
    assert message in capfd.readouterr().out
    assert tables(home) == {"star": {"dim_day"}, "seeds": {"names"}, "snapshots": {"snap_day"}}


@pytest.mark.parametrize(
    ("host", "sslmode"),
    [("localhost", "disable"), ("127.0.0.1", "disable"), ("dw.example.com", "verify-full")],
)
def test_redshift_proves_who_it_is_unless_it_is_this_machine(
    profiles: Path, monkeypatch: pytest.MonkeyPatch, host: str, sslmode: str
) -> None:
    monkeypatch.setenv("DESTINATION__REDSHIFT__CREDENTIALS__HOST", host)
    for target in ("redshift", "dev"):
        read = _profile({"target": target, "profiles_dir": str(profiles)}, PROJECT / "target")
        assert read.credentials.sslmode == sslmode


def test_a_developer_builds_on_redshift_and_drops_it_again(
    tiny: Path, redshift: RedshiftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT / "profiles.yml.example", tiny / "profiles.yml")
    monkeypatch.setenv("USER", "Anna.Kim@x")
    schemas = "select nspname from pg_namespace where nspname like 'dev_anna%' order by 1"
    for name, value in redshift.environment().items():
        monkeypatch.setenv(name, value)
    assert dbt(tiny, "build", "--target", "dev").success
    layers = ("seeds", "snapshots", "star")
    assert redshift.query(schemas) == [(f"dev_anna_kim_x_{layer}",) for layer in layers]
    assert dbt(tiny, "run-operation", "drop_target_schemas", "--target", "dev").success
    assert redshift.query(schemas) == []


def test_slim_ci_on_redshift_reads_what_it_does_not_build_in_the_warehouses_own_schemas(
    tiny: Path, own_redshift: RedshiftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT / "profiles.yml.example", tiny / "profiles.yml")
    monkeypatch.setenv("DBT_CI_SCHEMA", "ci_17")
    for name, value in own_redshift.environment().items():
        monkeypatch.setenv(name, value)
    child = tiny / "models" / "fct_day.sql"
    child.write_text("select day from {{ ref('dim_day') }}")
    assert dbt(tiny, "build", "--target", "redshift").success
    state = tiny / "state"
    shutil.copytree(tiny / "target", state)

    child.write_text("select day + 1 as day from {{ ref('dim_day') }}")
    only_changed = ("--select", "state:modified+", "--defer", "--state", str(state))
    assert dbt(tiny, "build", "--target", "ci", *only_changed).success
    built = (
        "select table_name::text from information_schema.tables where table_schema like 'ci_17%'"
    )
    assert own_redshift.query(built) == [("fct_day",)]
    assert own_redshift.query("select day from ci_17_star.fct_day") == [(2,)]
    assert dbt(tiny, "run-operation", "drop_target_schemas", "--target", "ci").success
    assert own_redshift.query(built) == []
    assert own_redshift.query("select day from star.fct_day") == [(1,)]


def tables(home: Path) -> dict[str, set[str]]:
    """The tables and views of each schema but those of the loaders."""
    found: dict[str, set[str]] = {}
    with duckdb.connect(home / "warehouse.duckdb") as warehouse:
        for schema, table in warehouse.sql(
            "select table_schema, table_name from information_schema.tables"
            " where not starts_with(table_schema, 'staging_')"
        ).fetchall():
            found.setdefault(schema, set()).add(table)
    return found


@pytest.fixture
def production(built: Newcomer, home: Path) -> Path:
    """A home with a copy of the built warehouse; the manifest of its build is in `state`."""
    home.mkdir()
    shutil.copy(built.home / "warehouse.duckdb", home)
    (home / "state").mkdir()
    shutil.copy(built.home / "target" / "proved" / "manifest.json", home / "state")
    return home


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the dbt project in which dim_currency has another name for the yen."""
    project = tmp_path / "project"
    for folder in ("dbt_project", "macros", "seeds", "analyses", "tests/dbt"):
        shutil.copytree(PROJECT / folder, project / folder)
    shutil.copy(PROJECT / "dbt_project.yml", project)
    model = project / "dbt_project/models/star/dim_currency.sql"
    sql = model.read_text()
    other = "        replace(name_en, 'Japanese', 'Nippon') as name_en,\n"
    model.write_text(sql.replace("        name_en,\n", other, 1))
    assert model.read_text() != sql
    (project / "profiles.yml").write_text(yaml.safe_dump(profile()))
    return project


def test_slim_ci_builds_what_changed_and_its_children_in_schemas_that_go_again(
    production: Path, changed: Path
) -> None:
    def ci(*words: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("dbt"), *words, "--target", "ci"],
            cwd=changed,
            env={**os.environ, "DBT_CI_SCHEMA": "ci_17"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    before = tables(production)
    state = str(production / "state")
    ci("build", "--select", "state:modified+", "--defer", "--state", state)
    assert tables(production) == before | {
        "ci_17_star": {"dim_currency", "fct_exchange_rate"},
        "ci_17_serving": {"rds_exchange_rates"},
    }
    yen = "select distinct name_en from {}.rds_exchange_rates where currency_code = 'JPY'"
    with duckdb.connect(production / "warehouse.duckdb") as warehouse:
        assert warehouse.sql(yen.format("serving")).fetchall() == [("Japanese yen",)]
        assert warehouse.sql(yen.format("ci_17_serving")).fetchall() == [("Nippon yen",)]
    left = {path.name for path in (changed / "target").iterdir()}
    assert "run_results.json" in left
    assert not {"export.json", "proved"} & left
    assert not (production / "rds").exists()

    assert "dropped ci_17_star" in ci("run-operation", "drop_target_schemas")
    assert tables(production) == before
