"""Incheon airport behind data.go.kr: the season's schedule and the airports served.

Facts: the documentation of B551177 and answers recorded in 2026. Made up are flight numbers, times
and who shares a flight.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import orjson

from loaders.sample_api.data_go_kr import (
    GATEWAY_ERRORS,
    json_page,
    page_number,
    refusal,
    result,
    rows_of_page,
)
from loaders.sample_api.facts import FactRow, facts, pick
from loaders.sample_api.service import Answer, Request, Service, recording

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ARRIVALS = "StatusOfPaxFltSched/getPaxFltSchedArrivalsDeOdp"
DEPARTURES = "StatusOfPaxFltSched/getPaxFltSchedDeparturesDeOdp"
DESTINATIONS = "StatusOfSrvDestinations/getServiceDestinationInfo"
OPERATIONS = (ARRIVALS, DEPARTURES, DESTINATIONS)
SPLIT_WEEK = ("NYYYYYN", "YNNNNNY")
"""How a flight's week comes in two rows of one flight number."""

Item = dict[str, str]


@dataclass(frozen=True)
class IncheonRows:
    """The items that each operation has, in English and in Korean."""

    english: Mapping[str, list[Item]]
    korean: Mapping[str, list[Item]]


ERRORS = {
    **GATEWAY_ERRORS,
    "bad_parameter": result("10", "INVALID_REQUEST_PARAMETER_ERROR"),
    "no_data": result("03", "NODATA_ERROR"),
}


def answer(request: Request, rows: IncheonRows) -> Answer:
    refused = refusal(request)
    if refused:
        return refused
    if request.path not in OPERATIONS:
        return ERRORS["not_found"]
    params = request.params
    numbers = [params.get(name, "1") for name in ("pageNo", "numOfRows")]
    if params.get("lang", "K") not in ("K", "E", "C", "J") or not all(
        number.isdecimal() and int(number) for number in numbers
    ):
        return ERRORS["bad_parameter"]
    held = rows.korean if params.get("lang", "K") == "K" else rows.english
    code = "airportCode" if request.path == DESTINATIONS else "airportcode"
    asked = params.get("airport_code" if request.path == DESTINATIONS else "airport")
    found = [item for item in held[request.path] if asked in (None, item[code])]
    items = rows_of_page(found, params)
    page = page_number(params)
    return json_page(items, len(items), page, len(found), message="NORMAL SERVICE.")


def generated_rows(today: date) -> IncheonRows:
    return IncheonRows(english=_items(today, "en"), korean=_items(today, "ko"))


def _items(today: date, language: str) -> dict[str, list[Item]]:
    airports = facts("airports")
    return {
        operation: [
            item for airport in airports for item in _flights(operation, airport, today, language)
        ]
        for operation in (ARRIVALS, DEPARTURES)
    } | {
        DESTINATIONS: [
            {
                "airportCode": airport["code"],
                "airportName": airport[f"name_{language}"],
                "countryName": airport["country_ko"],
            }
            for airport in airports
        ]
    }


def season(day: date) -> tuple[str, date, date]:
    """The season of a day, such as `W26`, and its first and last day.

    Summer begins on the last Sunday of March, winter on that of October (IATA).
    """
    summer, winter = _last_sunday(day.year, 3), _last_sunday(day.year, 10)
    if day < summer:
        return f"W{(day.year - 1) % 100:02d}", _last_sunday(day.year - 1, 10), _eve(summer)
    if day < winter:
        return f"S{day.year % 100:02d}", summer, _eve(winter)
    return f"W{day.year % 100:02d}", winter, _eve(_last_sunday(day.year + 1, 3))


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)  # March and October have 31 days
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _eve(day: date) -> date:
    return day - timedelta(days=1)


def _flights(operation: str, airport: FactRow, today: date, language: str) -> Iterator[Item]:
    """The flights between an airport and Incheon in one direction, each with its shared numbers."""
    name, first, last = season(today)
    airlines = {row["code"]: row for row in facts("airlines")}
    for code in airport["airlines"].split():
        names = (airport["code"], code)
        number = f"{code}{100 + 2 * pick(400, *names) + (operation == ARRIVALS)}"
        starts = first + timedelta(days=30 * (pick(4, *names, "starts") == 0))
        time = f"{6 + pick(17, *names, operation):02d}{5 * pick(12, *names, operation, 'm'):02d}"
        weeks = SPLIT_WEEK if code == "MM" else (_week(*names),)
        partners = airlines[code]["partners"].split()
        shared = [f"{it}{5000 + pick(4000, it, *names, operation)}" for it in partners]
        for week in weeks:
            for flight in (number, *shared):
                yield {
                    "flightid": flight,
                    "airline": airlines[flight[:2]][f"name_{language}"],
                    "st": time,
                    "firstdate": f"{starts:%Y%m%d}",
                    "lastdate": f"{last:%Y%m%d}",
                    "airportcode": airport["code"],
                    "airport": airport[f"name_{language}"],
                    "season": name,
                    **dict(zip(WEEK, week, strict=True)),
                    "masterflightid": "" if flight == number else number,
                    "codeshare": "Master" if flight == number else "Slave",
                }


def _week(*names: str) -> str:
    """Daily, or on four days."""
    return "YYYYYYY" if pick(3, *names, "daily") else "YNYNYNY"


def recorded_rows(folder: Path) -> IncheonRows:
    """Departures to KIX with Korean names. No other operation was recorded."""
    file = recording(folder, "incheon/getPaxFltSchedDeparturesDeOdp_KIX.json")
    flights = orjson.loads(file.read_bytes())["response"]["body"]["items"]
    held = {ARRIVALS: [], DEPARTURES: flights, DESTINATIONS: []}
    return IncheonRows(english=held, korean=held)


SERVICE = Service(
    name="incheon",
    operation=lambda path: path,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
