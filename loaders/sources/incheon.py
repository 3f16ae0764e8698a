"""Incheon International Airport Corporation: the flight schedule, and the airports served.

Documentation: data.go.kr, provider B551177: StatusOfPaxFltSched (passenger schedules of the season)
and 15095067 StatusOfSrvDestinations (service destinations). Times are KST, at Incheon. Schedules
have no prices.
"""

from collections.abc import Iterator

import pyarrow as pa

from loaders.sources.data_go_kr import (
    PAGE_SIZE,
    TotalCountPaginator,
    check_gateway_response,
    items,
)
from loaders.sources.source import (
    ApiRequest,
    ExtractRequest,
    Row,
    Source,
    Table,
    code_,
    date_,
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
    """Return the flights, with the weekdays in one field such as `YNYNYNN`, Monday first.

    A flight sold under several numbers comes once for each number. The copies, marked `Slave`, are
    left out, so that a flight counts once.
    """
    flights = [flight for flight in items(body) if not _is_codeshare_copy(flight)]
    return text_columns([{**flight, "weekdays": _weekdays(flight)} for flight in flights])


def _is_codeshare_copy(flight: Row) -> bool:
    return str(flight.get("codeshare")).strip().lower() == "slave"


def _weekdays(flight: Row) -> str | None:
    """Return None if a weekday is not Y or N: the row then lacks a part of its key."""
    flags = [str(flight.get(name) or "").strip() for name in WEEKDAYS]
    return "".join(flags) if set(flags) <= {"Y", "N"} else None


def _list_request(path: str, language: str, **row: str) -> ApiRequest:
    params = {"type": "json", "numOfRows": str(PAGE_SIZE), "lang": language}
    return ApiRequest(path, params, TotalCountPaginator, row)


def _schedules(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request names in English, the language of most travellers."""
    return (_list_request(path, "E", direction=direction) for direction, path in SCHEDULES.items())


def _airports(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request names in Korean: the schedules and a seed of dbt have the English ones."""
    yield _list_request("StatusOfSrvDestinations/getServiceDestinationInfo", "K")


DATE = "%Y%m%d"

SOURCE = Source(
    name="incheon",
    base_url="https://apis.data.go.kr/B551177",
    key_url="https://www.data.go.kr",
    extension="json",
    daily_allowance=1000,
    authenticate=key_in_query("serviceKey"),
    check_response=check_gateway_response,
    operation=lambda path: path,
    options={},
    tables=(
        Table(
            name="schedules",
            # The key has the direction, because arrivals and departures have different flight
            # numbers only by custom, and the weekdays, because one flight may come in several rows
            # that share out the week.
            primary_key=("direction", "flight_id", "airport", "first_date", "weekdays"),
            # The newest list with a flight's season replaces all of its rows in older lists.
            identity=("direction", "flight_id", "airport", "first_date"),
            columns=(
                code_("direction", "direction"),
                code_("flight_id", "flightid"),
                code_("airport", "airportcode", 10),
                date_("first_date", "firstdate", DATE),
                date_("last_date", "lastdate", DATE),
                text("weekdays", "weekdays"),
                code_("scheduled_time", "st", 5),
                code_("season", "season", 10),
                text("airline_name", "airline", 200),
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
                code_("airport", "airportCode", 10),
                text("airport_name", "airportName"),
                text("country_name", "countryName", 100),
            ),
            requests=_airports,
            read=read_airports,
        ),
    ),
)
