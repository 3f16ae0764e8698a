"""A mart is exported if its newest build and tests are good, whichever dbt commands ran them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.pipelines import run
from support.small_project import SmallProject, dbt

RATES = ("build", "--select", "stg_rates", "rds_rates")
NO_TESTS = ("--exclude-resource-type", "test", "unit_test")


@pytest.fixture
def project(small_copy: SmallProject) -> SmallProject:
    """The small project after a build, not exported yet."""
    return small_copy


@pytest.fixture
def exported(project: SmallProject) -> SmallProject:
    """The small project whose marts are exported, and whose rates have changed since."""
    assert export(project)[0] == 0
    project.warehouse("update raw.rates set rate = rate + 1")
    return project


def export(project: SmallProject) -> tuple[int, str]:
    """Run `dlt pipeline rds run`."""
    with pytest.MonkeyPatch.context() as settings:
        for name, value in project.environment.items():
            settings.setenv(name, value)
        settings.setenv("DBT_TARGET_PATH", str(project.target_dir))
        return run("rds")


def edit(project: SmallProject, path: str, old: str, new: str) -> None:
    file = project.folder / "models" / path
    assert old in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(old, new), encoding="utf-8")


def report(project: SmallProject) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.target_dir / "export.json").read_text())
    return content


def changed(project: SmallProject) -> dict[str, int]:
    """Return the number of changed rows of each table in the last export."""
    return {table["table"]: table["changed"] for table in report(project)["tables"]}


@pytest.mark.long
def test_a_mart_that_is_built_alone_is_exported_with_those_proven_before(
    exported: SmallProject,
) -> None:
    assert dbt(exported, *RATES)

    assert changed(exported) == {"districts": 0, "rates": 10, "venues": 0, "events": 0}
    assert export(exported) == (0, "")
    assert changed(exported) == {"districts": 0, "rates": 0, "venues": 0, "events": 0}


def test_a_selected_mart_that_stays_out_fails_the_build_with_the_reason(
    exported: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not dbt(exported, *RATES, *NO_TESTS)

    reason = "its test not_null_rds_rates_rate_date did not run since rds_rates was built"
    assert f"Export failed: not exported: rates: {reason}" in capsys.readouterr().out
    assert report(exported)["kept_out"] == {"rates": reason}
    assert export(exported) == (1, f"not exported: rates: {reason}")
    assert exported.rds("select max(rate) from rates") == [(1409,)]

    assert dbt(exported, "test", "--select", "rds_rates")
    assert export(exported) == (0, "")
    assert exported.rds("select max(rate) from rates") == [(1410,)]


def test_a_mart_that_only_dbt_run_built_stays_out_until_its_tests_have_run(
    exported: SmallProject,
) -> None:
    assert dbt(exported, "run", "--select", "rds_districts+")
    code, line = export(exported)

    assert code == 1
    assert set(report(exported)["kept_out"]) == {"districts", "venues"}
    test = "unique_rds_districts_district_id"
    assert f"districts: its test {test} did not run since rds_districts was built; its" in line
    assert (
        "_district_id__ref_rds_districts_ did not run since rds_districts, rds_venues was" in line
    )
    assert dbt(exported, "test", "--select", "rds_districts", "rds_venues")
    assert export(exported) == (0, "")


def test_a_failure_of_a_partial_build_keeps_out_its_mart_until_it_is_mended(
    exported: SmallProject,
) -> None:
    exported.warehouse("update raw.rates set rate_date = null where rate = 1405")
    assert not dbt(exported, *RATES)
    assert report(exported)["kept_out"] == {"rates": "its build failed"}
    assert export(exported) == (1, "not exported: rates: its build failed")

    exported.warehouse("update main.stg_rates set rate_date = '2026-10-31' where rate = 1405")
    assert dbt(exported, "retry")
    assert export(exported) == (0, "")
    assert exported.rds("select max(rate) from rates") == [(1410,)]


def test_a_mart_whose_code_has_changed_since_its_build_stays_out(exported: SmallProject) -> None:
    edit(exported, "serving/rds_districts.sql", "select", "select  ")
    assert dbt(exported, *RATES)

    assert changed(exported) == {"rates": 10, "venues": 0, "events": 0}
    assert "its code has changed since" in report(exported)["kept_out"]["districts"]


def test_a_mart_without_its_parents_proof_is_exported_if_their_rows_are_there(
    exported: SmallProject,
) -> None:
    shutil.rmtree(exported.home / "proofs")
    exported.warehouse("update raw.events set title = 'new'")
    assert dbt(exported, "build", "--select", "rds_events")

    assert changed(exported) == {"events": 100}
    never_built = dict.fromkeys(("districts", "rates", "venues"), "it was never built")
    assert report(exported)["kept_out"] == never_built
    exported.rds(
        "delete from events where venue_id = 'v9'; delete from venues where venue_id = 'v9'"
    )
    assert not dbt(exported, "build", "--select", "rds_events")
    assert report(exported)["held_back"]["events"].startswith(
        "its parent venues was not exported and lacks rows to which 10 of its rows refer, such as "
        "venue_id 'v9'"
    )
    assert exported.rds("select count(*) from events") == [(90,)]


def test_a_mart_without_its_parents_in_the_database_says_how_to_export_both(
    project: SmallProject,
) -> None:
    shutil.rmtree(project.home / "proofs")
    assert not dbt(project, "build", "--select", "rds_events")

    assert report(project)["held_back"] == {
        "events": "its parent venues is not in the database; "
        "`dbt build --select rds_venues rds_events` exports both"
    }


@pytest.mark.parametrize("names", [["rds_fars"], ["rds_rates", "rds_fars"]], ids=" ".join)
def test_a_selector_that_matches_nothing_fails_the_build(
    exported: SmallProject, capsys: pytest.CaptureFixture[str], names: list[str]
) -> None:
    assert not dbt(exported, "build", "--select", *names)

    assert "--select rds_fars matches nothing" in capsys.readouterr().out
    assert export(exported) == (0, "")


def test_a_selection_of_what_changed_may_match_nothing(
    exported: SmallProject, tmp_path: Path
) -> None:
    shutil.copytree(exported.target_dir, tmp_path / "state")
    changed_models = ("--select", "state:modified", "--state", str(tmp_path / "state"))
    assert dbt(exported, "build", *changed_models)


def test_a_build_of_no_mart_exports_nothing_and_passes(exported: SmallProject) -> None:
    before = report(exported)
    assert dbt(exported, "build", "--select", "stg_rates")
    assert report(exported) == before


def test_a_trial_build_replaces_the_proof_of_its_marts(exported: SmallProject) -> None:
    assert dbt(exported, *RATES, "--empty")

    reason = "its last build read only a part of the rows (--empty or --sample)"
    assert export(exported) == (1, f"not exported: rates: {reason}")
    assert exported.rds("select count(*) from rates") == [(10,)]


def test_proofs_are_kept_in_one_place_wherever_dbt_writes_its_artifacts(
    exported: SmallProject, tmp_path: Path
) -> None:
    assert dbt(exported, *RATES, "--target-path", str(tmp_path / "elsewhere"), RDS__TARGETS="none")
    assert export(exported) == (0, "")
    assert changed(exported)["rates"] == 10


def test_a_build_without_the_plug_in_is_exported_from_its_artifacts(project: SmallProject) -> None:
    shutil.rmtree(project.home / "proofs")
    (project.target_dir / "unit_tests.json").unlink()
    assert export(project) == (0, "")
    assert project.rds("select count(*) from events") == [(100,)]
