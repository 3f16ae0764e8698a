"""Travelpayouts (Aviasales) Data API: air fares to Seoul.

Documentation: support.travelpayouts.com, "Aviasales Data API" and "API rate limits". A fare comes
from other people's searches in the last days (usually 48 hours, at most a week). It is not a live
quote and must not be shown as one. Small routes have few fares.
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
    code_,
    integer,
    number,
    optional,
    text,
    text_columns,
    url,
)

PAGE_SIZE = 1000
CURRENCIES = ("krw", "usd")
OFFERS = (
    ("false", "false", CURRENCIES),  # round trips, which travellers compare
    ("true", "false", CURRENCIES[:1]),  # one-way fares
    ("false", "true", CURRENCIES[:1]),  # direct flights that the cheapest fares may crowd out
)
"""The lists of a route and month: `one_way`, `direct`, and the currencies to request them in."""
ONE_WAY = "one-way"
"""Value of `return_at`, which is in the key, for a fare without a return."""

# The main cities of the countries with the most visitors (Japan, China, Taiwan, Hong Kong, the
# United States, South-East Asia) and of three distant ones. 20 cities x 6 months x 4 lists are 480
# calls, so a day's run stays below the API's limit of 600 calls a minute.
ORIGINS = "TYO,OSA,FUK,SPK,TPE,HKG,SHA,BJS,BKK,SIN,HAN,SGN,DAD,MNL,KUL,LAX,NYC,LON,PAR,SYD"


def authenticate(request: PreparedRequest, key: str) -> None:
    request.headers["X-Access-Token"] = key


def check_response(response: Response) -> None:
    """Raise ApiError unless the response is HTTP 200 with `success: true`."""
    status = response.status_code
    if status == 429:
        wait = 0 if "Retry-After" in response.headers else _seconds_left_of_minute(response)
        raise ApiError(ApiFault.BUSY, "HTTP 429", response, wait=wait)
    if status in (401, 403):
        raise ApiError(ApiFault.BAD_KEY, f"HTTP {status}", response)
    if status >= 500 or status == 408:
        raise ApiError(ApiFault.DOWN, f"HTTP {status}", response)
    try:
        content = orjson.loads(response.content)
        is_data, message = content["success"] is True, str(content.get("error") or "no reason")
    except (ValueError, KeyError, TypeError, AttributeError):
        if status != 200:
            raise ApiError(ApiFault.BAD_REQUEST, f"HTTP {status}", response) from None
        raise ApiError(ApiFault.UNREADABLE, "not a response of this service", response) from None
    if not is_data and re.search("token|unauthori[sz]ed", message, re.IGNORECASE):
        raise ApiError(ApiFault.BAD_KEY, message, response)
    if not is_data or status != 200:
        raise ApiError(ApiFault.BAD_REQUEST, f"HTTP {status} {message}", response)


def _seconds_left_of_minute(response: Response) -> int:
    """Return the seconds until the minute of the header `Date` ends, or 60 without the header."""
    sent_at = parsedate(response.headers.get("Date", ""))
    return 60 - sent_at[5] if sent_at else 60


def read_fares(body: bytes) -> pa.Table:
    """Return the fares with their currency. Without fares, `data` is empty or null.

    The cheapest of repeated fares comes last, since staging keeps the last row of a key. Raise
    ValueError, KeyError.
    """
    content = orjson.loads(body)
    fares = content["data"] or []
    if not isinstance(fares, list):
        raise ValueError(f"data is {type(fares).__name__}, not a list")
    rows = [{**fare, **_times(fare), "currency": content["currency"]} for fare in fares]
    return text_columns(sorted(rows, key=_price, reverse=True))


def _times(fare: Row) -> Row:
    """Return local times and their offsets from UTC, and `return_at`, also of a one-way fare."""
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
    """Yield `count` months, beginning with that of `first`, as `2026-11`."""
    for month in range(first.month - 1, first.month - 1 + count):
        yield f"{first.year + month // 12}-{month % 12 + 1:02d}"


def _fares(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the offers of each route and month.

    The currencies of a list are requested in succession, so that their fares are of the same time.
    What a fare is, its own fields say: a list may repeat fares of another.
    """
    for origin in request.options["origins"]:
        for destination in request.options["destinations"]:
            for month in months(request.logical_date, request.options["months_ahead"]):
                for one_way, direct, currencies in OFFERS:
                    for currency in currencies:
                        yield ApiRequest(
                            path="aviasales/v3/prices_for_dates",
                            params={
                                "origin": origin,
                                "destination": destination,
                                "departure_at": month,
                                "one_way": one_way,
                                "direct": direct,
                                "currency": currency,
                                "sorting": "price",
                                "limit": str(PAGE_SIZE),
                            },
                            paginator=partial(FullPagePaginator, "page", PAGE_SIZE),
                        )


def _codes(value: str) -> tuple[str, ...]:
    """Convert IATA codes separated by commas. Raise ValueError."""
    codes = tuple(part.strip().upper() for part in value.split(","))
    if not all(re.fullmatch("[A-Z]{3}", code) for code in codes) or len(set(codes)) != len(codes):
        raise ValueError(value)
    return codes


def _months_ahead(value: str) -> int:
    """Convert a number of months from 1 to 12, which counts the current one. Raise ValueError."""
    if not re.fullmatch(r"\d{1,2}", value) or not 1 <= int(value) <= 12:
        raise ValueError(value)
    return int(value)


LOCAL = "%Y-%m-%dT%H:%M:%S"
CODES = "expected IATA codes of cities or airports, each once, such as TYO,OSA"

SOURCE = Source(
    name="travelpayouts",
    base_url="https://api.travelpayouts.com",
    key_url="https://www.travelpayouts.com",
    extension="json",
    daily_allowance=5000,  # the API has none; this limits a long list of origins
    calls_per_minute=600,
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
            # Fares have no id. The key has the times as received, with their offsets. A part of it
            # can't be null, hence ONE_WAY. A fare comes once in each currency.
            primary_key=(
                *("currency", "origin", "destination", "departure_at", "return_at"),
                *("airline", "flight_number"),
            ),
            history_day="logical_date",
            columns=(
                code_("currency", "currency", 10),
                code_("origin", "origin", 10),
                code_("destination", "destination", 10),
                text("departure_at", "departure_at"),
                text("return_at", "return_at"),
                code_("airline", "airline", 10),
                code_("flight_number", "flight_number", 10),  # "0511" is not 511
                optional(code_("origin_airport", "origin_airport", 10)),
                optional(code_("destination_airport", "destination_airport", 10)),
                Column("departs_at", "departs_at", pa.timestamp("us"), LOCAL),
                code_("departs_offset", "departs_offset", 10),
                Column("returns_at", "returns_at", pa.timestamp("us"), LOCAL),
                code_("returns_offset", "returns_offset", 10),
                number("price", "price"),
                integer("transfers", "transfers"),
                integer("return_transfers", "return_transfers"),
                integer("duration", "duration"),
                optional(integer("duration_to", "duration_to")),
                optional(integer("duration_back", "duration_back")),
                optional(text("seller", "gate", 200)),  # since 2025
                optional(url("link", "link")),
            ),
            requests=_fares,
            read=read_fares,
        ),
    ),
)
