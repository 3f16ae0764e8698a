"""A newcomer's commands, one after the other, on generated data: no key, nothing edited."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import psycopg2
import pytest
from newcomer import Newcomer

from loaders import embedded_postgres

DISTRICTS_OF_SEOUL = 25
SERVED = {
    *("districts", "categories", "attractions", "venues", "events", "lodgings"),
    *("weather", "airports", "fares", "exchange_rates"),
}


@pytest.fixture(scope="module")
def newcomer(profiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    home = tmp_path_factory.mktemp("home")
    yield Newcomer(home, profiles)
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        embedded_postgres.stop()


def test_1_the_pipelines_run_on_the_sample_api_and_say_so(newcomer: Newcomer) -> None:
    done = newcomer.types("dlt", "pipeline", "run")
    assert done.returncode == 0, done.stderr
    assert "SOURCES__TOUR__SERVICE_KEY is not set, so the sample API answers" in done.stdout
    assert "SOURCES__KOPIS__SERVICE_KEY is not set, so the sample API answers" in done.stdout


def test_2_the_build_proves_every_model_and_exports(newcomer: Newcomer) -> None:
    done = newcomer.types("dbt", "build")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "ERROR=0 SKIP=0" in done.stdout
    report = newcomer.artifact("export.json")
    assert not report["kept_out"]
    tables = {it["table"]: it for it in report["tables"]}
    assert set(tables) == SERVED
    assert all(it["rows"] == it["inserted"] > 0 for it in tables.values())


def test_3_the_website_finds_something_in_every_district(newcomer: Newcomer) -> None:
    done = newcomer.types("dlt", "pipeline", "rds", "run")
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(newcomer.home))
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


def test_4_a_second_time_calls_nothing_and_exports_nothing(newcomer: Newcomer) -> None:
    assert newcomer.types("dlt", "pipeline", "run").returncode == 0
    outcomes = orjson.loads((newcomer.home / "last_run.json").read_bytes())
    assert {outcome["calls"] for outcome in outcomes} == {0}
    assert newcomer.types("dbt", "build").returncode == 0
    tables = newcomer.artifact("export.json")["tables"]
    assert {(it["inserted"], it["changed"], it["deleted"]) for it in tables} == {(0, 0, 0)}


def test_5_the_docs_site_is_one_file_with_every_model(newcomer: Newcomer) -> None:
    folder = newcomer.home / "docs"
    done = newcomer.types("dbt", "docs", "generate", "--static", "--target-path", str(folder))
    assert done.returncode == 0, done.stdout[-3000:]
    site = (folder / "static_index.html").read_text()
    assert "model.hello_korea.rds_events" in site


def test_6_the_last_build_is_exported_again_after_other_commands_of_dbt(
    newcomer: Newcomer,
) -> None:
    shown = newcomer.types("dbt", "show", "--select", "events_by_district_and_month")
    assert shown.returncode == 0, shown.stdout[-3000:]
    done = newcomer.types("dlt", "pipeline", "rds", "run")
    assert done.returncode == 0, done.stderr
    assert "events: " in done.stdout


def test_7_the_summary_says_what_was_done_and_where_to_look(newcomer: Newcomer) -> None:
    done = newcomer.types("python", "-m", "loaders.summary")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.split()[:3] == ["tour.places", "0", "999"] for line in lines)
    assert any(line.startswith("models: ") and "success" in line for line in lines)
    assert any(line.startswith("events: ") and "0 inserted" in line for line in lines)
    assert str(newcomer.home / "warehouse.duckdb") in done.stdout
    assert "psql" in done.stdout
