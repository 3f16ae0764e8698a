"""Incheon's schedules and airports: the API's quirks over real HTTP, and the recorded rows."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from support.pipelines import outcomes, query, run
from support.project import TODAY, point_at

from loaders.pipeline import stage
from loaders.sample_api import SampleApi
from loaders.sample_api.incheon import season
from loaders.sources import SOURCES, data_go_kr, incheon

ARRIVALS = "StatusOfPaxFltSched/getPaxFltSchedArrivalsDeOdp"
DEPARTURES = "StatusOfPaxFltSched/getPaxFltSchedDeparturesDeOdp"
DESTINATIONS = "StatusOfSrvDestinations/getServiceDestinationInfo"
RECORDING = "incheon/getPaxFltSchedDeparturesDeOdp_KIX.json"
SCHEDULES = SOURCES["incheon"].table("schedules")

Item = dict[str, Any]


def ask_api(api: SampleApi, operation: str, **params: Any) -> requests.Response:
    return requests.get(
        f"{api.url}/incheon/{operation}",
        {"serviceKey": "sample", "type": "json", **params},
        timeout=10,
    )


def items(api: SampleApi, operation: str, **params: Any) -> list[Item]:
    answer = ask_api(api, operation, **{"numOfRows": 1000, **params}).json()["response"]
    assert answer["header"] == {"resultCode": "00", "resultMsg": "NORMAL SERVICE."}
    assert answer["body"]["totalCount"] <= 1000
    found: list[Item] = answer["body"]["items"]
    return found


def weekdays(item: Item) -> str:
    return "".join(item[name] for name in incheon.WEEKDAYS)


def envelope(found: Any, total: int = 0) -> bytes:
    body = {"items": found, "pageNo": 1, "numOfRows": 1000, "totalCount": total}
    header = {"resultCode": "00", "resultMsg": "NORMAL SERVICE."}
    return orjson.dumps({"response": {"header": header, "body": body}})


def flight(**changed: Any) -> Item:
    return {
        **{"flightid": "MM712", "airline": "Peach", "st": "0730", "season": "S26"},
        **{"firstdate": "20260330", "lastdate": "20261024"},
        **{"airportcode": "KIX", "airport": "OSAKA/KANSAI"},
        **dict.fromkeys(incheon.WEEKDAYS, "Y"),
        **{"masterflightid": "", "codeshare": "Master"},
        **changed,
    }


def staged(*flights: Item) -> stage.Staged:
    body = envelope(list(flights), len(flights))
    return stage.stage(SCHEDULES, [("file", {"direction": "departure"}, lambda: body)], TODAY)


# What arrives


def test_every_flight_arrives_once_in_its_direction(api: SampleApi, home: Path) -> None:
    assert run("incheon", table="schedules") == (0, "")
    assert dict(api.calls) == {ARRIVALS: 1, DEPARTURES: 1}
    for direction, operation in (("arrival", ARRIVALS), ("departure", DEPARTURES)):
        told = items(api, operation, lang="E")
        flying = [it for it in told if it["codeshare"] == "Master"]
        assert 0 < len(flying) < len(told)
        arrived = query(
            home,
            "select flight_id, airport, strftime(first_date, '%Y%m%d'), weekdays, scheduled_time,"
            f" airline_name from staging_incheon.schedules where direction = '{direction}'",
        )
        names = ("flightid", "airportcode", "firstdate")
        assert sorted(arrived) == sorted(
            (*(it[name] for name in names), weekdays(it), it["st"], it["airline"]) for it in flying
        )


def test_every_airport_served_arrives_with_its_korean_name(api: SampleApi, home: Path) -> None:
    assert run("incheon", table="airports") == (0, "")
    arrived = query(
        home, "select airport, airport_name, country_name from staging_incheon.airports"
    )
    told = items(api, DESTINATIONS, lang="K")
    assert len(told) >= 40
    assert sorted(arrived) == sorted(tuple(it.values()) for it in told)
    assert ("NRT", "도쿄/나리타", "일본") in arrived


def test_the_copies_of_a_shared_flight_are_left_out() -> None:
    shared = flight(flightid="NH3512", codeshare="Slave", masterflightid="MM712")
    rows = staged(flight(), shared, flight(flightid="KE1", codeshare=""))
    assert rows.rows["flight_id"].to_pylist() == ["MM712", "KE1"]
    assert rows.rejected == []


def test_two_rows_that_share_out_a_week_are_both_kept() -> None:
    rows = staged(
        flight(monday="N", sunday="N"),
        flight(**dict.fromkeys(incheon.WEEKDAYS[1:6], "N")),
        flight(monday="N", sunday="N"),
    )
    assert sorted(rows.rows["weekdays"].to_pylist()) == ["NYYYYYN", "YNNNNNY"]
    assert rows.duplicates == 1


def test_a_flight_without_a_readable_week_or_date_is_rejected() -> None:
    rows = staged(flight(friday=""), flight(sunday="?"), flight(lastdate="20261324"))
    assert len(rows.rows) == 0
    assert sorted(it["reason"] for it in rows.rejected) == [
        "last_date: lastdate is '20261324', not %Y%m%d",
        "no weekdays",
        "no weekdays",
    ]
    assert all(it["row"]["flightid"] == "MM712" for it in rows.rejected)


def test_items_are_read_bare_or_wrapped_or_not_at_all() -> None:
    one, two = {"airportCode": "KIX"}, {"airportCode": "NRT"}
    for found, rows in (
        ([one, two], [one, two]),
        ({"item": [one, two]}, [one, two]),
        ({"item": one}, [one]),
        ([], []),
        ("", []),
        (None, []),
    ):
        assert data_go_kr.items(envelope(found)) == rows


def test_an_airport_field_by_another_name_is_reported(api: SampleApi, home: Path) -> None:
    renamed = [{"airportCode": "KIX", "airportNameKorean": "오사카", "countryName": "일본"}]
    api.fail(DESTINATIONS, body=envelope(renamed, 1))
    assert run("incheon", table="airports")[0] == 0
    told = outcomes(home)["incheon.airports"]
    assert "airportNameKorean" in str(told)
    assert "airportName" in str(told)
    assert query(home, "select airport, airport_name from staging_incheon.airports") == [
        ("KIX", None)
    ]


def test_airports_without_their_code_stop_that_table_alone(api: SampleApi, home: Path) -> None:
    api.fail(DESTINATIONS, body=envelope([{"code": "KIX"}], 1))
    assert run("incheon")[0] == 1
    assert "airportCode" in str(outcomes(home)["incheon.airports"])
    assert outcomes(home)["incheon.schedules"]["loaded"] > 0


def test_a_list_of_more_than_a_page_is_read_to_its_end(api: SampleApi, home: Path) -> None:
    first = [flight(flightid=f"KE{number}") for number in range(1000)]
    api.fail(ARRIVALS, body=envelope(first, 1003), times=1)
    last = [flight(flightid=f"OZ{number}") for number in range(3)]
    api.fail(ARRIVALS, body=envelope(last, 1003), times=1)
    assert run("incheon", table="schedules") == (0, "")
    assert api.calls[ARRIVALS] == 2
    [(count,)] = query(
        home, "select count(*) from staging_incheon.schedules where direction = 'arrival'"
    )
    assert count == 1003


def test_a_page_of_shared_flights_alone_is_no_cut_list(api: SampleApi, home: Path) -> None:
    shared = [flight(flightid=f"NH{n}", codeshare="Slave") for n in range(2)]
    api.fail(ARRIVALS, body=envelope(shared, 2))
    assert run("incheon", table="schedules") == (0, "")
    assert query(home, "select distinct direction from staging_incheon.schedules") == [
        ("departure",)
    ]


# Errors


@pytest.mark.parametrize(
    ("error", "said"),
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
def test_an_error_is_named_and_not_kept(api: SampleApi, home: Path, error: str, said: str) -> None:
    api.fail(DESTINATIONS, error=error)
    assert run("incheon", table="airports")[0] == 1
    assert said in str(outcomes(home)["incheon.airports"])
    assert not list((home / "lake" / "raw" / "incheon").rglob("*.json"))


def test_no_data_is_an_empty_table(api: SampleApi, home: Path) -> None:
    api.fail(DESTINATIONS, error="no_data")
    assert run("incheon", table="airports") == (0, "")
    assert outcomes(home)["incheon.airports"]["staged"] == 0


def test_a_page_that_lacks_its_rows_is_refused(api: SampleApi, home: Path) -> None:
    api.fail(DESTINATIONS, body=envelope([], 45))
    assert run("incheon", table="airports")[0] == 1
    assert "a page without the rows that it should have" in str(outcomes(home)["incheon.airports"])


# The sample API


def test_the_sample_answers_as_the_api_does(api: SampleApi) -> None:
    assert ask_api(api, DEPARTURES, serviceKey="wrong").status_code == 403
    first = ask_api(api, DEPARTURES).json()["response"]["body"]
    assert isinstance(first["items"], list)
    assert len(first["items"]) == first["numOfRows"] == 10
    assert {it["airportcode"] for it in items(api, DEPARTURES, airport="KIX")} == {"KIX"}
    assert {it["airline"] for it in items(api, DEPARTURES, airport="SYD", lang="K")} == {
        *("대한항공", "콴타스항공", "아시아나항공", "델타항공", "일본항공"),
        "에어캐나다",
        "전일본공수",
    }
    past = ask_api(api, DEPARTURES, pageNo=99).json()["response"]["body"]
    assert (past["items"], past["numOfRows"]) == ([], 0)
    assert ask_api(api, DEPARTURES, lang="X").json()["response"]["header"]["resultCode"] == "10"


def test_the_sample_shares_flights_and_splits_weeks(api: SampleApi) -> None:
    told = items(api, DEPARTURES)
    masters = {it["flightid"] for it in told if it["codeshare"] == "Master"}
    copies = [it for it in told if it["codeshare"] == "Slave"]
    assert copies
    assert {it["masterflightid"] for it in copies} <= masters
    split = [
        weekdays(it) for it in told if it["flightid"][:2] == "MM" and it["airportcode"] == "KIX"
    ]
    assert sorted(split) == ["NYYYYYN", "YNNNNNY"]
    assert {(it["season"], it["lastdate"]) for it in told} == {("W26", "20270327")}


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
def test_every_recorded_flight_arrives_and_no_copy_of_one(recordings: Path, home: Path) -> None:
    answer = orjson.loads((recordings / RECORDING).read_bytes())["response"]
    told = answer["body"]["items"]
    assert len(told) == 30
    flying = [it for it in told if it["codeshare"] != "Slave"]
    assert len(flying) == 18
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
    assert sorted(arrived) == sorted((*(it[name] for name in names), weekdays(it)) for it in flying)
    assert outcomes(home)["incheon.schedules"]["rejected"] == 0
    assert sorted(row[-1] for row in arrived if row[0] == "MM712") == ["NYYYYYN", "YNNNNNY"]
