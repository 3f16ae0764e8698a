"""Whether the sources are fresh is told by what was loaded; dbt compares it with the clock."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from support.newcomer import Newcomer
from support.pipelines import run

from loaders.settings import KST

LONG_AGO = timedelta(days=10)


@pytest.fixture
def newcomer(home: Path, profiles: Path) -> Newcomer:
    return Newcomer(home, profiles)


def loads(day: date) -> None:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_TODAY", day.isoformat())
        assert run("tour", table="districts") == (0, "")


def freshness(newcomer: Newcomer) -> tuple[int, str, datetime]:
    """The exit code of `dbt source freshness`, its verdict, and when it takes the load to be."""
    done = newcomer.types("dbt", "source", "freshness", "-s", "source:staging_tour.districts")
    [verdict] = newcomer.artifact("sources.json")["results"]
    return done.returncode, verdict["status"], datetime.fromisoformat(verdict["max_loaded_at"])


def test_a_source_is_fresh_after_its_run_and_not_after_one_of_an_old_day(
    newcomer: Newcomer,
) -> None:
    today = datetime.now(KST).date()
    loads(today - LONG_AGO)
    end_of_that_day = datetime(*(today - LONG_AGO).timetuple()[:3], tzinfo=KST) + timedelta(days=1)
    assert freshness(newcomer) == (1, "error", end_of_that_day)

    before = datetime.now(KST)
    loads(today)
    code, status, loaded_at = freshness(newcomer)
    assert (code, status) == (0, "pass")
    assert before < loaded_at < datetime.now(KST)

    loads(today - LONG_AGO - timedelta(days=1))
    assert freshness(newcomer) == (0, "pass", loaded_at)
