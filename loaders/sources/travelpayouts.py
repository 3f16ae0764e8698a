"""Travelpayouts (Aviasales) Data API: air fares to Seoul.

Documentation: support.travelpayouts.com, "Aviasales Data API" and "API rate limits". A fare is what
others found when they searched in the last days (48 hours as a rule, up to a week): no live quote,
few on small routes, and to be shown as what it is.
"""

import math
import re
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate
from functools import partial

import orjson
import pyarrow as pa
from requests import PreparedRequest, Response

from loaders.sources.source import (
    ApiError,
    ApiFault,
    ApiRequest,
    Column,
    ExtractRequest,
    FullPagePaginator,
    Option,
    Row,
    Source,
    Table,
    integer,
    number,
    optional,
    text,
    text_columns,
)

PAGE_SIZE = 1000
CURRENCIES = ("krw", "usd")
ONE_WAY = "one-way"
"""Stands in the key of a fare that has no return."""

# The main cities of the countries that send most visitors (Japan, China, Taiwan, Hong Kong, the
# United States, South-East Asia) and of three far ones. 20 x 6 months x 2 currencies are 240 calls,
# so a day's run stays below the 600 that the API takes in a minute.
ORIGINS = "TYO,OSA,FUK,SPK,TPE,HKG,SHA,BJS,BKK,SIN,HAN,SGN,DAD,MNL,KUL,LAX,NYC,LON,PAR,SYD"


def authenticate(request: PreparedRequest, key: str) -> None:
    request.headers["X-Access-Token"] = key


def check_response(response: Response) -> None:
    """Accepts `success: true`; every other answer is a named fault."""
    status = response.status_code
    if status == 429:
        wait = 0 if "Retry-After" in response.headers else _left_of_minute(response)
        raise ApiError(ApiFault.BUSY, "HTTP 429", response, wait=wait)
    if status in (401, 403):
        raise ApiError(ApiFault.BAD_KEY, f"HTTP {status}", response)
    if status >= 500 or status == 408:
        raise ApiError(ApiFault.DOWN, f"HTTP {status}", response)
    try:
        answer = orjson.loads(response.content)
        is_data, said = answer["success"] is True, str(answer.get("error") or "no reason")
    except (ValueError, KeyError, TypeError, AttributeError):
        if status != 200:
            raise ApiError(ApiFault.BAD_REQUEST, f"HTTP {status}", response) from None
        raise ApiError(ApiFault.UNREADABLE, "none of this service's answers", response) from None
    if not is_data and re.search("token|unauthori[sz]ed", said, re.IGNORECASE):
        raise ApiError(ApiFault.BAD_KEY, said, response)
    if not is_data or status != 200:
        raise ApiError(ApiFault.BAD_REQUEST, f"HTTP {status} {said}", response)


def _left_of_minute(response: Response) -> int:
    """Seconds till the minute ends by the API's own clock; a whole one where it tells none."""
    answered_at = parsedate(response.headers.get("Date", ""))
    return 60 - answered_at[5] if answered_at else 60


def read(body: bytes) -> pa.Table:
    """The fares of one answer, with its currency. Where there is none, `data` is empty or null.

    Of one fare told twice the cheaper stands last, so that it counts. Raises ValueError, KeyError.
    """
    answer = orjson.loads(body)
    fares = answer["data"] or []
    if not isinstance(fares, list):
        raise ValueError(f"data is {type(fares).__name__}, not a list")
    rows = [{**fare, **_times(fare), "currency": answer["currency"]} for fare in fares]
    return text_columns(sorted(rows, key=_price, reverse=True))


def _times(fare: Row) -> Row:
    """The local times and their offsets from UTC, and the key that a one-way fare has as well."""
    returns = fare.get("return_at") or ""
    departs = fare.get("departure_at") or ""
    return {
        "return_at": returns or ONE_WAY,
        "departs_at": departs[:19],
        "departs_offset": departs[19:],
        "returns_at": returns[:19],
        "returns_offset": returns[19:],
    }


def _price(fare: Row) -> float:
    price = fare.get("price")
    return price if isinstance(price, int | float) else math.inf


def months(first: date, count: int) -> Iterator[str]:
    """`count` months from the one of `first` on, as `2026-11`."""
    for month in range(first.month - 1, first.month - 1 + count):
        yield f"{first.year + month // 12}-{month % 12 + 1:02d}"


def _fares(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Round trips, which is what travellers compare; a one-way fare among them is kept as one.

    The currencies of a month are asked one after the other, so that they tell of one moment.
    """
    for origin in request.options["origins"]:
        for destination in request.options["destinations"]:
            for month in months(request.logical_date, request.options["months_ahead"]):
                for currency in CURRENCIES:
                    yield ApiRequest(
                        path="aviasales/v3/prices_for_dates",
                        params={
                            "origin": origin,
                            "destination": destination,
                            "departure_at": month,
                            "one_way": "false",
                            "currency": currency,
                            "sorting": "price",
                            "limit": str(PAGE_SIZE),
                        },
                        paginator=partial(FullPagePaginator, "page", PAGE_SIZE),
                    )


def _codes(value: str) -> tuple[str, ...]:
    """IATA codes. Raises ValueError."""
    codes = tuple(part.strip().upper() for part in value.split(","))
    if not all(re.fullmatch("[A-Z]{3}", code) for code in codes) or len(set(codes)) != len(codes):
        raise ValueError(value)
    return codes


def _months_ahead(value: str) -> int:
    """The months that fares are asked for, this one included. Raises ValueError."""
    if not re.fullmatch(r"\d{1,2}", value) or not 1 <= int(value) <= 12:
        raise ValueError(value)
    return int(value)


LOCAL = "%Y-%m-%dT%H:%M:%S"
CODES = "expected IATA codes of cities or airports, each once, such as TYO,OSA"

SOURCE = Source(
    name="travelpayouts",
    base_url="https://api.travelpayouts.com",
    extension="json",
    daily_allowance=5000,  # the API sets none: this bounds what a long list of origins may request
    authenticate=authenticate,
    check_response=check_response,
    operation=lambda path: path,
    options={
        "origins": Option(ORIGINS, _codes, CODES),
        "destinations": Option("SEL", _codes, CODES),
        "months_ahead": Option("6", _months_ahead, "expected a number of months from 1 to 12"),
    },
    tables=(
        Table(
            name="fares",
            # The API has no id. The times stand in the key as told, with their offsets; a key part
            # can't be null, so a fare without a return has a word there. One fare comes once in
            # each currency.
            primary_key=(
                *("currency", "origin", "destination", "departure_at", "return_at"),
                *("airline", "flight_number"),
            ),
            columns=(
                text("currency", "currency"),
                text("origin", "origin"),
                text("destination", "destination"),
                text("departure_at", "departure_at"),
                text("return_at", "return_at"),
                text("airline", "airline"),
                text("flight_number", "flight_number"),  # "0511" is not 511
                optional(text("origin_airport", "origin_airport")),
                optional(text("destination_airport", "destination_airport")),
                Column("departs_at", "departs_at", pa.timestamp("us"), LOCAL),
                text("departs_offset", "departs_offset"),
                Column("returns_at", "returns_at", pa.timestamp("us"), LOCAL),
                text("returns_offset", "returns_offset"),
                number("price", "price"),
                integer("transfers", "transfers"),
                integer("return_transfers", "return_transfers"),
                integer("duration", "duration"),
                optional(integer("duration_to", "duration_to")),
                optional(integer("duration_back", "duration_back")),
                optional(text("seller", "gate")),  # since 2025
                optional(text("link", "link")),
            ),
            requests=_fares,
            read=read,
        ),
    ),
)
