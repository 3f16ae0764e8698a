"""Production end to end: S3, Redshift and RDS, with production's clients and protocols.

The result is compared with what one machine builds from the same responses.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg2
import pytest
from support.newcomer import Newcomer
from support.project import PROJECT, TODAY
from support.redshift import RedshiftServer
from support.s3_server import S3Server
from support.wire_cutter import WireCutter

from loaders.export import embedded_postgres
from loaders.export.export import export
from loaders.export.marts import ExportError
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

pytestmark = pytest.mark.long

YESTERDAY = TODAY - timedelta(days=1)
SETTINGS = {
    "SOURCES__TOUR__LANGUAGES": "ko,ja",
    "SOURCES__TRAVELPAYOUTS__ORIGINS": "TYO",
}


def start_database(home: Path) -> str:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        return embedded_postgres.start()


def stop_database(home: Path) -> None:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        embedded_postgres.stop()


@dataclass
class Production:
    """A checkout on AWS, as closely as one machine can imitate it."""

    newcomer: Newcomer
    redshift: RedshiftServer
    rds_url: str

    def run_pipelines(self, today: date, *options: str) -> list[dict[str, Any]]:
        """Run `dlt pipeline run` on that day's responses, and return the result of each table."""
        with SampleApi(today=today) as api:
            sources = {
                f"SOURCES__{name.upper()}__{setting}": value
                for name, url in api.base_urls().items()
                for setting, value in (("BASE_URL", url), ("SERVICE_KEY", "sample"))
            }
            self.newcomer.check_output(
                *("dlt", "pipeline", "run", *options),
                **SETTINGS,
                **sources,
                HELLO_KOREA_TODAY=today.isoformat(),
            )
        return self.last_results()

    def last_results(self) -> list[dict[str, Any]]:
        """Return the result of each table in the last run."""
        results: list[dict[str, Any]] = orjson.loads(
            (self.newcomer.home / "last_run.json").read_bytes()
        )
        return results


@pytest.fixture(scope="module")
def production(
    profiles: Path, s3: S3Server, redshift: RedshiftServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    """Two days of all sources in Redshift, built after each and exported after the second."""
    home, database = tmp_path_factory.mktemp("production"), tmp_path_factory.mktemp("rds")
    url = start_database(database)
    newcomer = Newcomer(
        home,
        profiles,
        **s3.environment(),
        **redshift.environment(),
        LAKE__URL=f"{s3.make_bucket('production')}/lake",
        RDS__URL=url,
        DBT_TARGET="redshift",
    )
    production = Production(newcomer, redshift, url)
    production.run_pipelines(YESTERDAY)
    newcomer.check_output(
        "dbt", "build", "--exclude-resource-type", "test", "unit_test", RDS__TARGETS="local"
    )
    production.run_pipelines(TODAY)
    newcomer.check_output("dbt", "build")
    yield production
    stop_database(database)


@pytest.fixture(scope="module")
def one_machine(
    production: Production, profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The website's database, as exported from DuckDB with the same responses."""
    home = tmp_path_factory.mktemp("one-machine")
    lake = {
        name: value
        for name, value in production.newcomer.environment.items()
        if name.startswith(("LAKE__", "AWS_"))
    }
    machine = Production(Newcomer(home, profiles, **lake), production.redshift, "")
    results = machine.run_pipelines(TODAY, "--date", f"{YESTERDAY}..{TODAY}")
    assert {result["calls"] for result in results} == {0}
    machine.newcomer.check_output("dbt", "build")
    yield start_database(home)
    stop_database(home)


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def exported_tables(url: str) -> list[str]:
    return [
        name
        for (name,) in query(
            url,
            "select table_name from information_schema.tables"
            " where table_schema = 'public' and table_name <> 'export_log' order by 1",
        )
    ]


def rows_of(url: str, table: str) -> list[tuple[Any, ...]]:
    """Return the rows without the times of the load and of the export."""
    return query(
        url, f"select (to_jsonb(t) - 'updated_at' - 'loaded_at')::text from {table} as t order by 1"
    )


def test_every_staged_row_is_in_redshift(production: Production) -> None:
    kept_under = {
        (source.name, table.name): table.kept_under(TODAY)
        for source in SOURCES.values()
        for table in source.tables
        if table.kept_under
    }
    for result in production.last_results():
        day = kept_under.get((result["source"], result["table"]), TODAY)
        counts = production.redshift.query(
            f"select count(*) from staging_{result['source']}.{result['table']}"
            f" where logical_date = '{day}'"
        )
        assert counts == [(result["staged"],)], result["table"]


def test_no_copied_file_and_no_row_to_merge_is_left(production: Production, s3: S3Server) -> None:
    objects = s3.client().list_objects_v2(Bucket="production", Prefix="lake/load/")
    assert "Contents" not in objects
    filled_staging_tables = production.redshift.query(
        "select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname like 'staging\\_%\\_staging' and relkind = 'r'"
        " and redshift.row_count(pg_class.oid) > 0 and relname not like '\\_dlt%'"
    )
    assert filled_staging_tables == []


def test_every_table_of_the_website_has_the_same_rows_as_from_one_machine(
    production: Production, one_machine: str
) -> None:
    tables = exported_tables(production.rds_url)
    assert tables == exported_tables(one_machine)
    assert len(tables) == 17
    for table in tables:
        rows = rows_of(production.rds_url, table)
        assert rows == rows_of(one_machine, table), table
        assert rows, table


def test_redshift_lost_at_any_point_of_an_export_leaves_the_website_unchanged(
    production: Production, monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    for name, value in production.newcomer.environment.items():
        monkeypatch.setenv(name, value)
    target_dir = production.newcomer.home / "target"  # of the full build: later tests build less
    rates = "update serving.rds_exchange_rates set krw_per_unit = krw_per_unit {} 1"
    cluster = f"postgresql://{production.redshift.host}:{production.redshift.port}/"

    def export_and_cut(at: int) -> tuple[int, list[int]]:
        """Export, and cut the connection to Redshift after a number of bytes, if not negative.

        Return the number of bytes from Redshift, and the numbers of changed rows.
        """
        with WireCutter(cluster, "to_client", at) as wire, monkeypatch.context() as settings:
            settings.setenv("DESTINATION__REDSHIFT__CREDENTIALS__PORT", str(wire.port))
            tables = export(target_dir).tables
            changed = [table.changed for table in tables if table.changed]
        return wire.passed["to_client"], changed

    total, _ = export_and_cut(-1)
    production.redshift.query(rates.format("+"))
    website = {
        table: rows_of(production.rds_url, table) for table in exported_tables(production.rds_url)
    }
    for part in range(1, 10):
        with pytest.raises(ExportError) as failure:
            export_and_cut(total * part // 10)
        assert "\n" not in str(failure.value)
        assert "127.0.0.1" in str(failure.value)
        for table, rows in website.items():
            assert rows_of(production.rds_url, table) == rows, (part, table)
    _, changed = export_and_cut(-1)
    assert changed == [len(website["exchange_rates"])]
    production.redshift.query(rates.format("-"))
    export_and_cut(-1)
    assert "Contents" not in s3.client().list_objects_v2(Bucket="production", Prefix="lake/unload/")


def test_each_table_is_distributed_and_sorted_as_configured(production: Production) -> None:
    nodes = production.newcomer.artifact("manifest.json")["nodes"].values()
    attributes_by_table = {
        (schema, table): attributes
        for schema, table, attributes in production.redshift.query(
            "select nspname, relname, attributes from redshift.attributes"
            " join pg_class on pg_class.oid = table_id"
            " join pg_namespace on pg_namespace.oid = relnamespace"
        )
    }
    built = [
        node
        for node in nodes
        if node["resource_type"] in ("model", "seed", "snapshot")
        and node["config"]["materialized"] != "view"
    ]
    assert len(built) > 40
    for node in built:
        config = node["config"]
        attributes = attributes_by_table[node["schema"], node["alias"]]
        dist = config["dist"]
        style, key = (dist, None) if dist in ("all", "even") else ("key", dist)
        assert (attributes["dist_style"], attributes.get("dist_key")) == (style, key), node["name"]
        sort = config.get("sort") or []
        sort_key = [sort] if isinstance(sort, str) else sort
        assert attributes.get("sort_key", []) == sort_key, node["name"]


def test_the_docs_describe_each_table_in_redshift(production: Production) -> None:
    production.newcomer.check_output("dbt", "docs", "generate")
    catalog = production.newcomer.artifact("catalog.json")
    assert not catalog["errors"]
    assert "model.hello_korea.rds_events" in catalog["nodes"]
    stats = catalog["nodes"]["model.hello_korea.fct_event_day"]["stats"]
    assert stats["diststyle"]["value"].startswith("KEY(")
    assert stats["rows"]["value"] > 0


def test_every_analysis_runs_on_redshift(production: Production) -> None:
    production.newcomer.check_output("dbt", "compile")
    compiled = production.newcomer.home / "target" / "compiled" / "hello_korea" / "analyses"
    analyses = sorted(compiled.glob("*.sql"))
    assert len(analyses) == len(list((PROJECT / "analyses").glob("*.sql")))
    with closing(production.redshift.connect()) as connection:
        for file in analyses:
            cursor = connection.cursor()
            cursor.execute(file.read_text())
            # Only this one may return no rows: it lists failures.
            assert cursor.fetchall() or file.stem == "what_failed_this_week", file.stem


def test_the_age_of_each_source_is_known_on_redshift(production: Production) -> None:
    # The command may fail, since the rows are old by now. After a failed query there is no time.
    production.newcomer.run("dbt", "source", "freshness")
    results = production.newcomer.artifact("sources.json")["results"]
    sources = production.newcomer.artifact("manifest.json")["sources"].values()
    assert {result["unique_id"] for result in results} == {
        source["unique_id"] for source in sources if source["freshness"]
    }
    assert all(result["max_loaded_at"].startswith(f"{TODAY}") for result in results)


def test_a_full_refresh_gives_the_same_rows_as_the_daily_builds(production: Production) -> None:
    tables = ("star.fct_fare", "frequent.freq_cheapest_fare")
    queries = [f"select t::text from {table} as t order by 1" for table in tables]
    rows = [production.redshift.query(sql) for sql in queries]
    assert all(rows)
    selection = ("--select", "fct_fare", "freq_cheapest_fare")
    production.newcomer.check_output("dbt", "run", "--full-refresh", *selection)
    assert [production.redshift.query(sql) for sql in queries] == rows


def test_a_second_run_requests_nothing_and_copies_nothing(production: Production) -> None:
    loads = "select count(*) from staging_{}._dlt_loads"
    sources = sorted(SOURCES)
    before = [production.redshift.query(loads.format(source)) for source in sources]
    results = production.run_pipelines(TODAY)
    assert {result["calls"] for result in results} == {0}
    assert all(
        result["loaded"] == result["staged"] for result in results if result["source"] in sources
    )
    assert {result["staged"] for result in results if result["source"] == "web_logs"} == {0}
    assert [production.redshift.query(loads.format(source)) for source in sources] == before


def test_a_history_has_one_open_version_of_each_place(production: Production) -> None:
    ((versions, open_versions, places),) = production.redshift.query(
        "select count(*), count(*) filter (where dbt_valid_to is null), count(distinct place_id)"
        " from snapshots.snap_place"
    )
    assert places == open_versions
    assert versions >= places > 0
