"""Fares of Travelpayouts: the API's quirks over real HTTP, and the recorded rows."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
import requests
from requests import Response
from support.pipelines import query, run, table_results
from support.project import ENOUGH_SECONDS, TODAY, point_at

from loaders.pipeline import stage
from loaders.pipeline.extract import accept
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES, travelpayouts
from loaders.sources.source import ApiError, ApiFault, ExtractRequest

pytestmark = pytest.mark.usefixtures("staging_tables")

OPERATION = "aviasales/v3/prices_for_dates"
FARES = SOURCES["travelpayouts"].table("fares")
SETTINGS = {
    "SOURCES__TRAVELPAYOUTS__ORIGINS": "TYO",
    "SOURCES__TRAVELPAYOUTS__MONTHS_AHEAD": "2",
}


@pytest.fixture
def one_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two months from Tokyo: eight calls."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


def get(api: SampleApi, token: str = "sample", **params: Any) -> Response:
    return requests.get(
        f"{api.url}/travelpayouts/{OPERATION}",
        params=params,
        headers={"X-Access-Token": token},
        timeout=ENOUGH_SECONDS,
    )


def fares(api: SampleApi, **params: Any) -> list[dict[str, Any]]:
    defaults = {"destination": "SEL", "one_way": "false", "limit": 1000, "currency": "krw"}
    response = get(api, **{**defaults, **params}).json()
    assert response["success"] is True
    rows: list[dict[str, Any]] = response["data"]
    return rows


def response_of(status: int, body: bytes, **headers: str) -> Response:
    response = Response()
    response.status_code, response._content = status, body
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def error_of(response: Response) -> ApiError:
    with pytest.raises(ApiError) as raised:
        travelpayouts.check_response(response)
    return raised.value


def stage_body(body: bytes, logical_date: date = TODAY) -> stage.Staged:
    parsed = FARES.read(body)
    return stage.stage(FARES, [("file", {}, lambda: parsed)], logical_date)


# Requests and settings


def test_every_origin_month_and_offer_is_requested_within_the_limit_of_a_minute() -> None:
    options = {
        name: option.convert(option.default)
        for name, option in SOURCES["travelpayouts"].options.items()
    }
    api_requests = list(FARES.requests(ExtractRequest(date(2026, 11, 22), options)))
    names = ("origin", "departure_at", "one_way", "direct", "currency")
    combinations = {tuple(request.params[name] for name in names) for request in api_requests}
    assert len(combinations) == len(api_requests) == 20 * 6 * 4
    assert len(api_requests) <= 600
    assert Counter(combination[2:] for combination in combinations) == {
        ("false", "false", "krw"): 120,
        ("false", "false", "usd"): 120,
        ("true", "false", "krw"): 120,
        ("false", "true", "krw"): 120,
    }
    assert {month for _, month, *_ in combinations} == {
        *("2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04")
    }
    assert {request.params["destination"] for request in api_requests} == {"SEL"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ORIGINS", "TOKYO", "expected IATA codes"),
        ("ORIGINS", "TYO,TYO", "expected IATA codes"),
        ("DESTINATIONS", "", ""),
        ("MONTHS_AHEAD", "0", "expected a number of months from 1 to 12"),
        ("MONTHS_AHEAD", "13", "expected a number of months from 1 to 12"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_remedy(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"SOURCES__TRAVELPAYOUTS__{name}", value)
    code, message = run("travelpayouts", plan=True)
    if not expected:  # an empty setting is the default
        assert code == 0
        return
    assert code == 2
    assert f"SOURCES__TRAVELPAYOUTS__{name} is '{value}': {expected}" in message


# What is staged


@pytest.mark.usefixtures("one_route")
def test_every_fare_of_the_api_arrives_in_both_currencies(api: SampleApi, home: Path) -> None:
    assert run("travelpayouts") == (0, "")
    assert api.calls[OPERATION] == 8
    for currency in ("krw", "usd"):
        offered = [
            (
                *(fare["origin_airport"], fare["departure_at"]),
                *(fare.get("return_at", "one-way"), fare["price"]),
            )
            for month in ("2026-11", "2026-12")
            for fare in fares(api, origin="TYO", departure_at=month, currency=currency)
        ]
        arrived = query(
            home,
            "select origin_airport, departure_at, return_at, price"
            f" from staging_travelpayouts.fares where currency = '{currency}'",
        )
        assert len(offered) > 5
        assert sorted(arrived) == sorted(offered)
    assert table_results(home)["travelpayouts.fares"]["rejected"] == 0


@pytest.mark.usefixtures("one_route")
def test_times_are_local_with_their_offset_and_flight_numbers_keep_leading_zeros(
    api: SampleApi, home: Path
) -> None:
    fare = {
        "flight_number": "0511",
        "origin_airport": "LAX",
        "destination_airport": "ICN",
        "departure_at": "2026-12-01T23:30:00-08:00",
        "return_at": "2026-12-09T08:05:00+09:00",
        "airline": "RS",
        "origin": "LAX",
        "destination": "SEL",
        "price": 812,
        "transfers": 0,
        "return_transfers": 1,
        "duration": 1500,
        "duration_to": 790,
        "duration_back": 710,
    }
    body = orjson.dumps({"data": [fare], "currency": "usd", "success": True})
    api.fail(OPERATION, body=body, times=1)
    run("travelpayouts")
    (row,) = query(
        home,
        "select flight_number, departs_at::text, departs_offset, returns_at::text, returns_offset,"
        " departure_at, transfers, return_transfers, duration, seller, link"
        " from staging_travelpayouts.fares where origin = 'LAX'",
    )
    assert row == (
        *("0511", "2026-12-01 23:30:00", "-08:00", "2026-12-09 08:05:00", "+09:00"),
        *("2026-12-01T23:30:00-08:00", 0, 1, 1500, None, None),
    )


@pytest.mark.usefixtures("one_route", "api")
def test_local_times_do_not_depend_on_the_time_zone_of_the_machine(home: Path) -> None:
    run("travelpayouts")
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("set timezone = 'Asia/Seoul'")
        times = warehouse.sql(
            "select departure_at, cast(departs_at as timestamp)::text"
            " from staging_travelpayouts.fares"
        ).fetchall()
    assert times
    assert all(
        departure_at[:19].replace("T", " ") == local_time for departure_at, local_time in times
    )


def test_one_way_fares_and_round_trips_are_separate_rows() -> None:
    fare = {
        **{"origin": "TYO", "destination": "SEL", "airline": "KE", "flight_number": "1"},
        **{"departure_at": "2026-12-01T08:00:00+09:00", "price": 5},
    }
    body = orjson.dumps(
        {
            "data": [
                fare,
                {**fare, "return_at": ""},
                {**fare, "return_at": None},
                {**fare, "return_at": "2026-12-02T08:00:00+09:00"},
            ],
            "currency": "krw",
            "success": True,
        }
    )
    staged = stage_body(body)
    assert staged.rejected == []
    assert sorted(staged.rows["return_at"].to_pylist()) == ["2026-12-02T08:00:00+09:00", "one-way"]
    assert staged.rows["returns_at"].null_count == 1


def test_the_cheapest_of_repeated_fares_is_kept() -> None:
    fare = {
        **{"origin": "TYO", "destination": "SEL", "airline": "KE", "flight_number": "1"},
        **{"departure_at": "2026-12-01T08:00:00+09:00"},
    }
    data = [{**fare, "price": price, "gate": str(price)} for price in (7, 5, 9)]
    body = orjson.dumps({"data": data, "currency": "krw", "success": True})
    staged = stage_body(body)
    assert staged.rows["price"].to_pylist() == [5.0]
    assert staged.duplicates == 2


def test_an_unreadable_fare_is_rejected_with_a_reason() -> None:
    fare = {
        **{"origin": "TYO", "destination": "SEL", "airline": "KE", "flight_number": "1"},
        **{"departure_at": "2026-12-01T08:00:00+09:00", "price": 5},
    }
    wrong = [{**fare, "departure_at": "soon"}, {**fare, "airline": ""}, {**fare, "price": "free"}]
    body = orjson.dumps({"data": wrong, "currency": "krw", "success": True})
    staged = stage_body(body)
    assert len(staged.rows) == 0
    assert sorted(rejected["reason"] for rejected in staged.rejected) == [
        "departs_at: departs_at is 'soon', not %Y-%m-%dT%H:%M:%S",
        "no airline",
        "price: price is 'free', not double",
    ]


@pytest.mark.usefixtures("one_route")
def test_the_next_page_is_requested_after_a_full_one(api: SampleApi, home: Path) -> None:
    fare = fares(api, origin="TYO")[0]
    page = [{**fare, "flight_number": f"{number:04}"} for number in range(1000)]
    body = orjson.dumps({"data": page, "currency": "krw", "success": True})
    api.calls.clear()
    api.fail(OPERATION, body=body, times=1)
    assert run("travelpayouts") == (0, "")
    assert api.calls[OPERATION] == 9
    urls = [
        orjson.loads(meta.read_bytes())["request"]["url"]
        for meta in (home / "lake" / "raw").rglob("*.meta.json")
    ]
    assert sum("&page=2" in url for url in urls) == 1


@pytest.mark.usefixtures("one_route")
def test_a_month_without_fares_is_not_an_error(api: SampleApi, home: Path) -> None:
    api.fail(OPERATION, error="nothing")
    assert run("travelpayouts") == (0, "")
    assert api.calls[OPERATION] == 8
    assert table_results(home)["travelpayouts.fares"]["staged"] == 0


# Errors


@pytest.mark.usefixtures("one_route")
@pytest.mark.parametrize("error", ["bad_token", "bad_token_200"])
def test_a_refused_token_is_reported_and_not_retried(
    api: SampleApi, home: Path, error: str
) -> None:
    api.fail(OPERATION, error=error)
    assert run("travelpayouts")[0] == 1
    assert api.calls[OPERATION] == 1
    assert "the key is refused" in str(table_results(home)["travelpayouts.fares"])
    assert "check SOURCES__TRAVELPAYOUTS__SERVICE_KEY" in str(
        table_results(home)["travelpayouts.fares"]
    )


@pytest.mark.usefixtures("one_route")
def test_the_token_is_sent_in_a_header_and_stored_nowhere(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__SERVICE_KEY", "not-the-right-token")
    assert run("travelpayouts")[0] == 1
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not any(b"not-the-right-token" in path.read_bytes() for path in files)


@pytest.mark.usefixtures("one_route")
@pytest.mark.parametrize(
    "body",
    [
        b'{"success":false,"data":null,"error":"departure_at is wrong"}',
        b"[]",
        b'{"data":[],"currency":"krw"}',
        b'{"success":true,"currency":"krw"}',
        b'{"success":true,"data":[],"currency":"krw"',
        b'{"success":true,"data":{"TYO":{"price":1}},"currency":"krw"}',
        b"<html>",
    ],
)
def test_a_response_that_is_not_data_is_not_kept(api: SampleApi, home: Path, body: bytes) -> None:
    api.fail(OPERATION, body=body)
    assert run("travelpayouts")[0] == 1
    files = [path for path in (home / "lake" / "raw").rglob("*.json") if path.is_file()]
    assert not any(path.read_bytes() == body for path in files)


def test_a_refusal_has_the_message_of_the_api() -> None:
    error = error_of(response_of(400, b'{"success":false,"data":{},"error":"currency is invalid"}'))
    assert (error.fault, error.message) == (ApiFault.BAD_REQUEST, "HTTP 400 currency is invalid")
    assert error_of(response_of(404, b"404 page not found")).fault is ApiFault.BAD_REQUEST
    assert error_of(response_of(502, b"<html>")).fault is ApiFault.DOWN


# The limit of 600 calls a minute


def test_calls_beyond_the_limit_of_a_minute_are_refused(api: SampleApi) -> None:
    with requests.Session() as session:
        session.headers["X-Access-Token"] = "sample"
        url = f"{api.url}/travelpayouts/{OPERATION}?origin=ZZZ"
        # Twice the limit, so that one minute exceeds it wherever the minute ends.
        statuses = [session.get(url, timeout=ENOUGH_SECONDS).status_code for _ in range(1201)]
    assert statuses.index(429) >= 600
    assert set(statuses) == {200, 429}


@pytest.mark.usefixtures("one_route")
def test_a_run_that_is_too_fast_waits_as_long_as_retry_after(api: SampleApi) -> None:
    api.fail(OPERATION, error="too_fast", headers={"Retry-After": "2"}, times=1)
    started = time.monotonic()
    assert run("travelpayouts") == (0, "")
    assert time.monotonic() - started >= 2
    assert api.calls[OPERATION] == 9


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7", "Date": "Sun, 22 Nov 2026 03:04:15 GMT"}, "7"),
        ({"Date": "Sun, 22 Nov 2026 03:04:15 GMT"}, "45"),
        ({"Date": "Sun, 22 Nov 2026 03:04:00 GMT"}, "60"),
        ({"Date": "now"}, "60"),
        ({}, "60"),
    ],
)
def test_without_retry_after_the_wait_lasts_until_the_minute_of_the_apis_clock_ends(
    headers: dict[str, str], seconds: str
) -> None:
    error = error_of(response_of(429, b"Too Many Requests", **headers))
    assert error.fault is ApiFault.BUSY
    assert error.response.headers["Retry-After"] == seconds


# The sample API


def test_the_sample_responds_as_the_api_does(api: SampleApi) -> None:
    assert get(api, token="wrong", origin="TYO").status_code == 401
    assert requests.get(
        f"{api.url}/travelpayouts/{OPERATION}",
        {"token": "sample", "origin": "TYO"},
        timeout=ENOUGH_SECONDS,
    ).json()["success"]
    assert get(api, currency="krw").status_code == 400
    assert get(api, origin="TYO", limit=1001).status_code == 400
    assert len(get(api, destination="SEL", one_way="false").json()["data"]) == 30
    assert get(api, origin="TYO").json()["currency"] == "rub"
    everything = fares(api) + fares(api, page=2)
    assert [fare["price"] for fare in everything] == sorted(fare["price"] for fare in everything)
    smaller_pages = [fare for page in range(1, 4) for fare in fares(api, limit=600, page=page)]
    assert smaller_pages == everything
    assert fares(api, one_way="true") == [fare for fare in everything if "return_at" not in fare]
    assert {fare["destination_airport"] for fare in fares(api, origin="HND")} == {"GMP"}
    dollars = [fare["price"] for fare in fares(api, origin="TYO", currency="usd")]
    won = [fare["price"] for fare in fares(api, origin="TYO")]
    assert [round(price / 1400) for price in won] == dollars


def test_the_sample_has_the_oddities_of_real_fares(api: SampleApi) -> None:
    everything = fares(api)
    assert any(fare["flight_number"].startswith("0") for fare in everything)
    assert {"gate" in fare for fare in everything} == {True, False}
    assert {"return_at" in fare for fare in everything} == {True, False}
    assert all(fare["departure_at"][:10] > "2026-11-22" for fare in everything)
    cities = {fare["origin"] for fare in everything}
    months = {(fare["origin"], fare["departure_at"][:7]) for fare in everything}
    assert len(months) < 12 * len(cities)  # some cities have months without a fare
    with SampleApi(today=TODAY) as again:
        assert fares(again) == everything


# Recorded rows


@pytest.fixture
def recorded(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleApi]:
    with SampleApi(recordings=recordings) as api:
        point_at(api, monkeypatch)
        yield api


def excerpt(recordings: Path) -> list[dict[str, Any]]:
    content = orjson.loads((recordings / "travelpayouts" / "prices_excerpt.json").read_bytes())
    rows: list[dict[str, Any]] = content["rows"]
    assert len(rows) == 15
    return rows


def test_every_recorded_fare_arrives(
    recorded: SampleApi, recordings: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = excerpt(recordings)
    monkeypatch.setenv("HELLO_KOREA_TODAY", "2026-10-04")  # the day of their search
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "ICN")
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__DESTINATIONS", "TAO,KIX,PQC,CXR,DAD")
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__MONTHS_AHEAD", "2")
    assert run("travelpayouts") == (0, "")
    arrived = query(
        home,
        "select destination, departure_at, return_at, airline, flight_number, price, seller,"
        " departs_at::text, currency from staging_travelpayouts.fares",
    )
    assert sorted(arrived) == sorted(
        (
            *(row[name] for name in ("destination", "departure_at", "return_at", "airline")),
            *(row[name] for name in ("flight_number", "price", "gate")),
            row["departure_at"][:19].replace("T", " "),
            "krw",
        )
        for row in rows
    )
    assert table_results(home)["travelpayouts.fares"]["rejected"] == 0


def test_every_field_of_the_recorded_response_is_read(recordings: Path) -> None:
    file = recordings / "travelpayouts" / "prices_for_dates_wire_example_2025-05.json"
    body = file.read_bytes()
    accept(SOURCES["travelpayouts"], FARES, response_of(200, body))
    staged = stage_body(body, date(2025, 5, 16))
    assert (staged.rejected, staged.new_fields) == ([], {})
    assert staged.missing_fields == {}
    (row,) = staged.rows.to_pylist()
    assert (row["return_at"], row["returns_at"], row["currency"]) == ("one-way", None, "rub")
    assert (row["origin_airport"], row["price"], row["duration"]) == ("SVO", 17000.0, 455)
    assert f"{row['departs_at']}{row['departs_offset']}" == "2025-07-15 17:20:00+03:00"
