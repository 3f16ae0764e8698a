"""The whole path is killed anywhere, and comes to what an undisturbed run comes to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import Undisturbed, disturbed, undisturbed
from small_project import new_database, postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="module")
def usual(server: str, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(tmp_path_factory.mktemp("usual"), new_database(server, "usual"))


def test_what_is_killed_anywhere_loses_nothing_doubles_nothing_and_asks_nothing_again(
    server: str, usual: Undisturbed, tmp_path: Path
) -> None:
    seed = 20261122
    print("seed", seed)
    kills = disturbed(tmp_path / "killed", new_database(server, "killed"), usual, 2, seed)
    assert kills  # some come too late: what is done already is done quickly
    assert usual.contents.keys() > {"star.fct_fare", "rds fares", "staging_kopis.venue_details"}
