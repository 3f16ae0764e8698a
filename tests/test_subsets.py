"""Any set of sources: each mart is built and exported, and those of absent sources are empty."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import orjson
import psycopg2
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from support.dbt_checks import check_dbt, dbt
from support.newcomer import Newcomer
from support.pipelines import query, run
from support.project import TODAY

from loaders.cli import left_out
from loaders.export import embedded_postgres, rds, tables
from loaders.export.export import export_marts
from loaders.export.marts import parse_mart, sort_parents_first
from loaders.export.warehouse import open_warehouse
from loaders.pipeline import history, loaded_dates, staging
from loaders.sources import SOURCES

FILLED_BY = {
    "attractions": {"tour"},
    "categories": {"tour", "seoul"},
    "climate": {"kma"},
    "event_days": {"tour", "kopis", "seoul"},
    "events": {"tour", "kopis", "seoul"},
    "exchange_rates": {"exim"},
    "fares": {"travelpayouts"},
    "images": {"tour", "kopis"},
    "lodgings": {"tour", "seoul"},
    "venues": {"tour", "kopis", "seoul"},
    "weather": {"kma"},
}
"""The sources each of which fills a mart on its own."""
FROM_SEEDS = {
    *("districts", "airports", "data_as_of", "district_glance"),
    *("popular_airports", "popular_items"),
}
"""Marts of facts or of usage logs, which need no source."""
SUBSETS = [set(names) for size in range(8) for names in combinations(SOURCES, size)]
REAL_SUBSETS = [
    *(pytest.param({name}, marks=pytest.mark.soak, id=name) for name in SOURCES),
    pytest.param({"tour", "kopis"}, id="kopis-tour"),
]


def filled_marts(sources: set[str]) -> set[str]:
    """Return the marts that have rows if only these sources ran."""
    return {mart for mart, fillers in FILLED_BY.items() if fillers & sources} | FROM_SEEDS


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home after the pipelines of all sources, as small as the sample API allows."""
    home = tmp_path_factory.mktemp("everything")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
        settings.setenv("SOURCES__TOUR__LANGUAGES", "ko,ja")
        settings.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO")
        assert run(scale="0.0001") == (0, "")
        yield home


def warehouse_of(everything: Path, home: Path, sources: set[str]) -> Path:
    """Copy the warehouse, with rows of these sources only."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "warehouse.duckdb"
    shutil.copy(everything / "warehouse.duckdb", path)
    with duckdb.connect(str(path)) as warehouse:
        for source, table in staging.ALL:
            if source not in sources:
                warehouse.execute(f"delete from staging_{source}.{table}")
    return path


def manifest(home: Path) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads((home / "target" / "manifest.json").read_bytes())
    return content


@pytest.mark.slow
def test_no_model_or_test_reads_a_table_that_is_missing_for_any_of_the_128_subsets(
    home: Path,
) -> None:
    check_dbt(home, "parse")
    project = manifest(home)
    tables_of = {
        node_id: (source["schema"].removeprefix("staging_"), source["identifier"])
        for node_id, source in project["sources"].items()
    }
    # Every run creates these.
    runs = {(history.NAME, history.TABLE), (loaded_dates.PIPELINE, "loaded_dates")}
    read = {tables_of[node] for node in read_by_any_node(project) if node in tables_of}
    assert read == set(tables_of.values())
    marts = {
        node["name"].removeprefix("rds_"): {
            tables_of[ancestor][0] for ancestor in ancestors(node_id, project) & tables_of.keys()
        }
        for node_id, node in project["nodes"].items()
        if node["name"].startswith("rds_") and node["resource_type"] == "model"
    }
    assert marts.keys() == filled_marts(set(SOURCES))
    assert len(SUBSETS) == 128
    for sources in SUBSETS:
        loaded = {(source, table) for source, table in staging.ALL if source in sources} | runs
        created = (staging.ALL | left_out.LOGS) - loaded
        assert read <= loaded | created, sources
        filled = filled_marts(sources)
        for mart, upstream in marts.items():
            assert mart not in filled or mart in FROM_SEEDS or upstream & sources, (mart, sources)


def read_by_any_node(project: dict[str, Any]) -> set[str]:
    """Return the ids of the nodes that models, tests, snapshots and analyses read."""
    nodes = [*project["nodes"].values(), *project["unit_tests"].values()]
    return {parent for node in nodes for parent in node["depends_on"].get("nodes", [])}


def ancestors(node_id: str, project: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    to_visit = [node_id]
    while to_visit:
        parents = set(project["parent_map"].get(to_visit.pop(), [])) - found
        found |= parents
        to_visit += parents
    return found


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("sources", REAL_SUBSETS)
def test_a_subset_is_built_tested_and_exported_with_empty_marts_for_the_absent_sources(
    everything: Path, home: Path, database: str, sources: set[str]
) -> None:
    path = warehouse_of(everything, home, sources)
    output = check_dbt(home, "build")
    assert "ERROR=0 SKIP=0" in output
    marts = sort_parents_first(
        [
            parse_mart(node)
            for node in manifest(home)["nodes"].values()
            if node["name"].startswith("rds_") and node["resource_type"] == "model"
        ]
    )
    with (
        closing(psycopg2.connect(database)) as connection,
        connection.cursor() as cursor,
        open_warehouse(DuckDBCredentials(path=str(path), schema="checks")) as warehouse,
    ):
        cursor.execute("drop schema public cascade; create schema public")
        rds.prepare(cursor)
        reports = export_marts(cursor, tuple(marts), warehouse)
        counts = {mart.table: tables.count(cursor, mart) for mart in marts}
    assert {mart for mart, count in counts.items() if count} == filled_marts(sources)
    assert {report.table: report.rows for report in reports} == counts


@pytest.mark.long
@pytest.mark.slow
def test_the_rows_of_a_removed_source_leave_the_website_once_its_settings_say_so(
    everything: Path, home: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(everything, home)
    newcomer = Newcomer(home, profiles, SOURCES__ENABLED=",".join(set(SOURCES) - {"seoul"}))
    load = ("dlt", "pipeline", "run", "--only", "load")
    lodgings = "select source, count(*) from lodgings group by source order by source"
    url = embedded_postgres.start()
    try:
        newcomer.check_output("dbt", "build")
        before = rows(url, lodgings)
        assert [source for source, _ in before] == ["seoul", "tour"]

        output = newcomer.check_output(*load)
        assert "seoul,web_logs: left out, but the rows of earlier runs stay" in output
        assert query(home, "select count(*) > 0 from staging_seoul.lodgings") == [(True,)]

        output = newcomer.check_output(*load, SOURCES__REMOVE_ROWS_OF="seoul,web_logs")
        assert "seoul, web_logs: all rows are removed from the warehouse" in output
        process = newcomer.run("dbt", "build")
        assert process.returncode == 2
        assert "more than the share RDS__MAX_DELETE_SHARE=0.2 allows" in process.stdout
        assert rows(url, lodgings) == before, process.stdout[-3000:]

        shares = {"RDS__MAX_DELETE_SHARE": "1", "RDS__MAX_NULL_SHARE": "1"}
        newcomer.check_output("dlt", "pipeline", "rds", "run", **shares)
        assert [source for source, _ in rows(url, lodgings)] == ["tour"]
        assert rows(url, "select count(*) from events where source = 'seoul'") == [(0,)]
        for table in ("fct_session", "fct_click", "fct_purchase"):
            assert query(home, f"select count(*) from star.{table}") == [(0,)]

        monkeypatch.setenv("SOURCES__ENABLED", "seoul")
        assert run(only="load") == (0, "")
        assert query(home, "select count(*) > 0 from staging_seoul.lodgings") == [(True,)]
    finally:
        embedded_postgres.stop()


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.mark.slow
def test_a_build_without_staging_tables_ends_with_one_line_that_names_the_remedy(
    home: Path,
) -> None:
    process = dbt(home, "build")
    assert process.returncode == 2
    assert (
        "the warehouse lacks 31 staging tables that are read, such as"
        " staging_exim.exchange_rates: `dlt pipeline run` creates them"
    ) in process.stdout
    assert "Traceback" not in process.stdout
