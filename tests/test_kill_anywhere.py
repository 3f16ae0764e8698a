"""The whole path is killed anywhere, and comes to what an undisturbed run comes to."""

from pathlib import Path

import pytest
from support.kills import Undisturbed, disturbed, undisturbed
from support.small_project import new_database


@pytest.fixture(scope="module")
def usual(database: str, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(tmp_path_factory.mktemp("usual"), new_database(database, "usual"))


def test_what_is_killed_anywhere_loses_nothing_doubles_nothing_and_asks_nothing_again(
    database: str, usual: Undisturbed, tmp_path: Path
) -> None:
    seed = 20261122
    print("seed", seed)
    kills = disturbed(tmp_path / "killed", new_database(database, "killed"), usual, 2, seed)
    assert kills  # some come too late: what is done already is done quickly
    assert usual.contents.keys() > {"star.fct_fare", "rds fares", "staging_kopis.venue_details"}
