"""`dlt pipeline rds verify` compares the website's database with the marts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.pipelines import run
from support.small_project import SmallProject

from loaders.cli.verify import VerifyArguments, verify

AS_RECORDED = (0, "", ["as recorded"])


@pytest.fixture
def project(small_copy: SmallProject, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """The small project, exported."""
    for name, value in small_copy.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DBT_TARGET_PATH", str(small_copy.target_dir))
    monkeypatch.setenv("DBT_PROFILES_DIR", str(small_copy.folder))
    assert run("rds") == (0, "")
    return small_copy


@pytest.fixture
def verified(
    project: SmallProject, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, list[str]]]:
    def call(*, repair: bool = False) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        code, message = verify("rds", VerifyArguments(repair=repair))
        return code, message, capsys.readouterr().out.splitlines()

    return call


Verify = Callable[..., tuple[int, str, list[str]]]


def test_rows_that_were_deleted_changed_and_added_are_exported_again(
    project: SmallProject, verified: Verify
) -> None:
    rows = "select event_id, title, score::text, price::text from events order by 1"
    before = project.rds(rows)
    assert verified() == AS_RECORDED
    project.rds("delete from events where event_id in (3, 4)")
    project.rds("update events set score = null where event_id = 5")
    project.rds("insert into rates (currency, rate_date, rate) values ('EUR', '2026-11-22', 1)")
    project.rds("update venues set venue_name = 'Elsewhere' where venue_id = 'v7'")
    end = "; --repair puts it right"
    code, message, lines = verified()
    assert (code, message) == (1, "3 differences, 0 repaired")
    assert sorted(lines) == [
        f"rds.events: 2 rows missing, 1 rows changed, such as 3{end}",
        f"rds.rates: 1 rows beyond the mart, such as EUR, 2026-11-22{end}",
        f"rds.venues: 1 rows changed, such as v7{end}",
    ]
    code, _, lines = verified(repair=True)
    assert code == 0
    assert all(line.endswith("it is exported again") for line in lines[:-1])
    assert project.rds(rows) == before
    assert verified() == AS_RECORDED


def test_a_comparison_changes_nothing(project: SmallProject, verified: Verify) -> None:
    project.rds("delete from events")
    state = "select count(*), max(xmin::text::bigint) from rates"
    before, log = project.rds(state), project.rds("select count(*) from export_log")
    assert verified()[0] == 1
    assert project.rds(state) == before
    assert project.rds("select count(*) from export_log") == log
    assert project.rds("select count(*) from events") == [(0,)]


def test_a_table_that_is_gone_or_has_other_columns_is_found(
    project: SmallProject, verified: Verify
) -> None:
    project.rds("drop table rates")
    project.rds("alter table events drop column price")
    lines = sorted(verified()[2])
    assert lines[0].startswith("rds.events: column price is missing, but numeric(38,9) in the")
    assert lines[1].startswith("rds.rates: is missing")
    assert verified(repair=True)[0] == 0
    assert verified() == AS_RECORDED


def test_a_mart_that_was_built_and_not_exported_differs(
    project: SmallProject, verified: Verify
) -> None:
    project.warehouse("update main_serving.rds_rates set rate = rate + 1 where rate < 1402")
    assert verified()[2] == [
        "rds.rates: 2 rows changed, such as USD, 2026-11-01; --repair puts it right"
    ]


def test_a_database_that_does_not_answer_is_one_line(
    project: SmallProject, verified: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__URL", "postgresql://web@127.0.0.1:1/shop")
    code, message, lines = verified()
    assert (code, lines) == (1, [])
    assert message.startswith("the website's database was not compared: ")
    assert message.endswith("; expected in RDS__URL a database that lets its user in")
    assert "\n" not in message


def test_without_a_build_there_is_nothing_to_compare(home: Path) -> None:
    code, message = verify("rds", VerifyArguments())
    assert code == 1
    assert message.startswith("the website's database was not compared: no `dbt build` is kept in")
