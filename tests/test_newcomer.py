"""A newcomer's commands, one after the other, on generated data: no key, nothing edited."""

from contextlib import closing
from pathlib import Path

import orjson
import psycopg2
import pytest
from support.newcomer import Newcomer

from loaders.export import embedded_postgres

DISTRICTS_OF_SEOUL = 25
SERVED = {
    *("districts", "categories", "attractions", "venues", "events", "lodgings"),
    *("weather", "airports", "fares", "exchange_rates"),
}


def test_1_the_pipelines_run_on_the_sample_api_and_say_so(built: Newcomer) -> None:
    said = built.said["dlt pipeline run"]
    assert "SOURCES__TOUR__SERVICE_KEY is not set, so the sample API responds" in said
    assert "SOURCES__KOPIS__SERVICE_KEY is not set, so the sample API responds" in said


def test_2_the_build_proves_every_model_and_exports(built: Newcomer) -> None:
    assert "ERROR=0 SKIP=0" in built.said["dbt build"]
    assert not built.exported["kept_out"]
    tables = {it["table"]: it for it in built.exported["tables"]}
    assert set(tables) == SERVED
    assert all(it["rows"] == it["inserted"] > 0 for it in tables.values())


def test_3_the_website_finds_something_in_every_district(built: Newcomer) -> None:
    done = built.types("dlt", "pipeline", "rds", "run")
    assert done.returncode == 0, done.stderr
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


def test_4_a_second_time_calls_nothing_and_exports_nothing(built: Newcomer) -> None:
    assert built.types("dlt", "pipeline", "run").returncode == 0
    outcomes = orjson.loads((built.home / "last_run.json").read_bytes())
    assert {outcome["calls"] for outcome in outcomes} == {0}
    built.succeeds("dbt", "build")
    tables = built.artifact("export.json")["tables"]
    assert {(it["inserted"], it["changed"], it["deleted"]) for it in tables} == {(0, 0, 0)}


def test_5_the_docs_site_is_one_file_with_every_model(docs: Path) -> None:
    assert "model.hello_korea.rds_events" in docs.read_text()


def test_6_the_last_build_is_exported_again_after_other_commands_of_dbt(built: Newcomer) -> None:
    shown = built.types("dbt", "show", "--select", "events_by_district_and_month")
    assert shown.returncode == 0, shown.stdout[-3000:]
    done = built.types("dlt", "pipeline", "rds", "run")
    assert done.returncode == 0, done.stderr
    assert "events: " in done.stdout


def test_7_the_summary_says_what_was_done_and_where_to_look(built: Newcomer) -> None:
    done = built.types("python", "-m", "loaders.summary")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.split()[:3] == ["tour.places", "0", "999"] for line in lines)
    assert any(line.startswith("models: ") and "success" in line for line in lines)
    assert any(line.startswith("events: ") and "0 inserted" in line for line in lines)
    assert str(built.home / "warehouse.duckdb") in done.stdout
    assert "psql" in done.stdout
