"""A unit test that passed does not run again while nothing that its result depends on changes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.cases import mostly_long
from support.project import PROJECT as PROJECT_FOLDER
from support.small_project import SmallProject, dbt

AMOUNTS = {"amounts_are_doubled"}
ALL = {"amounts_are_doubled", "rates_are_rounded", "tours_are_counted"}

PROJECT = """
name: shop
profile: shop
version: "1.0"
flags: {send_anonymous_usage_stats: false}
vars: {factor: 2}
models:
  shop:
    +materialized: table
    serving: {+schema: serving, +contract: {enforced: true}}
"""

FILES = {
    "dbt_project.yml": PROJECT,
    "macros/doubled.sql": """
        {% macro doubled(column) %}{{ return(adapter.dispatch("doubled")(column)) }}{% endmacro %}
        {% macro default__doubled(column) %}{{ times(column) }}{% endmacro %}
        {% macro times(column) %}{{ column }} * {{ var("factor") }}{% endmacro %}
    """,
    "models/amounts.sql": "select cast(1 as integer) as amount",
    "models/doubled_amounts.sql": "select {{ doubled('amount') }} as a from {{ ref('amounts') }}",
    "models/tour_count.sql": "select count(*) as n from {{ source('raw', 'tours') }}",
    "tests/fixtures/two_amounts.csv": "amount\n1\n2\n",
    "models/more.yml": """
sources:
  - {name: raw, schema: raw, tables: [{name: tours}]}
unit_tests:
  - name: amounts_are_doubled
    model: doubled_amounts
    given: [{input: ref('amounts'), format: csv, fixture: two_amounts}]
    expect: {rows: [{a: 2}, {a: 4}]}
  - name: tours_are_counted
    model: tour_count
    given: [{input: "source('raw', 'tours')", rows: [{tour_id: 1}, {tour_id: 2}]}]
    expect: {rows: [{n: 2}]}
""",
}


@pytest.fixture(scope="module")
def proven(small_project: SmallProject, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """The small project with more unit tests, all of which a build has proven."""
    project = small_project.copy(tmp_path_factory.mktemp("proven"), "")
    shutil.rmtree(project.home / "unit_tests")
    for path, text in FILES.items():
        write(project, path, text)
    project.warehouse("create table raw.tours (tour_id integer)")
    assert unit_tests_run(project) == ALL
    return project


@pytest.fixture
def project(proven: SmallProject, tmp_path: Path) -> SmallProject:
    return proven.copy(tmp_path / "copy", "")


def write(project: SmallProject, path: str, text: str) -> None:
    (project.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (project.folder / path).write_text(text, encoding="utf-8")


def edit(path: str, old: str, new: str) -> Callable[[SmallProject], None]:
    """Return a function that replaces `old` by `new` in a file of a project."""

    def apply(project: SmallProject) -> None:
        file = project.folder / path
        assert old in file.read_text("utf-8")
        file.write_text(file.read_text("utf-8").replace(old, new), encoding="utf-8")

    return apply


def statuses(project: SmallProject) -> dict[str, str]:
    """Return the status of each unit test that ran in the last command."""
    return {
        result["unique_id"].rpartition(".")[2]: result["status"]
        for result in project.run_results()["results"]
        if result["unique_id"].startswith("unit_test.")
    }


def unit_tests_run(project: SmallProject, *args: str, **environment: str) -> set[str]:
    """Run dbt, by default `dbt build`, without the export. Return the unit tests that ran."""
    assert dbt(project, *(args or ("build",)), **{"RDS__TARGETS": "none", **environment})
    return set(statuses(project))


def proofs(project: SmallProject) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.home / "unit_tests" / "local.json").read_text())
    return {name.rpartition(".")[2]: proof for name, proof in content.items()}


def kept_out(project: SmallProject) -> dict[str, str]:
    reasons: dict[str, str] = json.loads((project.target_dir / "export.json").read_text())[
        "kept_out"
    ]
    return reasons


def test_a_second_build_takes_all_unit_tests_as_proven_and_says_since_when(
    project: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unit_tests_run(project) == set()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "as proven" in line]
    oldest = min(proof["passed_at"] for proof in proofs(project).values())
    assert f"3 of 3 unit tests taken as proven (oldest proof {oldest[:10]}" in line


@pytest.mark.parametrize(
    ("change", "affected"),
    mostly_long(
        [
            (edit("models/doubled_amounts.sql", "select", "select  "), AMOUNTS),
            (edit("macros/doubled.sql", "{{ column }} *", "+{{ column }} *"), AMOUNTS),
            (edit("models/schema.yml", "rate: 1.23456", "rate: 1.23458"), {"rates_are_rounded"}),
            (edit("dbt_project.yml", "factor: 2", "factor: 2.0"), ALL),
            (edit("models/dim_venue.sql", "select", "select  "), set()),
            (edit("models/amounts.sql", "integer", "bigint"), AMOUNTS),
            (edit("macros/doubled.sql", "{{ times(", "0 + {{ times("), AMOUNTS),
            (edit("tests/fixtures/two_amounts.csv", "1\n2", "2\n1"), AMOUNTS),
            (edit("models/more.yml", "[{a: 2}, {a: 4}]", "[{a: 4}, {a: 2}]"), AMOUNTS),
            (edit("models/schema.yml", "varchar(3)", "varchar(4)"), {"rates_are_rounded"}),
            (edit("models/schema.yml", "What a currency is worth", "Rates"), set()),
        ],
        short=5,
    ),
    ids=[
        "model",
        "macro that a macro calls",
        "fixture in yaml",
        "variable",
        "another model",
        "model that it reads",
        "macro",
        "fixture in a file",
        "expected rows",
        "type in the contract",
        "description",
    ],
)
def test_a_change_runs_exactly_the_unit_tests_that_depend_on_it(
    project: SmallProject, change: Callable[[SmallProject], None], affected: set[str]
) -> None:
    change(project)
    assert unit_tests_run(project) == affected


def test_a_macro_for_the_adapter_replaces_the_proof_of_the_default(project: SmallProject) -> None:
    macro = "{% macro duckdb__doubled(column) %}{{ column }} + {{ column }}{% endmacro %}"
    write(project, "macros/duckdb__doubled.sql", macro)
    assert unit_tests_run(project) == AMOUNTS


def test_another_type_of_a_source_in_the_warehouse_runs_the_unit_tests_on_it(
    project: SmallProject,
) -> None:
    project.warehouse("alter table raw.tours alter tour_id type bigint")
    assert unit_tests_run(project) == {"tours_are_counted"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["test"],
        ["test", "--select", "test_type:unit"],
        ["build", "--select", "doubled_amounts", "rds_rates", "tour_count"],
    ],
    ids=" ".join,
)
def test_unit_tests_that_a_command_selects_run(project: SmallProject, arguments: list[str]) -> None:
    assert unit_tests_run(project, *arguments) == ALL


def test_every_unit_test_runs_by_setting_on_another_target_and_in_another_home(
    project: SmallProject,
) -> None:
    assert unit_tests_run(project, UNIT_TESTS="always") == ALL
    assert unit_tests_run(project, "build", "--target", "ci") == ALL
    shutil.rmtree(project.home / "unit_tests")
    assert unit_tests_run(project) == ALL


def test_a_wrong_setting_ends_the_build_before_it_begins(project: SmallProject) -> None:
    build = project.dbt("build", UNIT_TESTS="never")
    assert build.returncode == 2
    assert "UNIT_TESTS is 'never': expected changed or always" in build.stdout
    assert "Traceback" not in build.stdout + build.stderr


def test_proofs_survive_dbt_clean(project: SmallProject) -> None:
    write(project, "dbt_project.yml", PROJECT + "clean-targets: [target]\n")
    assert dbt(project, "clean")
    assert unit_tests_run(project) == set()


def test_a_unit_test_that_fails_has_no_proof_until_it_passes(project: SmallProject) -> None:
    edit("models/doubled_amounts.sql", "}} as a", "}} + 1 as a")(project)
    for _ in range(2):
        assert not dbt(project, "build", RDS__TARGETS="none")
        assert statuses(project) == {"amounts_are_doubled": "fail"}
    assert set(proofs(project)) == ALL - AMOUNTS

    edit("models/doubled_amounts.sql", "}} + 1 as a", "}} as a")(project)
    assert unit_tests_run(project) == AMOUNTS


def test_a_unit_test_whose_inputs_were_not_built_is_not_proven(project: SmallProject) -> None:
    edit("models/amounts.sql", "integer", "bigint")(project)
    unit_tests_run(project, "build", "--select", "doubled_amounts", "amounts_are_doubled")
    assert unit_tests_run(project) == AMOUNTS


def test_a_mart_is_exported_if_its_unit_tests_are_proven_and_kept_out_if_one_fails(
    project: SmallProject, database: str
) -> None:
    project = SmallProject(project.folder, project.home, database)
    project.empty_rds()
    assert dbt(project, "build")
    assert statuses(project) == {}
    assert project.rds("select count(*) from rates") == [(10,)]

    project.warehouse("update raw.rates set rate = rate + 1")
    edit("models/serving/rds_rates.sql", "cast(rate", "cast(rate + 1")(project)
    assert not dbt(project, "build")
    assert statuses(project) == {"rates_are_rounded": "fail"}
    assert kept_out(project) == {"rates": "it was skipped: rates_are_rounded failed"}


def test_a_mart_whose_unit_test_is_left_out_is_exported_only_if_its_code_is_proven(
    project: SmallProject, database: str
) -> None:
    project = SmallProject(project.folder, project.home, database)
    project.empty_rds()
    without = ("build", "--exclude-resource-type", "unit_test")
    assert dbt(project, *without)
    assert project.rds("select count(*) from rates") == [(10,)]

    edit("models/serving/rds_rates.sql", "select", "select  ")(project)
    assert not dbt(project, *without)
    assert kept_out(project) == {"rates": "its test rates_are_rounded did not run"}


def test_a_table_that_can_not_be_replaced_stays_as_it_was(tmp_path: Path) -> None:
    project = SmallProject(tmp_path / "project", tmp_path / "home", "")
    project.write()
    macro = (PROJECT_FOLDER / "macros" / "replace_in_one_transaction.sql").read_text("utf-8")
    write(project, "macros/replace.sql", macro)
    assert dbt(project, "run")
    edit("models/dim_venue.sql", "*", "cast(venue_id as integer) as venue_id")(project)
    assert not dbt(project, "run", "--select", "dim_venue")

    with duckdb.connect(project.home / "warehouse.duckdb") as warehouse:
        assert warehouse.execute("select count(*) from main.dim_venue").fetchone() == (10,)
        names = warehouse.execute("select table_name from duckdb_tables()").fetchall()
        assert not [name for (name,) in names if "dbt" in name]

    config = "{{ config(materialized='view') }} "
    write(project, "models/dim_venue.sql", config + "select * from raw.venues")
    assert dbt(project, "run", "--select", "dim_venue")
