"""Pipelines from the API to the warehouse, over real HTTP into a real DuckDB."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import requests
from rich.console import Console
from support.pipelines import (
    DLT,
    bodies,
    lake,
    query,
    raw_files,
    run,
    start_run,
    table_results,
)
from support.project import ENOUGH_SECONDS, PROJECT, TODAY, point_at

from loaders.cli import display
from loaders.lake.raw import META
from loaders.pipeline.results import Progress, TableResult
from loaders.sample_api import SampleApi


def use_home_and_api(home: Path, api: SampleApi, settings: pytest.MonkeyPatch) -> None:
    """Set what all pipelines need for a small run."""
    settings.setenv("HELLO_KOREA_HOME", str(home))
    settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
    settings.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO")
    settings.setenv("SOURCES__TOUR__LANGUAGES", "ja,zh")
    point_at(api, settings)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SampleApi, Path]]:
    """The API and the home after a run of all pipelines."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as settings, SampleApi(today=TODAY) as api:
        use_home_and_api(home, api, settings)
        assert run() == (0, "")
        yield api, home


@pytest.fixture
def after_first_run(
    first_run: tuple[SampleApi, Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[SampleApi, Path]:
    """`first_run`, with its settings."""
    api, home = first_run
    use_home_and_api(home, api, monkeypatch)
    return api, home


@pytest.mark.slow
def test_every_row_of_the_apis_reaches_the_warehouse(
    after_first_run: tuple[SampleApi, Path],
) -> None:
    _, home = after_first_run
    with SampleApi(today=TODAY) as other:
        for service, language in (("JpnService2", "ja"), ("ChsService2", "zh")):
            response = requests.get(
                f"{other.url}/tour/{service}/areaBasedList2",
                {
                    "serviceKey": "sample",
                    "MobileOS": "ETC",
                    "MobileApp": "test",
                    "_type": "json",
                    "lDongRegnCd": "11",
                },
                timeout=ENOUGH_SECONDS,
            ).json()
            count = query(
                home, f"select count(*) from staging_tour.places where language = '{language}'"
            )
            assert count == [(response["response"]["body"]["totalCount"],)]
    ids = set(query(home, "select performance_id from staging_kopis.performances"))
    assert ids == set(query(home, "select performance_id from staging_kopis.performance_details"))
    assert len(ids) >= 150
    assert query(home, "select distinct logical_date from staging_kopis.venues") == [(TODAY,)]
    raw_keys = query(home, "select distinct raw_file from staging_kopis.venues")
    assert all(lake().exists(key) for (key,) in raw_keys)
    load_ids = "select distinct _dlt_load_id from staging_tour.places"
    loads = query(home, f"select * from staging_tour._dlt_loads where load_id in ({load_ids})")
    assert len(loads) == 1


@pytest.mark.slow
def test_a_run_makes_only_the_calls_that_the_page_size_requires(
    after_first_run: tuple[SampleApi, Path],
) -> None:
    api, home = after_first_run
    performances = len(set(query(home, "select performance_id from staging_kopis.performances")))
    venues = len(query(home, "select venue_id from staging_kopis.venues"))
    places = dict(query(home, "select language, count(*) from staging_tour.places group by 1"))
    list_calls = {
        name: count
        for name, count in api.calls.items()
        if "Service2" in name and "detail" not in name
    }
    # Every list of the generated data fits on one page; districts are fetched in one language.
    assert set(list_calls.values()) == {1}
    assert len(list_calls) == 11
    with_image = "select language, count(image_url) from staging_tour.places group by 1"
    images = dict(query(home, with_image))
    for language, service in (("ja", "JpnService2"), ("zh", "ChsService2")):
        assert api.calls[f"{service}/detailCommon2"] == places[language]
        assert api.calls[f"{service}/detailIntro2"] == places[language]
        assert api.calls[f"{service}/detailImage2"] == images[language]
    assert api.calls["pblprfr/{id}"] == performances
    assert api.calls["prfplc/{id}"] == venues
    assert api.calls["prfplc"] == venues // 100 + 1


@pytest.mark.slow
def test_a_second_run_makes_no_call_and_loads_the_same_rows(
    after_first_run: tuple[SampleApi, Path],
) -> None:
    api, home = after_first_run
    rows = query(home, "select * from staging_tour.places order by all")
    calls, files = api.calls.copy(), raw_files()
    assert run() == (0, "")
    assert api.calls == calls
    assert raw_files() == files
    assert query(home, "select * from staging_tour.places order by all") == rows


def test_raw_has_each_response_unchanged_and_its_request(api: SampleApi, home: Path) -> None:
    run("tour", table="stays")
    for body in bodies("tour/stays"):
        meta = orjson.loads(lake().read(body + META))
        response = requests.get(
            meta["request"]["url"], {"serviceKey": "sample"}, timeout=ENOUGH_SECONDS
        )
        assert response.content == lake().read(body)
        assert meta["status"] == 200
        assert "sample" not in str(meta).replace(api.url, "")


@pytest.mark.slow
@pytest.mark.usefixtures("lake_url")
def test_a_refresh_keeps_the_earlier_response_and_stages_the_newer(
    api: SampleApi, home: Path
) -> None:
    run("kopis", table="venues")
    first_files = raw_files()
    venue = "<mt10id>FC999999</mt10id><fcltynm>New</fcltynm><mt13cnt>1</mt13cnt>"
    rest = "<fcltychartr> </fcltychartr><sidonm>서울</sidonm><gugunnm> </gugunnm><opende> </opende>"
    api.fail("prfplc", body=f"<dbs><db>{venue}{rest}</db></dbs>")
    assert run("kopis", table="venues", refresh=True) == (0, "")
    assert query(home, "select venue_id from staging_kopis.venues") == [("FC999999",)]
    assert raw_files().items() > first_files.items()
    api.clear_faults()
    api.fail("prfplc", body="<dbs></dbs>")
    assert run("kopis", table="venues", refresh=True) == (0, "")
    assert query(home, "select venue_id from staging_kopis.venues") == []


@pytest.mark.slow
@pytest.mark.usefixtures("few_places", "lake_url")
def test_a_past_date_is_staged_and_loaded_from_raw_without_a_call(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("tour", table="places")
    rows = query(home, "select * from staging_tour.places order by all")
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(TODAY + timedelta(days=3)))
    (home / "warehouse.duckdb").unlink()
    calls = api.calls.copy()
    assert run("tour", date=str(TODAY), table="places") == (0, "")
    assert api.calls == calls
    loaded = query(home, "select * exclude (_dlt_load_id) from staging_tour.places order by all")
    assert loaded == [row[:-1] for row in rows]
    days = f"{TODAY}..{TODAY + timedelta(days=2)}"
    assert run("tour", date=days, table="places") == (0, "")
    assert api.calls == calls
    assert "does not answer for a past date" in table_results(home)["tour.places"]["notes"][0]


@pytest.mark.slow
def test_past_dates_without_responses_are_noted_in_one_line(api: SampleApi, home: Path) -> None:
    days = f"{TODAY - timedelta(days=20)}..{TODAY - timedelta(days=1)}"
    assert run("tour", date=days) == (0, "")
    assert table_results(home)["tour.places"]["notes"] == [
        f"{days}: the API does not answer for a past date; nothing is kept"
    ]


@pytest.mark.usefixtures("lake_url")
def test_a_range_of_dates_loads_each_date(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "7")
    start = TODAY - timedelta(days=2)
    assert run("kopis", date=f"{start}..{TODAY}", table="performances") == (0, "")
    counts = query(
        home, "select logical_date, count(*) from staging_kopis.performances group by 1 order by 1"
    )
    assert [day for day, _ in counts] == [start + timedelta(days=day) for day in range(3)]
    steps = "select logical_date, row_count from staging_runs.steps where phase = 'load' order by 1"
    assert query(home, steps) == counts


@pytest.mark.slow
def test_a_run_across_midnight_belongs_to_the_day_on_which_it_began(
    api: SampleApi, home: Path
) -> None:
    api.fail("*", delay=0.1)

    def change_date_after_first_call() -> None:
        while not api.calls:
            time.sleep(0.01)
        os.environ["HELLO_KOREA_TODAY"] = str(TODAY + timedelta(days=1))

    midnight = Thread(target=change_date_after_first_call)
    midnight.start()
    assert run("kma") == (0, "")
    midnight.join()
    assert all(result["loaded"] for result in table_results(home).values())
    daily = ("daily_observations", "mid_forecasts", "short_forecasts")
    folders = {key.split("/")[3] for table in daily for key in bodies(f"kma/{table}")}
    assert folders == {f"dt={TODAY}"}
    days = query(home, "select distinct logical_date from staging_kma.short_forecasts")
    assert days == [(TODAY,)]


@pytest.mark.usefixtures("lake_url")
@pytest.mark.core
def test_each_phase_can_run_alone(api: SampleApi, home: Path) -> None:
    assert run("tour", table="stays", only="extract") == (0, "")
    assert lake().keys("stage/tour") == []
    calls = api.calls.copy()
    assert run("tour", table="stays", only="stage") == (0, "")
    assert [key for key in lake().keys("stage/tour") if key.endswith(".parquet")]
    assert not (home / "warehouse.duckdb").exists()
    assert run("tour", table="stays", only="load") == (0, "")
    assert query(home, "select count(*) from staging_tour.stays")[0][0] > 100
    assert api.calls == calls


def test_a_phase_with_nothing_to_do_notes_it(api: SampleApi, home: Path) -> None:
    assert run("tour", table="stays", only="stage") == (0, "")
    assert table_results(home)["tour.stays"]["notes"] == [f"{TODAY}: nothing to stage"]
    assert run("tour", only="load", refresh=True)[0] == 2
    assert run("tour", date="1926-11-22..2026-11-22")[0] == 2


def test_a_plan_makes_no_call_and_names_every_table(
    api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(plan=True) == (0, "")
    assert not api.calls
    printed = capsys.readouterr().out
    assert "tour.places" in printed
    assert "at least 4" in printed
    assert "3,000" in printed


def test_the_sample_api_serves_a_source_without_a_key_in_every_phase(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for only in ("extract", "stage", "load"):
        assert run("tour", table="stays", only=only) == (0, "")
    assert "SOURCES__TOUR__SERVICE_KEY is not set" in capsys.readouterr().out
    assert run("tour", plan=True) == (0, "")
    assert query(home, "select count(*) from staging_tour.stays")[0][0] > 100


def test_responses_of_the_sample_api_and_of_the_real_api_do_not_share_a_lake(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("tour", table="stays") == (0, "")  # from the sample API, without a key
    monkeypatch.setenv("SOURCES__TOUR__SERVICE_KEY", "real")
    code, message = run("tour", table="stays")
    assert code == 2
    assert message.startswith("LAKE__URL is")
    assert "HELLO_KOREA_HOME" in message


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("few_places")
def test_two_pipelines_can_run_at_the_same_time(api: SampleApi, home: Path) -> None:
    processes = [start_run(pipeline, subprocess.PIPE) for pipeline in ("tour", "kopis")]
    outputs = [process.communicate(timeout=ENOUGH_SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert query(home, "select count(*) from staging_tour.places") == [(80,)]
    assert query(home, "select count(*) from staging_kopis.venues")[0][0] == 60


@pytest.mark.slow
def test_a_second_run_of_a_pipeline_names_the_process_of_the_first(
    api: SampleApi, home: Path
) -> None:
    api.fail("prfplc", delay=30)
    process = start_run("kopis")
    while not api.calls["prfplc"]:
        time.sleep(0.01)
    code, message = run("kopis")
    process.kill()
    process.wait()
    assert code == 3
    assert f"kopis is being run by process {process.pid}" in message


@pytest.mark.slow
def test_the_commands_of_dlt_know_the_pipelines(api: SampleApi, home: Path) -> None:
    def dlt(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DLT, *words], cwd=PROJECT, capture_output=True, text=True, check=False
        )

    process = dlt("pipeline", "tour", "run", "--table", "stays")
    assert process.returncode == 0
    assert "tour.stays" in process.stdout
    assert "dataset_name: staging_tour" in dlt("pipeline", "tour", "info").stdout
    assert "COMPLETED" in dlt("pipeline", "tour", "trace").stdout
    assert "No failed jobs found" in dlt("pipeline", "tour", "failed-jobs").stdout
    assert "tour" in dlt("pipeline", "--list-pipelines").stdout
    wrong = dlt("pipeline", "tour", "run", "--date", "soon")
    assert wrong.returncode == 2
    assert wrong.stderr.strip().count("\n") == 0
    assert wrong.stderr.startswith("--date is 'soon'")


def test_a_date_without_news_is_not_staged_again_and_reported_the_same(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "<dbs><db><fcltynm>no key</fcltynm></db><db><mt10id>FC1</mt10id></db></dbs>"
    api.fail("prfplc", body=body)

    def run_and_report() -> tuple[str, float, dict[str, Any]]:
        assert run("kopis", table="venues") == (0, "")
        (file,) = lake().keys("stage/kopis/venues")
        result = table_results(home)["kopis.venues"]
        counts = {name: result[name] for name in ("pages", "staged", "rejected", "notes")}
        return file, lake().modified_at(file), counts

    first = run_and_report()
    assert first[2]["rejected"] == 1
    assert len(first[2]["notes"]) > 1
    assert run_and_report() == first
    monkeypatch.setenv("SOURCES__KOPIS__VENUES__CONTRACT", "evolve")
    assert run_and_report()[0] != first[0]


def test_a_log_shows_the_progress_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=iter([100.0, 100.3]).__next__))
    log = StringIO()
    with display.Display(Console(file=log, width=160, no_color=True), tables=4) as shown:
        shown.progress("kopis", "venues", Progress(1, 5, 10))
        shown.progress("kopis", "venues", Progress(2, 12, 20))
    assert log.getvalue().splitlines() == [
        "kopis.venues: page 1 of 5, 10 rows",
        "kopis.venues: page 2 of 12, 20 rows, 3 s left",
    ]


def test_a_terminal_shows_the_phase_of_a_table_and_the_number_of_tables_that_ended() -> None:
    terminal = StringIO()
    output = Console(file=terminal, width=160, force_terminal=True)
    with display.Display(output, tables=24) as shown:
        shown.progress("kopis", "venues", Progress(2, 2, 20))
        shown.progress("kopis", "venues", Progress(phase="wait"))
        shown.progress("tour", "places", Progress(phase="load"))
        shown.done(TableResult("exim", "exchange_rates"))
    bars = re.sub(r"\x1b\[[\d;?]*\w", "", terminal.getvalue())
    assert re.search(r"all tables .* 1 of 24 tables", bars)
    assert re.search(r"kopis.venues +waits to load", bars)
    assert re.search(r"tour.places +loading", bars)
