"""dbt's targets: the shared warehouse, a developer's schemas, and CI, which builds only changes."""

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

from loaders.export.export import read_profile

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
"""Files of a dbt project with one model, seed and snapshot. Its macros are this project's."""


def duckdb_profiles() -> dict[str, Any]:
    """Return profiles.yml.example with DuckDB in place of Redshift."""
    example: dict[str, Any] = yaml.safe_load((PROJECT / "profiles.yml.example").read_text())
    outputs = example["hello_korea"]["outputs"]
    for name, output in outputs.items():
        outputs[name] = {**outputs["local"], "schema": output["schema"]}
    return example


@pytest.fixture
def own_redshift(s3: S3Server, tmp_path: Path) -> Iterator[RedshiftServer]:
    """A server whose shared schemas no other test uses."""
    with RedshiftServer(tmp_path / "redshift", s3) as server:
        yield server


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    for path, text in {**TINY, "profiles.yml": yaml.safe_dump(duckdb_profiles())}.items():
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


def dbt(project: Path, *arguments: str) -> dbtRunnerResult:
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    return dbtRunner().invoke(["--quiet", *arguments, *folders])


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
@pytest.mark.slow
def test_schemas_have_a_prefix_of_target_and_user_except_in_the_shared_warehouse(
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


def test_ci_without_a_schema_for_its_run_fails_and_names_the_variable(tiny: Path) -> None:
    result = dbt(tiny, "ls", "--target", "ci")
    assert "not provided: 'DBT_CI_SCHEMA'" in str(result.exception)


@pytest.mark.parametrize("target", ["local", "redshift"])
def test_the_shared_schemas_are_never_dropped(
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
def test_the_certificate_of_redshift_is_verified_unless_it_is_this_machine(
    profiles: Path, monkeypatch: pytest.MonkeyPatch, host: str, sslmode: str
) -> None:
    monkeypatch.setenv("DESTINATION__REDSHIFT__CREDENTIALS__HOST", host)
    for target in ("redshift", "dev"):
        profile = read_profile(
            {"target": target, "profiles_dir": str(profiles)}, PROJECT / "target"
        )
        assert profile.credentials.sslmode == sslmode


def test_a_developer_builds_on_redshift_and_drops_the_schemas(
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


@pytest.mark.long
def test_slim_ci_on_redshift_reads_unchanged_models_from_the_shared_schemas(
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
    """Return the tables and views of each schema except the loaders' schemas."""
    schemas: dict[str, set[str]] = {}
    with duckdb.connect(home / "warehouse.duckdb") as warehouse:
        for schema, table in warehouse.sql(
            "select table_schema, table_name from information_schema.tables"
            " where not starts_with(table_schema, 'staging_')"
        ).fetchall():
            schemas.setdefault(schema, set()).add(table)
    return schemas


@pytest.fixture
def production(built: Newcomer, home: Path) -> Path:
    """A home with a copy of the built warehouse, and in `state` the manifest of its build."""
    home.mkdir()
    shutil.copy(built.home / "warehouse.duckdb", home)
    (home / "state").mkdir()
    shutil.copy(built.home / "proofs" / "local" / "manifest.json", home / "state")
    return home


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the dbt project whose dim_currency gives the yen another name."""
    project = tmp_path / "project"
    for folder in ("dbt_project", "macros", "seeds", "analyses", "tests/dbt"):
        shutil.copytree(PROJECT / folder, project / folder)
    for name in (".dbtignore", "dbt_project.yml"):
        shutil.copy(PROJECT / name, project)
    model = project / "dbt_project/models/star/dim_currency.sql"
    sql = model.read_text()
    changed_line = "        replace(name_en, 'Japanese', 'Nippon') as name_en,\n"
    model.write_text(sql.replace("        name_en,\n", changed_line, 1))
    assert model.read_text() != sql
    (project / "profiles.yml").write_text(yaml.safe_dump(duckdb_profiles()))
    return project


@pytest.mark.long
def test_slim_ci_builds_changed_models_and_their_children_in_schemas_that_it_can_drop(
    production: Path, changed: Path
) -> None:
    def ci(*arguments: str) -> str:
        command = subprocess.run(
            [Path(sys.executable).with_name("dbt"), *arguments, "--target", "ci"],
            cwd=changed,
            env={**os.environ, "DBT_CI_SCHEMA": "ci_17"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert command.returncode == 0, command.stdout
        return command.stdout

    before = tables(production)
    state = str(production / "state")
    ci("build", "--select", "state:modified+", "--defer", "--state", state)
    assert tables(production) == before | {
        "ci_17_star": {"dim_currency", "fct_exchange_rate"},
        "ci_17_serving": {
            *("rds_airports", "rds_exchange_rates", "rds_fares"),
            *("rds_popular_airports", "rds_popular_items"),
        },
    }
    yen_name = "select distinct name_en from {}.rds_exchange_rates where currency_code = 'JPY'"
    with duckdb.connect(production / "warehouse.duckdb") as warehouse:
        assert warehouse.sql(yen_name.format("serving")).fetchall() == [("Japanese yen",)]
        assert warehouse.sql(yen_name.format("ci_17_serving")).fetchall() == [("Nippon yen",)]
    artifacts = {path.name for path in (changed / "target").iterdir()}
    assert "run_results.json" in artifacts
    assert "export.json" not in artifacts
    assert not (production / "rds").exists()

    assert "dropped ci_17_star" in ci("run-operation", "drop_target_schemas")
    assert tables(production) == before
