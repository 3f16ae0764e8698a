"""Pipelines from the API to the warehouse, over real HTTP into a real DuckDB."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import requests
from support.pipelines import DLT, bodies, lake, outcomes, query, raw_files, run
from support.project import PROJECT, TODAY, point_at

from loaders.lake.raw import COMPLETE, META
from loaders.sample_api import SampleApi


@pytest.fixture(scope="module")
def after_a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SampleApi, Path]]:
    """The API that a run of all pipelines has asked, and the home that it left."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as settings, SampleApi(today=TODAY) as api:
        asks_of(api, home, settings)
        assert run() == (0, "")
        yield api, home


@pytest.fixture
def arrived(
    after_a_run: tuple[SampleApi, Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[SampleApi, Path]:
    asks_of(*after_a_run, monkeypatch)
    return after_a_run


def asks_of(api: SampleApi, home: Path, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("HELLO_KOREA_HOME", str(home))
    settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
    settings.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO")
    settings.setenv("SOURCES__TOUR__LANGUAGES", "ja,zh")
    point_at(api, settings)


def test_every_row_of_the_apis_reaches_the_warehouse(arrived: tuple[SampleApi, Path]) -> None:
    _, home = arrived
    with SampleApi(today=TODAY) as other:
        for service, language in (("JpnService2", "ja"), ("ChsService2", "zh")):
            answer = requests.get(
                f"{other.url}/tour/{service}/areaBasedList2",
                {
                    "serviceKey": "sample",
                    "MobileOS": "ETC",
                    "MobileApp": "test",
                    "_type": "json",
                    "lDongRegnCd": "11",
                },
                timeout=10,
            ).json()
            count = query(
                home, f"select count(*) from staging_tour.places where language = '{language}'"
            )
            assert count == [(answer["response"]["body"]["totalCount"],)]
    ids = set(query(home, "select performance_id from staging_kopis.performances"))
    assert ids == set(query(home, "select performance_id from staging_kopis.performance_details"))
    assert len(ids) >= 150
    assert query(home, "select distinct logical_date from staging_kopis.venues") == [(TODAY,)]
    origins = query(home, "select distinct raw_file from staging_kopis.venues")
    assert all(lake().exists(origin) for (origin,) in origins)
    loads = "select distinct _dlt_load_id from staging_tour.places"
    known = query(home, f"select * from staging_tour._dlt_loads where load_id in ({loads})")
    assert len(known) == 1


def test_no_call_is_made_that_the_page_size_does_not_need(
    arrived: tuple[SampleApi, Path],
) -> None:
    api, home = arrived
    performances = len(set(query(home, "select performance_id from staging_kopis.performances")))
    venues = len(query(home, "select venue_id from staging_kopis.venues"))
    places = dict(query(home, "select language, count(*) from staging_tour.places group by 1"))
    lists = {
        name: count
        for name, count in api.calls.items()
        if "Service2" in name and "detail" not in name
    }
    # Every list of the generated data fits on one page; districts are asked in one language.
    assert set(lists.values()) == {1}
    assert len(lists) == 11
    assert api.calls["JpnService2/detailCommon2"] == places["ja"]
    assert api.calls["ChsService2/detailCommon2"] == places["zh"]
    assert api.calls["pblprfr/{id}"] == performances
    assert api.calls["prfplc/{id}"] == venues
    assert api.calls["prfplc"] == venues // 100 + 1


def test_a_second_run_makes_no_call_and_loads_the_same_rows(
    arrived: tuple[SampleApi, Path],
) -> None:
    api, home = arrived
    first = query(home, "select * from staging_tour.places order by all")
    before, files = api.calls.copy(), raw_files()
    assert run() == (0, "")
    assert api.calls == before
    assert raw_files() == files
    assert query(home, "select * from staging_tour.places order by all") == first


def test_raw_is_what_the_api_answered_with_its_request_beside_it(
    api: SampleApi, home: Path
) -> None:
    run("tour", table="stays")
    for body in bodies("tour/stays"):
        meta = orjson.loads(lake().read(body + META))
        asked = requests.get(meta["request"]["url"], {"serviceKey": "sample"}, timeout=10)
        assert asked.content == lake().read(body)
        assert meta["status"] == 200
        assert "sample" not in str(meta).replace(api.url, "")


def kill_when(api: SampleApi, operation: str, calls: int, arguments: list[str]) -> None:
    """Runs dlt in a process of its own and kills it while that call is being answered."""
    api.fail(operation, delay=30, after=calls - 1, times=1)
    process = subprocess.Popen([DLT, *arguments], cwd=PROJECT, stdout=subprocess.DEVNULL)
    while api.calls[operation] < calls:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    api.clear_faults()


@pytest.mark.usefixtures("lake_url")
def test_a_killed_extraction_goes_on_without_asking_for_a_page_again(
    api: SampleApi, home: Path
) -> None:
    kill_when(api, "pblprfr/{id}", 40, ["pipeline", "kopis", "run"])
    kept = bodies("kopis/performance_details")
    assert len(kept) == 39
    assert run("kopis") == (0, "")
    ids = query(home, "select performance_id from staging_kopis.performance_details")
    assert len(ids) == len(set(ids)) > 150
    assert api.calls["pblprfr/{id}"] == len(ids) + 1  # the call that was being answered
    assert api.calls["pblprfr"] == len(bodies("kopis/performances"))


@pytest.mark.usefixtures("lake_url")
def test_an_answer_whose_description_was_lost_is_not_asked_for_again(
    api: SampleApi, home: Path
) -> None:
    run("tour", table="stays")
    (complete,) = (key for key in raw_files("tour/stays") if key.endswith(COMPLETE))
    for key in (complete, *(body + META for body in bodies("tour/stays"))):
        lake().delete(key)
    before = api.calls.copy()
    assert run("tour", table="stays") == (0, "")
    assert api.calls == before
    assert lake().exists(complete)


@pytest.mark.parametrize(
    ("error", "calls", "said"),
    [
        ("bad_key", 1, "the key is refused: code 30"),
        ("legacy_bad_key", 1, "the key is refused: code 30"),
        ("quota", 1, "the API's allowance for the day is spent: API token quota exceeded"),
        ("quota_envelope_200", 1, "the API's allowance for the day is spent: code 22"),
        ("quota_envelope_403", 1, "the API's allowance for the day is spent: code 22"),
        ("legacy_quota", 1, "the API's allowance for the day is spent: code 22"),
        ("retired", 1, "the service is gone: code 12"),
        ("not_found", 1, "the service is gone: API not found"),
        ("rate_limit", 5, "the API is called too fast"),
        ("forwarding", 5, "the API is down: Error forwarding request"),
        ("receiving", 5, "the API is down: Error receiving response"),
        ("unexpected", 5, "the API is down: Unexpected error"),
        ("legacy_timeout", 5, "the API is down: code 05"),
        ("database", 5, "the API is down: code 0002 DB_ERROR"),
    ],
)
def test_each_error_of_the_gateway_is_told_apart(
    api: SampleApi, home: Path, error: str, calls: int, said: str
) -> None:
    api.fail("EngService2/searchStay2", error=error)
    assert run("tour", table="stays") == (1, "not complete: tour.stays")
    (wrong,) = outcomes(home)["tour.stays"]["errors"]
    assert wrong.startswith(f"EngService2/searchStay2: {said}")
    assert api.calls["EngService2/searchStay2"] == calls
    assert bodies("tour/stays") == []


def test_a_refused_parameter_is_named(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__REGION", "99")
    api.fail(
        "*/searchStay2",
        body='{"resultCode":"10","resultMsg":"INVALID_REQUEST_PARAMETER_ERROR(lDongRegnCd)"}',
    )
    assert run("tour", table="stays")[0] == 1
    (wrong,) = outcomes(home)["tour.stays"]["errors"]
    assert "the request is refused" in wrong
    assert "INVALID_REQUEST_PARAMETER_ERROR(lDongRegnCd)" in wrong


@pytest.mark.parametrize(
    ("status", "body", "calls", "said"),
    [
        (500, "oops", 5, "the API is down: HTTP 500"),
        (400, "", 5, "the API is down: HTTP 400"),
        (404, '{"success":false,"code":404}', 1, "the service is gone"),
        (200, "<html>maintenance</html>", 5, "the response can't be read"),
        (200, '{"a": 1}', 5, "the response can't be read"),
        (200, "<dbs><db><returncode>02</returncode></db></dbs>", 1, "the key is refused: code 02"),
        (200, "<dbs><db><returncode>03</returncode></db></dbs>", 5, "the API is down: code 03"),
        (200, "<dbs><db><returncode>05</returncode></db></dbs>", 1, "the request is refused"),
    ],
)
def test_each_error_of_kopis_is_told_apart(
    api: SampleApi, home: Path, status: int, body: str, calls: int, said: str
) -> None:
    api.fail("prfplc", status=status, body=body)
    code, message = run("kopis", table="venues")
    assert (code, message) == (1, "not complete: kopis.venues")
    (wrong,) = outcomes(home)["kopis.venues"]["errors"]
    assert wrong.startswith(f"prfplc: {said}")
    assert api.calls["prfplc"] == calls
    assert bodies("kopis/venues") == []
    assert query(home, "select count(*) from staging_kopis.venues") == [(0,)]


def test_no_data_is_an_empty_page_and_no_error(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", body="<dbs><db><returncode>04</returncode></db></dbs>")
    api.fail(
        "*/searchStay2",
        body='{"response":{"header":{"resultCode":"03","resultMsg":"NODATA_ERROR"}}}',
    )
    assert run("kopis", table="venues") == (0, "")
    assert run("tour", table="stays") == (0, "")
    assert query(home, "select count(*) from staging_kopis.venues") == [(0,)]


@pytest.mark.usefixtures("few_places")
def test_what_fails_for_a_while_is_asked_again(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", status=400, times=1)
    assert run("kopis", table="venues") == (0, "")
    api.fail("JpnService2/searchStay2", truncated=True, times=2)
    assert run("tour", table="stays") == (0, "")
    assert api.calls["JpnService2/searchStay2"] == 3
    assert outcomes(home)["tour.stays"]["calls"] == 4


def test_a_wait_that_the_api_asks_for_is_kept(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", status=429, headers={"Retry-After": "2"}, times=1)
    started = time.monotonic()
    assert run("kopis", table="venues") == (0, "")
    assert time.monotonic() - started >= 2


def test_one_bad_detail_does_not_lose_the_rest(api: SampleApi, home: Path) -> None:
    run("kopis", table="performances")
    (bad, *_) = (
        key for (key,) in query(home, "select performance_id from staging_kopis.performances")
    )
    api.fail(f"pblprfr/{bad}", status=500)
    code, message = run("kopis", table="performance_details")
    assert (code, message) == (1, "not complete: kopis.performance_details")
    outcome = outcomes(home)["kopis.performance_details"]
    assert (
        f"1 of {outcome['loaded'] + 1} details failed, the last pblprfr/{bad}"
        in outcome["errors"][0]
    )
    api.clear_faults()
    before = api.calls["pblprfr/{id}"]
    assert run("kopis") == (0, "")
    assert api.calls["pblprfr/{id}"] == before + 1


@pytest.mark.usefixtures("few_places")
def test_a_source_that_is_down_leaves_the_others_alone(api: SampleApi, home: Path) -> None:
    api.fail("prfplc*", status=503)
    api.fail("pblprfr*", status=503)
    code, message = run()
    assert (code, message) == (1, "not complete: kopis.performances, kopis.venues")
    assert all(outcomes(home)[name]["loaded"] for name in ("tour.places", "exim.exchange_rates"))
    # The tables that dbt reads exist all the same.
    assert query(home, "select count(*) from staging_kopis.performance_details") == [(0,)]


def test_an_api_that_is_not_there_is_named_without_its_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__BASE_URL", "http://127.0.0.1:9/openApi/restful")
    monkeypatch.setenv("SOURCES__KOPIS__SERVICE_KEY", "planted-secret")
    assert run("kopis")[0] == 1
    (wrong,) = outcomes(home)["kopis.venues"]["errors"]
    assert "the connection to 127.0.0.1:9 failed" in wrong
    assert "planted-secret" not in "".join(capsys.readouterr())
    kept = (path for path in home.rglob("*") if path.is_file())
    assert not [path for path in kept if b"planted-secret" in path.read_bytes()]


@pytest.mark.usefixtures("lake_url")
def test_details_beyond_the_allowance_are_left_to_the_next_days(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "20")
    monkeypatch.setenv("SOURCES__KOPIS__DAILY_ALLOWANCE", "30")
    assert run("kopis") == (0, "")
    assert api.calls["pblprfr/{id}"] == 30
    outcome = outcomes(home)["kopis.performance_details"]
    assert outcome["loaded"] == 30
    assert outcome["calls_left"] == 0
    assert re.search(
        r"\d+ of \d+ details are left to the next days: .*SOURCES__KOPIS__DAILY_ALLOWANCE",
        outcome["notes"][0],
    )
    run("kopis")
    assert api.calls["pblprfr/{id}"] == 30
    monkeypatch.delenv("SOURCES__KOPIS__DAILY_ALLOWANCE")
    assert run("kopis") == (0, "")
    ids = query(home, "select performance_id from staging_kopis.performance_details")
    assert api.calls["pblprfr/{id}"] == len(ids) == len(set(ids))


def test_a_quota_that_the_api_calls_spent_is_not_tried_again_that_day(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.quota("EngService2/areaBasedList2", 0)
    assert run("tour", table="places")[0] == 1
    assert run("tour", table="places")[0] == 1
    assert api.calls["EngService2/areaBasedList2"] == 1
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(TODAY + timedelta(days=1)))
    api.clear_faults()
    assert run("tour", table="places") == (0, "")


def changed_ids(api: SampleApi, since: str) -> set[str]:
    from lxml import etree

    ids: set[str] = set()
    first = TODAY + timedelta(days=1) - timedelta(days=7)
    for start in range(0, 98, 31):
        window = {
            "service": "sample",
            "stdate": f"{first + timedelta(days=start):%Y%m%d}",
            "eddate": f"{first + timedelta(days=min(start + 30, 97)):%Y%m%d}",
            "signgucode": "11",
            "rows": "100",
            "cpage": "1",
            "afterdate": since,
        }
        body = requests.get(f"{api.url}/kopis/pblprfr", window, timeout=10).content
        ids |= {str(it.text) for it in etree.fromstring(body).iter("mt20id")}
    return ids


def test_details_are_asked_only_for_what_is_new_or_changed(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kopis")
    first = {key for (key,) in query(home, "select performance_id from staging_kopis.performances")}
    tomorrow = TODAY + timedelta(days=1)
    with SampleApi(today=tomorrow) as later:
        for source, url in later.base_urls().items():
            monkeypatch.setenv(f"SOURCES__{source.upper()}__BASE_URL", url)
        monkeypatch.setenv("HELLO_KOREA_TODAY", str(tomorrow))
        assert run("kopis") == (0, "")
        changed = changed_ids(later, f"{TODAY:%Y%m%d}")
    on = f"where logical_date = '{tomorrow}'"
    listed = {
        key for (key,) in query(home, f"select performance_id from staging_kopis.performances {on}")
    }
    asked = {
        key
        for (key,) in query(
            home, f"select performance_id from staging_kopis.performance_details {on}"
        )
    }
    assert asked == (listed - first) | (listed & changed)
    assert 0 < len(asked) < len(first) / 4
    assert later.calls["prfplc/{id}"] < api.calls["prfplc/{id}"] / 4


@pytest.mark.usefixtures("lake_url")
def test_a_refresh_keeps_both_answers_and_stages_the_newer(api: SampleApi, home: Path) -> None:
    run("kopis", table="venues")
    first = raw_files()
    one = "<mt10id>FC999999</mt10id><fcltynm>New</fcltynm><mt13cnt>1</mt13cnt>"
    rest = "<fcltychartr> </fcltychartr><sidonm>서울</sidonm><gugunnm> </gugunnm><opende> </opende>"
    api.fail("prfplc", body=f"<dbs><db>{one}{rest}</db></dbs>")
    assert run("kopis", table="venues", refresh=True) == (0, "")
    assert query(home, "select venue_id from staging_kopis.venues") == [("FC999999",)]
    assert raw_files().items() > first.items()
    api.fail("prfplc", body="<dbs></dbs>")
    api.clear_faults()
    api.fail("prfplc", body="<dbs></dbs>")
    assert run("kopis", table="venues", refresh=True) == (0, "")
    assert query(home, "select venue_id from staging_kopis.venues") == []


@pytest.mark.usefixtures("few_places", "lake_url")
def test_a_past_date_is_staged_and_loaded_from_raw_alone(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("tour", table="places")
    rows = query(home, "select * from staging_tour.places order by all")
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(TODAY + timedelta(days=3)))
    (home / "warehouse.duckdb").unlink()
    before = api.calls.copy()
    assert run("tour", date=str(TODAY), table="places") == (0, "")
    assert api.calls == before
    loaded = query(home, "select * exclude (_dlt_load_id) from staging_tour.places order by all")
    assert loaded == [row[:-1] for row in rows]
    days = f"{TODAY}..{TODAY + timedelta(days=2)}"
    assert run("tour", date=days, table="places") == (0, "")
    assert api.calls == before
    assert "does not answer for a past date" in outcomes(home)["tour.places"]["notes"][0]


@pytest.mark.usefixtures("lake_url")
def test_a_range_loads_each_of_its_dates(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "7")
    start = TODAY - timedelta(days=2)
    assert run("kopis", date=f"{start}..{TODAY}", table="performances") == (0, "")
    rows = query(
        home, "select logical_date, count(*) from staging_kopis.performances group by 1 order by 1"
    )
    assert [day for day, _ in rows] == [start + timedelta(days=day) for day in range(3)]
    told = "select logical_date, row_count from staging_runs.steps where phase = 'load' order by 1"
    assert query(home, told) == rows


@pytest.mark.usefixtures("lake_url")
def test_one_phase_alone_does_that_phase(api: SampleApi, home: Path) -> None:
    assert run("tour", table="stays", only="extract") == (0, "")
    assert lake().keys("stage/tour") == []
    calls = api.calls.copy()
    assert run("tour", table="stays", only="stage") == (0, "")
    assert [key for key in lake().keys("stage/tour") if key.endswith(".parquet")]
    assert not (home / "warehouse.duckdb").exists()
    assert run("tour", table="stays", only="load") == (0, "")
    assert query(home, "select count(*) from staging_tour.stays")[0][0] > 100
    assert api.calls == calls


def test_a_plan_makes_no_call_and_names_every_table(
    api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(plan=True) == (0, "")
    assert not api.calls
    printed = capsys.readouterr().out
    assert "tour.places" in printed
    assert "at least 4" in printed
    assert "3,000" in printed


def test_without_a_key_the_sample_api_answers_and_every_phase_works_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for only in ("extract", "stage", "load"):
        assert run("tour", table="stays", only=only) == (0, "")
    assert "SOURCES__TOUR__SERVICE_KEY is not set" in capsys.readouterr().out
    assert run("tour", plan=True) == (0, "")
    assert query(home, "select count(*) from staging_tour.stays")[0][0] > 100


@pytest.mark.usefixtures("lake_url")
def test_a_raw_file_that_was_changed_is_named(api: SampleApi, home: Path) -> None:
    run("tour", table="stays")
    body = bodies("tour/stays")[0]
    lake().write(body, lake().read(body).replace(b"a", b"b"))
    assert run("tour", table="stays")[0] == 1
    (wrong,) = outcomes(home)["tour.stays"]["errors"]
    assert body in wrong
    assert "checksum" in wrong


def test_answers_of_the_sample_api_and_of_a_real_one_do_not_mix(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("tour", table="stays") == (0, "")  # no key: the sample API answers
    monkeypatch.setenv("SOURCES__TOUR__SERVICE_KEY", "real")
    code, message = run("tour", table="stays")
    assert code == 2
    assert message.startswith("LAKE__URL is")
    assert "HELLO_KOREA_HOME" in message


def test_a_second_run_of_a_pipeline_says_who_runs_it(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", delay=30)
    process = subprocess.Popen(
        [DLT, "pipeline", "kopis", "run"], cwd=PROJECT, stdout=subprocess.DEVNULL
    )
    while not api.calls["prfplc"]:
        time.sleep(0.01)
    code, message = run("kopis")
    process.kill()
    process.wait()
    assert code == 3
    assert f"kopis is being run by process {process.pid}" in message


def test_a_warehouse_that_another_program_holds_is_named_and_loads_later(
    api: SampleApi, home: Path
) -> None:
    home.mkdir()
    hold = "import duckdb, sys, time; it = duckdb.connect(sys.argv[1]); print(1, flush=True)"
    code = [sys.executable, "-c", f"{hold}; time.sleep(60)", str(home / "warehouse.duckdb")]
    holder = subprocess.Popen(code, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    assert run("tour", table="stays") == (1, "not complete: tour.stays")
    (wrong,) = outcomes(home)["tour.stays"]["errors"]
    assert wrong.startswith("not loaded: IO Error: Could not set lock on file")
    assert str(holder.pid) in wrong
    holder.kill()
    holder.wait()
    calls = api.calls.copy()
    assert run("tour", table="stays") == (0, "")
    assert api.calls == calls


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SOURCES__TOUR__LANGUAGES", "en,fr", "expected some of en, ko"),
        ("SOURCES__TOUR__REGION", "Seoul", "expected a two-digit lDongRegnCd"),
        ("SOURCES__KOPIS__DAYS_AHEAD", "-1", "expected a number of days"),
        ("SOURCES__KOPIS__DAILY_ALLOWANCE", "many", "expected a number of calls"),
        ("SOURCES__KOPIS__BASE_URL", "kopis.or.kr", "expected https://host/path"),
        ("HELLO_KOREA_TODAY", "yesterday", "expected a date such as 2026-11-22"),
        ("LAKE__URL", "gs://bucket/lake", "expected a folder"),
        ("DBT_TARGET", "prod", "expected local"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_got_and_wants(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    code, message = run()
    assert code == 2
    assert message.startswith(f"{name} is '{value}'")
    assert said in message
    assert not api.calls


@pytest.mark.parametrize(
    ("pipeline", "words", "said"),
    [
        ("tuor", {}, "'tuor': expected one of "),
        ("tour", {"table": "hotels"}, "--table is 'hotels': expected one of districts, categories"),
        (None, {"date": "22.11.2026"}, "--date is '22.11.2026': expected a date such as"),
        (None, {"date": "2026-11-22..2026-11-01"}, "--date is"),
        (None, {"date": "2026-11-01.."}, "--date is"),
        (None, {"date": "2099-01-01"}, "expected no date after today (2026-11-22 in KST)"),
    ],
)
def test_wrong_words_are_named(pipeline: str | None, words: dict[str, str], said: str) -> None:
    code, message = run(pipeline, **words)  # type: ignore[arg-type]
    assert code == 2
    assert said in message


def test_a_base_url_without_its_key_is_refused(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__TOUR__SERVICE_KEY")
    code, message = run("tour")
    assert code == 2
    assert message.startswith("SOURCES__TOUR__SERVICE_KEY is not set")


def test_the_commands_of_dlt_see_the_pipelines(api: SampleApi, home: Path) -> None:
    def dlt(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DLT, *words], cwd=PROJECT, capture_output=True, text=True, check=False
        )

    done = dlt("pipeline", "tour", "run", "--table", "stays")
    assert done.returncode == 0
    assert "tour.stays" in done.stdout
    assert "dataset_name: staging_tour" in dlt("pipeline", "tour", "info").stdout
    assert "COMPLETED" in dlt("pipeline", "tour", "trace").stdout
    assert "No failed jobs found" in dlt("pipeline", "tour", "failed-jobs").stdout
    assert "tour" in dlt("pipeline", "--list-pipelines").stdout
    wrong = dlt("pipeline", "tour", "run", "--date", "soon")
    assert wrong.returncode == 2
    assert wrong.stderr.strip().count("\n") == 0
    assert wrong.stderr.startswith("--date is 'soon'")
