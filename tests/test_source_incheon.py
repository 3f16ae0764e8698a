"""Incheon's schedules and airports: the API's quirks over real HTTP, and the recorded rows."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from support.pipelines import query, run, table_results
from support.project import ENOUGH_SECONDS, TODAY, point_at

from loaders.pipeline import stage
from loaders.sample_api import SampleApi
from loaders.sample_api.incheon import season
from loaders.sources import SOURCES, data_go_kr, incheon

pytestmark = pytest.mark.usefixtures("staging_tables")

ARRIVALS = "StatusOfPaxFltSched/getPaxFltSchedArrivalsDeOdp"
DEPARTURES = "StatusOfPaxFltSched/getPaxFltSchedDeparturesDeOdp"
DESTINATIONS = "StatusOfSrvDestinations/getServiceDestinationInfo"
RECORDING = "incheon/getPaxFltSchedDeparturesDeOdp_KIX.json"
SCHEDULES = SOURCES["incheon"].table("schedules")

Item = dict[str, Any]


def get(api: SampleApi, operation: str, **params: Any) -> requests.Response:
    return requests.get(
        f"{api.url}/incheon/{operation}",
        {"serviceKey": "sample", "type": "json", **params},
        timeout=ENOUGH_SECONDS,
    )


def items(api: SampleApi, operation: str, **params: Any) -> list[Item]:
    response = get(api, operation, **{"numOfRows": 1000, **params}).json()["response"]
    assert response["header"] == {"resultCode": "00", "resultMsg": "NORMAL SERVICE."}
    assert response["body"]["totalCount"] <= 1000
    rows: list[Item] = response["body"]["items"]
    return rows


def weekdays(item: Item) -> str:
    return "".join(item[name] for name in incheon.WEEKDAYS)


def envelope(rows: Any, total: int = 0) -> bytes:
    body = {"items": rows, "pageNo": 1, "numOfRows": 1000, "totalCount": total}
    header = {"resultCode": "00", "resultMsg": "NORMAL SERVICE."}
    return orjson.dumps({"response": {"header": header, "body": body}})


def flight(**fields: Any) -> Item:
    """A flight as the API returns it, with `fields` changed."""
    return {
        **{"flightid": "MM712", "airline": "Peach", "st": "0730", "season": "S26"},
        **{"firstdate": "20260330", "lastdate": "20261024"},
        **{"airportcode": "KIX", "airport": "OSAKA/KANSAI"},
        **dict.fromkeys(incheon.WEEKDAYS, "Y"),
        **{"masterflightid": "", "codeshare": "Master"},
        **fields,
    }


def staged(*flights: Item) -> stage.Staged:
    parsed = SCHEDULES.read(envelope(list(flights), len(flights)))
    return stage.stage(SCHEDULES, [("file", {"direction": "departure"}, lambda: parsed)], TODAY)


# What is staged


def test_every_flight_arrives_once_in_its_direction(api: SampleApi, home: Path) -> None:
    assert run("incheon", table="schedules") == (0, "")
    assert dict(api.calls) == {ARRIVALS: 1, DEPARTURES: 1}
    for direction, operation in (("arrival", ARRIVALS), ("departure", DEPARTURES)):
        scheduled = items(api, operation, lang="E")
        masters = [item for item in scheduled if item["codeshare"] == "Master"]
        assert 0 < len(masters) < len(scheduled)
        arrived = query(
            home,
            "select flight_id, airport, strftime(first_date, '%Y%m%d'), weekdays, scheduled_time,"
            f" airline_name from staging_incheon.schedules where direction = '{direction}'",
        )
        names = ("flightid", "airportcode", "firstdate")
        assert sorted(arrived) == sorted(
            (*(item[name] for name in names), weekdays(item), item["st"], item["airline"])
            for item in masters
        )


def test_every_served_airport_arrives_with_its_korean_name(api: SampleApi, home: Path) -> None:
    assert run("incheon", table="airports") == (0, "")
    arrived = query(
        home, "select airport, airport_name, country_name from staging_incheon.airports"
    )
    served = items(api, DESTINATIONS, lang="K")
    assert len(served) >= 40
    assert sorted(arrived) == sorted(tuple(item.values()) for item in served)
    assert ("NRT", "도쿄/나리타", "일본") in arrived


def test_codeshare_copies_of_a_flight_are_left_out() -> None:
    copy = flight(flightid="NH3512", codeshare="Slave", masterflightid="MM712")
    rows = staged(flight(), copy, flight(flightid="KE1", codeshare=""))
    assert rows.rows["flight_id"].to_pylist() == ["MM712", "KE1"]
    assert rows.rejected == []


def test_two_rows_of_a_flight_with_different_weekdays_are_both_kept() -> None:
    rows = staged(
        flight(monday="N", sunday="N"),
        flight(**dict.fromkeys(incheon.WEEKDAYS[1:6], "N")),
        flight(monday="N", sunday="N"),
    )
    assert sorted(rows.rows["weekdays"].to_pylist()) == ["NYYYYYN", "YNNNNNY"]
    assert rows.duplicates == 1


def test_a_flight_without_readable_weekdays_or_dates_is_rejected() -> None:
    rows = staged(flight(friday=""), flight(sunday="?"), flight(lastdate="20261324"))
    assert len(rows.rows) == 0
    assert sorted(rejected["reason"] for rejected in rows.rejected) == [
        "last_date: lastdate is '20261324', not %Y%m%d",
        "no weekdays",
        "no weekdays",
    ]
    assert all(rejected["row"]["flightid"] == "MM712" for rejected in rows.rejected)


def test_items_are_read_as_a_list_with_or_without_item_and_may_be_empty() -> None:
    osaka, tokyo = {"airportCode": "KIX"}, {"airportCode": "NRT"}
    for items_field, rows in (
        ([osaka, tokyo], [osaka, tokyo]),
        ({"item": [osaka, tokyo]}, [osaka, tokyo]),
        ({"item": osaka}, [osaka]),
        ([], []),
        ("", []),
        (None, []),
    ):
        assert data_go_kr.items(envelope(items_field)) == rows


def test_a_renamed_airport_field_is_reported(api: SampleApi, home: Path) -> None:
    renamed = [{"airportCode": "KIX", "airportNameKorean": "오사카", "countryName": "일본"}]
    api.fail(DESTINATIONS, body=envelope(renamed, 1))
    assert run("incheon", table="airports")[0] == 0
    result = table_results(home)["incheon.airports"]
    assert "airportNameKorean" in str(result)
    assert "airportName" in str(result)
    assert query(home, "select airport, airport_name from staging_incheon.airports") == [
        ("KIX", None)
    ]


def test_airports_without_their_code_stop_only_that_table(api: SampleApi, home: Path) -> None:
    api.fail(DESTINATIONS, body=envelope([{"code": "KIX"}], 1))
    assert run("incheon")[0] == 1
    assert "airportCode" in str(table_results(home)["incheon.airports"])
    assert table_results(home)["incheon.schedules"]["loaded"] > 0


def test_a_list_of_more_than_a_page_is_read_to_its_end(api: SampleApi, home: Path) -> None:
    first_page = [flight(flightid=f"KE{number}") for number in range(1000)]
    api.fail(ARRIVALS, body=envelope(first_page, 1003), times=1)
    last_page = [flight(flightid=f"OZ{number}") for number in range(3)]
    api.fail(ARRIVALS, body=envelope(last_page, 1003), times=1)
    assert run("incheon", table="schedules") == (0, "")
    assert api.calls[ARRIVALS] == 2
    [(count,)] = query(
        home, "select count(*) from staging_incheon.schedules where direction = 'arrival'"
    )
    assert count == 1003


def test_a_page_of_only_codeshare_copies_is_accepted(api: SampleApi, home: Path) -> None:
    copies = [flight(flightid=f"NH{number}", codeshare="Slave") for number in range(2)]
    api.fail(ARRIVALS, body=envelope(copies, 2))
    assert run("incheon", table="schedules") == (0, "")
    assert query(home, "select distinct direction from staging_incheon.schedules") == [
        ("departure",)
    ]


# Errors


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("bad_key", "the key is refused"),
        ("quota", "allowance for the day is spent"),
        ("quota_envelope_200", "allowance for the day is spent"),
        ("legacy_bad_key", "the key is refused"),
        ("bad_parameter", "the request is refused"),
        ("retired", "the service is gone"),
        ("forwarding", "the API is down"),
    ],
)
def test_an_error_is_named_and_not_kept(
    api: SampleApi, home: Path, error: str, message: str
) -> None:
    api.fail(DESTINATIONS, error=error)
    assert run("incheon", table="airports")[0] == 1
    assert message in str(table_results(home)["incheon.airports"])
    assert not list((home / "lake" / "raw" / "incheon").rglob("*.json"))


def test_no_data_is_an_empty_table(api: SampleApi, home: Path) -> None:
    api.fail(DESTINATIONS, error="no_data")
    assert run("incheon", table="airports") == (0, "")
    assert table_results(home)["incheon.airports"]["staged"] == 0


def test_an_empty_page_of_a_list_with_rows_is_refused(api: SampleApi, home: Path) -> None:
    api.fail(DESTINATIONS, body=envelope([], 45))
    assert run("incheon", table="airports")[0] == 1
    assert "a page without the rows that it should have" in str(
        table_results(home)["incheon.airports"]
    )


# The sample API


def test_the_sample_responds_as_the_api_does(api: SampleApi) -> None:
    assert get(api, DEPARTURES, serviceKey="wrong").status_code == 403
    first = get(api, DEPARTURES).json()["response"]["body"]
    assert isinstance(first["items"], list)
    assert len(first["items"]) == first["numOfRows"] == 10
    assert {item["airportcode"] for item in items(api, DEPARTURES, airport="KIX")} == {"KIX"}
    assert {item["airline"] for item in items(api, DEPARTURES, airport="SYD", lang="K")} == {
        *("대한항공", "콴타스항공", "아시아나항공", "델타항공", "일본항공"),
        "에어캐나다",
        "전일본공수",
    }
    past_end = get(api, DEPARTURES, pageNo=99).json()["response"]["body"]
    assert (past_end["items"], past_end["numOfRows"]) == ([], 0)
    assert get(api, DEPARTURES, lang="X").json()["response"]["header"]["resultCode"] == "10"


def test_the_sample_has_codeshares_and_flights_with_split_weeks(api: SampleApi) -> None:
    departures = items(api, DEPARTURES)
    masters = {item["flightid"] for item in departures if item["codeshare"] == "Master"}
    copies = [item for item in departures if item["codeshare"] == "Slave"]
    assert copies
    assert {item["masterflightid"] for item in copies} <= masters
    split = [
        weekdays(item)
        for item in departures
        if item["flightid"][:2] == "MM" and item["airportcode"] == "KIX"
    ]
    assert sorted(split) == ["NYYYYYN", "YNNNNNY"]
    assert {(item["season"], item["lastdate"]) for item in departures} == {("W26", "20270327")}


@pytest.mark.parametrize(
    ("day", "name", "first", "last"),
    [
        ("2026-03-28", "W25", "2025-10-26", "2026-03-28"),
        ("2026-03-29", "S26", "2026-03-29", "2026-10-24"),
        ("2026-10-24", "S26", "2026-03-29", "2026-10-24"),
        ("2026-10-25", "W26", "2026-10-25", "2027-03-27"),
        ("2026-12-31", "W26", "2026-10-25", "2027-03-27"),
    ],
)
def test_seasons_change_on_the_last_sundays_of_march_and_october(
    day: str, name: str, first: str, last: str
) -> None:
    assert season(date.fromisoformat(day)) == (
        *(name, date.fromisoformat(first), date.fromisoformat(last)),
    )
    assert date.fromisoformat(first).weekday() == 6
    assert (date.fromisoformat(last) + timedelta(days=1)).weekday() == 6


# Recorded rows


@pytest.fixture
def recorded(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleApi]:
    with SampleApi(recordings=recordings) as api:
        point_at(api, monkeypatch)
        yield api


@pytest.mark.usefixtures("recorded")
def test_every_recorded_flight_arrives_without_its_codeshare_copies(
    recordings: Path, home: Path
) -> None:
    response = orjson.loads((recordings / RECORDING).read_bytes())["response"]
    recorded_items = response["body"]["items"]
    assert len(recorded_items) == 30
    flights = [item for item in recorded_items if item["codeshare"] != "Slave"]
    assert len(flights) == 18
    assert run("incheon") == (0, "")
    arrived = query(
        home,
        "select flight_id, airline_name, scheduled_time, strftime(first_date, '%Y%m%d'),"
        " strftime(last_date, '%Y%m%d'), airport, airport_name, season, weekdays"
        " from staging_incheon.schedules",
    )
    names = (
        "flightid",
        "airline",
        "st",
        "firstdate",
        "lastdate",
        "airportcode",
        "airport",
        "season",
    )
    assert sorted(arrived) == sorted(
        (*(item[name] for name in names), weekdays(item)) for item in flights
    )
    assert table_results(home)["incheon.schedules"]["rejected"] == 0
    assert sorted(row[-1] for row in arrived if row[0] == "MM712") == ["NYYYYYN", "YNNNNNY"]
