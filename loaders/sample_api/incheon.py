"""Incheon airport behind data.go.kr: the season's flight schedule, and the airports served.

Facts: the documentation of B551177, and responses recorded in 2026. Flight numbers, times and
codeshare partners are invented.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import orjson

from loaders.sample_api.data_go_kr import (
    GATEWAY_ERRORS,
    authorization_error,
    json_page,
    page_number,
    rows_of_page,
    service_error,
)
from loaders.sample_api.facts import FactRow, facts, pick
from loaders.sample_api.service import ApiResponse, Request, Service, recorded_file

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ARRIVALS = "StatusOfPaxFltSched/getPaxFltSchedArrivalsDeOdp"
DEPARTURES = "StatusOfPaxFltSched/getPaxFltSchedDeparturesDeOdp"
DESTINATIONS = "StatusOfSrvDestinations/getServiceDestinationInfo"
OPERATIONS = (ARRIVALS, DEPARTURES, DESTINATIONS)
SPLIT_WEEK = ("NYYYYYN", "YNNNNNY")
"""The week of one flight number, split into two rows."""

Params = Mapping[str, str]
Item = dict[str, str]


@dataclass(frozen=True)
class IncheonRows:
    """The items of each operation, in English and in Korean."""

    english: Mapping[str, list[Item]]
    korean: Mapping[str, list[Item]]


ERRORS = {
    **GATEWAY_ERRORS,
    "bad_parameter": service_error("10", "INVALID_REQUEST_PARAMETER_ERROR"),
    "no_data": service_error("03", "NODATA_ERROR"),
}


def respond(request: Request, rows: IncheonRows) -> ApiResponse:
    error = authorization_error(request)
    if error:
        return error
    if request.path not in OPERATIONS:
        return ERRORS["not_found"]
    if not _are_valid(request.params):
        return ERRORS["bad_parameter"]
    items = _matching_items(request.path, request.params, rows)
    page_items = rows_of_page(items, request.params)
    return json_page(
        page_items,
        len(page_items),
        page_number(request.params),
        len(items),
        message="NORMAL SERVICE.",
    )


def _are_valid(params: Params) -> bool:
    numbers = [params.get(name, "1") for name in ("pageNo", "numOfRows")]
    return params.get("lang", "K") in ("K", "E", "C", "J") and all(
        number.isdecimal() and int(number) for number in numbers
    )


def _matching_items(operation: str, params: Params, rows: IncheonRows) -> list[Item]:
    """Return the operation's items in the requested language, filtered by airport if requested.

    The parameter and the field of the airport differ between the operations.
    """
    items = (rows.korean if params.get("lang", "K") == "K" else rows.english)[operation]
    field = "airportCode" if operation == DESTINATIONS else "airportcode"
    airport = params.get("airport_code" if operation == DESTINATIONS else "airport")
    return [item for item in items if airport in (None, item[field])]


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
    """Return the schedule season of a date, such as `W26`, with its first and last date.

    Summer begins on the last Sunday of March, winter on the last Sunday of October (IATA).
    """
    summer, winter = _last_sunday(day.year, 3), _last_sunday(day.year, 10)
    if day < summer:
        return f"W{(day.year - 1) % 100:02d}", _last_sunday(day.year - 1, 10), _day_before(summer)
    if day < winter:
        return f"S{day.year % 100:02d}", summer, _day_before(winter)
    return f"W{day.year % 100:02d}", winter, _day_before(_last_sunday(day.year + 1, 3))


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)  # March and October have 31 days
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _day_before(day: date) -> date:
    return day - timedelta(days=1)


def _flights(operation: str, airport: FactRow, today: date, language: str) -> Iterator[Item]:
    """Yield the flights between an airport and Incheon in one direction, codeshares included."""
    season_name, season_start, season_end = season(today)
    airlines = {row["code"]: row for row in facts("airlines")}
    for code in airport["airlines"].split():
        names = (airport["code"], code)
        number = f"{code}{100 + 2 * pick(400, *names) + (operation == ARRIVALS)}"
        starts_on = season_start + timedelta(days=30 * (pick(4, *names, "starts") == 0))
        time = f"{6 + pick(17, *names, operation):02d}{5 * pick(12, *names, operation, 'm'):02d}"
        weeks = SPLIT_WEEK if code == "MM" else (_week(*names),)
        codeshares = [
            f"{partner}{5000 + pick(4000, partner, *names, operation)}"
            for partner in airlines[code]["partners"].split()
        ]
        for week in weeks:
            for flight in (number, *codeshares):
                yield {
                    "flightid": flight,
                    "airline": airlines[flight[:2]][f"name_{language}"],
                    "st": time,
                    "firstdate": f"{starts_on:%Y%m%d}",
                    "lastdate": f"{season_end:%Y%m%d}",
                    "airportcode": airport["code"],
                    "airport": airport[f"name_{language}"],
                    "season": season_name,
                    **dict(zip(WEEK, week, strict=True)),
                    "masterflightid": "" if flight == number else number,
                    "codeshare": "Master" if flight == number else "Slave",
                }


def _week(*names: str) -> str:
    """Return the days of operation, Monday first: daily, or on four days."""
    return "YYYYYYY" if pick(3, *names, "daily") else "YNYNYNY"


def recorded_rows(folder: Path) -> IncheonRows:
    """Return departures to KIX with Korean names. No other operation was recorded."""
    file = recorded_file(folder, "incheon/getPaxFltSchedDeparturesDeOdp_KIX.json")
    flights = orjson.loads(file.read_bytes())["response"]["body"]["items"]
    items = {ARRIVALS: [], DEPARTURES: flights, DESTINATIONS: []}
    return IncheonRows(english=items, korean=items)


SERVICE = Service(
    name="incheon",
    operation=lambda path: path,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
