"""The way from the APIs to the website's database, killed at any point."""

from pathlib import Path

import pytest
from support.kills import Baseline, run_undisturbed, run_with_kills
from support.small_project import new_database

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def baseline(database: str, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    home = tmp_path_factory.mktemp("undisturbed")
    return run_undisturbed(home, new_database(database, "undisturbed"))


def test_killed_commands_lose_nothing_duplicate_nothing_and_repeat_no_request(
    database: str, baseline: Baseline, tmp_path: Path
) -> None:
    seed = 20261122
    print("seed", seed)
    killed_database = new_database(database, "killed")
    kills = run_with_kills(tmp_path / "killed", killed_database, baseline, 2, seed)
    assert kills  # not every kill: what is done already ends quickly, before its kill
    assert baseline.contents.keys() > {"star.fct_fare", "rds fares", "staging_kopis.venue_details"}
