"""The freshness of the sources, which dbt derives from the loads and compares with the clock."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from support.newcomer import Newcomer
from support.pipelines import run

from loaders.settings import KST

pytestmark = pytest.mark.slow

LONG_AGO = timedelta(days=10)


@pytest.fixture
def newcomer(home: Path, profiles: Path) -> Newcomer:
    return Newcomer(home, profiles)


def load(day: date) -> None:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_TODAY", day.isoformat())
        assert run("tour", table="districts") == (0, "")


def freshness(newcomer: Newcomer) -> tuple[int, str, datetime]:
    """Return the exit code of `dbt source freshness`, the status and the time of the load."""
    process = newcomer.run("dbt", "source", "freshness", "-s", "source:staging_tour.districts")
    (result,) = newcomer.artifact("sources.json")["results"]
    return process.returncode, result["status"], datetime.fromisoformat(result["max_loaded_at"])


@pytest.mark.long
def test_a_source_is_fresh_after_a_run_for_today_but_not_for_an_old_day(
    newcomer: Newcomer,
) -> None:
    today = datetime.now(KST).date()
    load(today - LONG_AGO)
    end_of_that_day = datetime(*(today - LONG_AGO).timetuple()[:3], tzinfo=KST) + timedelta(days=1)
    assert freshness(newcomer) == (1, "error", end_of_that_day)

    before = datetime.now(KST)
    load(today)
    code, status, loaded_at = freshness(newcomer)
    assert (code, status) == (0, "pass")
    assert before < loaded_at < datetime.now(KST)

    load(today - LONG_AGO - timedelta(days=1))
    assert freshness(newcomer) == (0, "pass", loaded_at)
