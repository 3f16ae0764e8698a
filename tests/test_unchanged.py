"""`make run` leaves out the build and the docs only where they would change nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.small_project import SmallProject

from loaders import settings
from loaders.cli import unchanged


def edit_json(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def project(small_copy: SmallProject, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """The small project after a build that was exported, recorded with its docs."""
    project = small_copy
    project.warehouse(
        """
        create schema staging_shop;
        create table staging_shop.rates as select 1 as rate, 'load 1' as _dlt_load_id;
        create table staging_shop.copied as select 1 as rate;
        create schema staging_runs;
        create table staging_runs.steps as select 1 as step, 'load 1' as _dlt_load_id;
        """
    )
    assert project.dbt("build").returncode == 0
    (project.target_dir / "docs").mkdir()
    (project.target_dir / unchanged.DOCS).write_text("docs")
    for name, value in {**project.environment, "DBT_TARGET_PATH": str(project.target_dir)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(settings, "PROJECT", project.folder)
    assert not may_be_left_out()
    assert unchanged.main(["--record"]) == 0
    assert may_be_left_out()
    return project


def may_be_left_out() -> bool:
    return unchanged.main([]) == 0


@pytest.mark.long
def test_nothing_is_left_out_after_a_load_a_change_of_code_or_another_command(
    project: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert may_be_left_out()
    assert "nothing was loaded and no code changed since" in capsys.readouterr().out
    project.warehouse("insert into staging_runs.steps values (2, 'load 2')")
    assert may_be_left_out()

    project.warehouse("update staging_shop.rates set _dlt_load_id = 'load 2'")
    assert not may_be_left_out()
    project.warehouse("update staging_shop.rates set _dlt_load_id = 'load 1'")
    assert may_be_left_out()

    project.warehouse("update staging_shop.copied set rate = 2")
    assert not may_be_left_out()
    project.warehouse("update staging_shop.copied set rate = 1")
    assert may_be_left_out()

    (project.folder / "macros").mkdir()
    (project.folder / "macros" / "new.sql").write_text("{% macro new() %}1{% endmacro %}")
    assert not may_be_left_out()
    (project.folder / "macros" / "new.sql").unlink()
    assert may_be_left_out()

    with pytest.MonkeyPatch.context() as variable:
        variable.setenv("RDS__MAX_DELETE_SHARE", "0.5")
        assert not may_be_left_out()

    assert project.dbt("run", "--select", "dim_venue").returncode == 0
    assert not may_be_left_out()


@pytest.mark.long
def test_nothing_is_left_out_if_the_docs_or_a_table_of_the_website_are_missing(
    project: SmallProject,
) -> None:
    (project.target_dir / unchanged.DOCS).rename(project.target_dir / "docs.html")
    assert not may_be_left_out()
    (project.target_dir / "docs.html").rename(project.target_dir / unchanged.DOCS)
    assert may_be_left_out()

    project.rds("alter table rates rename to other")
    assert not may_be_left_out()
    project.rds("alter table other rename to rates")
    assert may_be_left_out()

    project.rds("delete from export_log")
    assert not may_be_left_out()


@pytest.mark.long
@pytest.mark.parametrize(
    ("artifact", "change"),
    [
        ("export.json", lambda report: report["kept_out"].update(rates="it was skipped")),
        ("export.json", lambda report: report.update(error="nothing was exported")),
        ("run_results.json", lambda results: results["results"][0].update(status="fail")),
    ],
    ids=["a table kept out", "a failed export", "a failed test"],
)
def test_a_build_that_was_not_proven_and_exported_in_full_is_repeated(
    project: SmallProject,
    artifact: str,
    change: Callable[[dict[str, object]], object],
) -> None:
    edit_json(project.target_dir / artifact, change)
    assert not may_be_left_out()
    assert unchanged.main(["--record"]) == 0
    assert not may_be_left_out()
