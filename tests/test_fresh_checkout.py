"""The commands of the README in a fresh checkout, in order: no keys, and nothing edited."""

from contextlib import closing
from pathlib import Path

import orjson
import psycopg2
import pytest
from support.newcomer import Newcomer

from loaders.export import embedded_postgres

DISTRICTS_OF_SEOUL = 25
EXPORTED = {
    *("districts", "categories", "attractions", "venues", "events", "lodgings"),
    *("weather", "airports", "fares", "exchange_rates", "event_days", "district_glance"),
    *("popular_airports", "popular_items", "data_as_of", "climate", "images"),
}


def test_1_the_pipelines_run_on_the_sample_api_and_report_it(built: Newcomer) -> None:
    output = built.outputs["dlt pipeline run"]
    assert "SOURCES__TOUR__SERVICE_KEY is not set, so the sample API responds" in output
    assert "SOURCES__KOPIS__SERVICE_KEY is not set, so the sample API responds" in output


def test_2_the_build_passes_every_test_and_exports_every_mart(built: Newcomer) -> None:
    assert "WARN=0 ERROR=0 SKIP=0" in built.outputs["dbt build"]
    assert not built.first_export["kept_out"]
    tables = {table["table"]: table for table in built.first_export["tables"]}
    assert set(tables) == EXPORTED
    assert all(table["rows"] == table["inserted"] > 0 for table in tables.values())


def test_3_the_website_has_rows_in_every_district(built: Newcomer) -> None:
    process = built.run("dlt", "pipeline", "rds", "run")
    assert process.returncode == 0, process.stderr
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(built.home))
        url = embedded_postgres.start()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for table in ("attractions", "venues", "events", "lodgings"):
            cursor.execute(
                f"select count(distinct district_id) from {table} where district_id like '11%'"
            )
            assert cursor.fetchone() == (DISTRICTS_OF_SEOUL,), table
        cursor.execute(
            "select count(*) from events where ends_on between current_date and current_date + 90"
        )
        assert (cursor.fetchone() or (0,))[0] > 50


def test_4_a_second_run_makes_no_calls_and_exports_no_changes(built: Newcomer) -> None:
    assert built.run("dlt", "pipeline", "run").returncode == 0
    results = orjson.loads((built.home / "last_run.json").read_bytes())
    assert {result["calls"] for result in results} == {0}
    built.check_output("dbt", "build")
    tables = built.artifact("export.json")["tables"]
    changes = {(table["inserted"], table["changed"], table["deleted"]) for table in tables}
    assert changes == {(0, 0, 0)}


def test_5_the_docs_site_is_one_file_with_the_models(docs: Path) -> None:
    assert "model.hello_korea.rds_events" in docs.read_text()


def test_6_the_last_build_can_be_exported_after_other_dbt_commands(built: Newcomer) -> None:
    process = built.run("dbt", "show", "--select", "events_by_district_and_month")
    assert process.returncode == 0, process.stdout[-3000:]
    process = built.run("dlt", "pipeline", "rds", "run")
    assert process.returncode == 0, process.stderr
    assert "events: " in process.stdout


def test_7_the_summary_has_the_results_and_where_to_look_at_them(built: Newcomer) -> None:
    process = built.run("python", "-m", "loaders.cli.summary")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert any(line.split()[:3] == ["tour.places", "0", "999"] for line in lines)
    assert any(line.startswith("models: ") and "success" in line for line in lines)
    assert any(line.startswith("events: ") and "0 inserted" in line for line in lines)
    assert str(built.home / "warehouse.duckdb") in process.stdout
    assert "psql" in process.stdout
