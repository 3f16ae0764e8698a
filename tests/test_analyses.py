"""The analyses run as they are on what a build has made."""

from collections.abc import Callable

import duckdb
import pytest
from support.newcomer import Newcomer
from support.project import PROJECT

ANALYSES = sorted(path.stem for path in (PROJECT / "analyses").glob("*.sql"))

WHERE_ALL_IS_WELL = "what_failed_this_week"
"""It finds nothing there; `test_history.py` has it find something."""
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def answers(built: Newcomer) -> Callable[[str], Rows]:
    """Runs an analysis as dbt compiles it; its rows, by column."""
    target = built.home / "analyses"
    built.succeeds("dbt", "compile", "--select", "path:analyses", "--target-path", str(target))
    compiled = target / "compiled" / "hello_korea" / "analyses"

    def run(name: str) -> Rows:
        sql = (compiled / f"{name}.sql").read_text(encoding="utf-8")
        with duckdb.connect(str(built.home / "warehouse.duckdb"), read_only=True) as warehouse:
            found: Rows = warehouse.sql(sql).to_arrow_table().to_pylist()
            return found

    return run


@pytest.mark.parametrize("name", [it for it in ANALYSES if it != WHERE_ALL_IS_WELL])
def test_an_analysis_finds_rows_with_the_columns_that_are_described(
    answers: Callable[[str], Rows], built: Newcomer, name: str
) -> None:
    rows = answers(name)
    assert rows
    described = built.artifact("manifest.json")["nodes"][f"analysis.hello_korea.{name}"]["columns"]
    assert list(rows[0]) == list(described)


def test_the_skew_of_every_fact_with_a_dist_key_is_told(
    answers: Callable[[str], Rows], built: Newcomer
) -> None:
    facts = {
        node["name"]: node["config"]["dist"]
        for node in built.artifact("manifest.json")["nodes"].values()
        if node["name"].startswith("fct_") and node["config"]["dist"] not in ("all", "even", "auto")
    }
    told = answers("skew_of_each_dist_key")
    assert {row["fact"]: row["dist_key"] for row in told} == facts
    by_fact = {row["fact"]: row for row in told}
    assert by_fact["fct_event"]["largest_to_mean"] == 1  # its key is its primary key
