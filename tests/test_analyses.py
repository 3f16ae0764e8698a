"""The analyses, run on the built project."""

from collections.abc import Callable
from math import asin, cos, radians, sin, sqrt

import duckdb
import pytest
from support.newcomer import Newcomer
from support.project import PROJECT

ANALYSES = sorted(path.stem for path in (PROJECT / "analyses").glob("*.sql"))

EMPTY_AFTER_SUCCESS = "what_failed_this_week"
"""Has no rows when everything succeeded. `test_run_history.py` tests it after a failure."""
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def run_analysis(built: Newcomer) -> Callable[[str], Rows]:
    """Runs an analysis as compiled by dbt, and returns its rows."""
    target = built.new_target("analyses")
    built.check_output("dbt", "compile", "--select", "path:analyses", "--target-path", str(target))
    compiled = target / "compiled" / "hello_korea" / "analyses"

    def run(name: str) -> Rows:
        sql = (compiled / f"{name}.sql").read_text(encoding="utf-8")
        with duckdb.connect(str(built.home / "warehouse.duckdb"), read_only=True) as warehouse:
            rows: Rows = warehouse.sql(sql).to_arrow_table().to_pylist()
            return rows

    return run


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != EMPTY_AFTER_SUCCESS])
def test_an_analysis_returns_rows_with_its_described_columns(
    run_analysis: Callable[[str], Rows], built: Newcomer, name: str
) -> None:
    rows = run_analysis(name)
    assert rows
    described = built.artifact("manifest.json")["nodes"][f"analysis.hello_korea.{name}"]["columns"]
    assert list(rows[0]) == list(described)


def test_the_skew_analysis_has_every_fact_with_a_dist_key(
    run_analysis: Callable[[str], Rows], built: Newcomer
) -> None:
    dist_keys = {
        node["name"]: node["config"]["dist"]
        for node in built.artifact("manifest.json")["nodes"].values()
        if node["name"].startswith("fct_") and node["config"]["dist"] not in ("all", "even", "auto")
    }
    rows = {row["fact"]: row for row in run_analysis("skew_of_each_dist_key")}
    assert {fact: row["dist_key"] for fact, row in rows.items()} == dist_keys
    assert rows["fct_event"]["largest_to_mean"] == 1  # its dist key is its primary key


def test_what_is_near_is_every_point_within_the_distance(
    run_analysis: Callable[[str], Rows], built: Newcomer
) -> None:
    latitude, longitude = radians(37.5665), radians(126.9780)
    tables = (
        "select place_id, longitude, latitude from star.dim_place where is_listed",
        "select lodging_id, longitude, latitude from star.dim_lodging where is_listed",
        "select venue_id, longitude, latitude from star.dim_venue",
    )
    with duckdb.connect(str(built.home / "warehouse.duckdb"), read_only=True) as warehouse:
        points = warehouse.sql(" union all ".join(tables)).fetchall()

    def metres(lon: float, lat: float) -> float:
        height = sin((radians(lat) - latitude) / 2) ** 2
        width = sin((radians(lon) - longitude) / 2) ** 2
        return 2 * 6371008.8 * asin(sqrt(height + cos(latitude) * cos(radians(lat)) * width))

    expected = {name: metres(lon, lat) for name, lon, lat in points if lon is not None}
    found = {str(row["item_id"]): row["distance_m"] for row in run_analysis("what_is_near")}
    assert found == {name: round(far) for name, far in expected.items() if far <= 500}
    assert 2 <= len(found) < len(expected)
