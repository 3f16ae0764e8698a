"""Incheon International Airport Corporation: the flight schedule, and the airports served.

Documentation: data.go.kr, provider B551177: StatusOfPaxFltSched (passenger schedules of the season)
and 15095067 StatusOfSrvDestinations (service destinations). Times are KST at Incheon. The schedule
tells no price.
"""

from collections.abc import Iterator

import pyarrow as pa

from loaders.sources.data_go_kr import PAGE_SIZE, TotalCountPaginator, check_pages, items
from loaders.sources.source import (
    ApiRequest,
    ExtractRequest,
    Row,
    Source,
    Table,
    day,
    key_in_query,
    text,
    text_columns,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SCHEDULES = {
    "arrival": "StatusOfPaxFltSched/getPaxFltSchedArrivalsDeOdp",
    "departure": "StatusOfPaxFltSched/getPaxFltSchedDeparturesDeOdp",
}


def read_airports(body: bytes) -> pa.Table:
    return text_columns(items(body))


def read_schedules(body: bytes) -> pa.Table:
    """The flights of one answer, with the weekdays in one field such as `YNYNYNN`, Monday first.

    A flight sold under several numbers comes once for each: the copies, marked `Slave`, are left
    out, or it would count several times.
    """
    flights = [it for it in items(body) if str(it.get("codeshare")).strip().lower() != "slave"]
    return text_columns([{**it, "weekdays": _weekdays(it)} for it in flights])


def _weekdays(flight: Row) -> str | None:
    """None where a day is not told as Y or N: such a row has no key."""
    told = [str(flight.get(name) or "").strip() for name in WEEKDAYS]
    return "".join(told) if set(told) <= {"Y", "N"} else None


def _call(path: str, language: str, **row: str) -> ApiRequest:
    params = {"type": "json", "numOfRows": str(PAGE_SIZE), "lang": language}
    return ApiRequest(path, params, TotalCountPaginator, row)


def _schedules(request: ExtractRequest) -> Iterator[ApiRequest]:
    """In English, the language of most travellers."""
    return (_call(path, "E", direction=direction) for direction, path in SCHEDULES.items())


def _airports(request: ExtractRequest) -> Iterator[ApiRequest]:
    """In Korean: what the airports are called in English is known from elsewhere."""
    yield _call("StatusOfSrvDestinations/getServiceDestinationInfo", "K")


DATE = "%Y%m%d"

SOURCE = Source(
    name="incheon",
    base_url="https://apis.data.go.kr/B551177",
    extension="json",
    daily_allowance=1000,
    authenticate=key_in_query("serviceKey"),
    check_response=check_pages,
    operation=lambda path: path,
    options={},
    tables=(
        Table(
            name="schedules",
            # That arrivals and departures have different flight numbers is custom, no rule: the
            # direction is a part of the key. So are the weekdays, since one flight may come in
            # several rows that share out the week.
            primary_key=("direction", "flight_id", "airport", "first_date", "weekdays"),
            columns=(
                text("direction", "direction"),
                text("flight_id", "flightid"),
                text("airport", "airportcode"),
                day("first_date", "firstdate", DATE),
                day("last_date", "lastdate", DATE),
                text("weekdays", "weekdays"),
                text("scheduled_time", "st"),
                text("season", "season"),
                text("airline_name", "airline"),
                text("airport_name", "airport"),
            ),
            ignored_fields=frozenset({*WEEKDAYS, "masterflightid", "codeshare"}),
            requests=_schedules,
            read=read_schedules,
        ),
        Table(
            name="airports",
            primary_key=("airport",),
            columns=(
                text("airport", "airportCode"),
                text("airport_name", "airportName"),
                text("country_name", "countryName"),
            ),
            requests=_airports,
            read=read_airports,
        ),
    ),
)
