"""The Aviasales Data API of Travelpayouts: fares that others found, with its quirks and errors.

Facts: its documentation (limits valid from 2024-06-14), and responses recorded in 2025 and 2026.
The fares are invented: each route and month has few, and prices change a little from day to day.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from loaders.sample_api.facts import FactRow, facts, pick
from loaders.sample_api.service import KEY, ApiResponse, Request, Service, recorded_file

JSON = "application/json;charset=UTF-8"
OPERATION = "aviasales/v3/prices_for_dates"
CALLS_PER_MINUTE = 600
MAX_ROWS = 1000
MONTHS_AHEAD = 12
RATES = {"krw": 1.0, "usd": 1400.0, "eur": 1600.0, "jpy": 9.3, "rub": 17.0}
"""Won per unit, invented."""
DEFAULT_CURRENCY = "rub"
SELLERS = ("Trip.com", "Farera", "Tickets", "City.Travel")

Params = Mapping[str, str]
Item = dict[str, Any]


@dataclass(frozen=True)
class Fare:
    item: Item
    """The fields of the response except the price."""
    price: float
    currency: str
    """Currency of the price. A recorded fare is served in this currency only."""
    is_recorded: bool = False


def _json(status: int, **body: Any) -> ApiResponse:
    return ApiResponse(status, JSON, orjson.dumps(body))


def _bad_request(message: str) -> ApiResponse:
    return _json(400, data={}, error=message, success=False)


ERRORS = {
    "bad_token": _json(401, data=None, error="Unauthorized", success=False),
    "bad_token_200": _json(200, data={}, error="token is invalid", success=False),
    "too_fast": ApiResponse(429, "text/plain;charset=UTF-8", b"Too Many Requests"),
    "failure": _json(200, data=None, error="internal failure", success=False),
    "nothing": _json(200, data={}, currency="krw", success=True),
}


def respond(request: Request, fares: tuple[Fare, ...]) -> ApiResponse:
    if request.path != OPERATION:
        return ApiResponse(404, "text/plain;charset=UTF-8", b"404 page not found")
    params = request.params
    if KEY not in (request.headers.get("x-access-token"), params.get("token")):
        return ERRORS["bad_token"]
    if request.calls_in_minute > CALLS_PER_MINUTE or request.is_quota_spent:
        return ERRORS["too_fast"]
    error = _parameter_error(params)
    if error:
        return _bad_request(error)
    currency = params.get("currency", DEFAULT_CURRENCY)
    items = [
        {**fare.item, "price": _price_in(currency, fare)}
        for fare in fares
        if _matches(fare, params)
    ]
    if params.get("sorting", "price") == "price":
        items.sort(key=lambda item: item["price"])
    size, page = int(params.get("limit", 30)), int(params.get("page", 1))
    page_items = items[(page - 1) * size : page * size]
    return _json(200, data=page_items, currency=currency, success=True)


def _parameter_error(params: Params) -> str | None:
    """Return the message with which the API refuses the parameters, or None."""
    if "origin" not in params and "destination" not in params:
        return "origin or destination is required"
    if params.get("currency", DEFAULT_CURRENCY) not in RATES:
        return "currency is invalid"
    for name, maximum in (("limit", MAX_ROWS), ("page", 10**6)):
        value = params.get(name, "1")
        if not value.isdecimal() or not 1 <= int(value) <= maximum:
            return f"{name} is invalid"
    return None


def _matches(fare: Fare, params: Params) -> bool:
    item, currency = fare.item, params.get("currency", DEFAULT_CURRENCY)
    return (
        (not fare.is_recorded or currency == fare.currency)
        and (params.get("one_way", "true") == "false" or not item.get("return_at"))
        and (params.get("direct", "false") == "false" or item["transfers"] == 0)
        and all(
            name not in params or params[name] in (item[name], item.get(f"{name}_airport"))
            for name in ("origin", "destination")
        )
        and all(
            item.get(name, "").startswith(params.get(name, ""))
            for name in ("departure_at", "return_at")
        )
    )


def _price_in(currency: str, fare: Fare) -> float:
    return fare.price if fare.is_recorded else round(fare.price / RATES[currency])


def generated_rows(today: date) -> tuple[Fare, ...]:
    """Return fares from each airport to Seoul in the current month and the months ahead."""
    return tuple(
        fare
        for airport in facts("airports")
        for ahead in range(MONTHS_AHEAD)
        for fare in _fares(airport, today, _month(today, ahead), ahead)
    )


def _month(today: date, ahead: int) -> date:
    years, month = divmod(today.month - 1 + ahead, 12)
    return date(today.year + years, month + 1, 1)


def _fares(airport: FactRow, today: date, month: date, ahead: int) -> list[Fare]:
    """Return the fares of one airport and month: fewer further ahead, and sometimes none."""
    code = airport["code"]
    if pick(5, code, month, "none") == 0:
        return []
    days_in_month = calendar.monthrange(month.year, month.month)[1]
    fares = []
    for number in range(max(1, 9 - ahead - pick(4, code, month, "count"))):
        names = (code, month, number)
        departure_date = month + timedelta(days=pick(days_in_month, *names, "day"))
        if departure_date > today:
            fares.append(_fare(airport, today, departure_date, names))
    return fares


def _fare(airport: FactRow, today: date, departure_date: date, names: tuple[object, ...]) -> Fare:
    """Return one fare. `names` identify it, and everything but the daily change depends on them."""
    minutes = int(airport["minutes"])
    airlines = airport["airlines"].split()
    airline = airlines[pick(len(airlines), *names, "airline")]
    transfers = pick(2, *names, "transfers") if minutes > 300 else 0
    duration = minutes + 160 * transfers
    departs_at = datetime(
        departure_date.year, departure_date.month, departure_date.day, 6 + pick(17, *names, "h")
    ) + timedelta(minutes=5 * pick(12, *names, "m"))
    city = airport["city"]
    item: Item = {
        "flight_number": f"{100 + pick(800, *names, 'flight')}".zfill(4 if airline == "RS" else 3),
        "link": f"/search/{city}{departure_date:%d%m}SEL1"
        f"?static_fare_key={airline}{departure_date:%j}",
        "origin_airport": airport["code"],
        "destination_airport": "GMP" if airport["code"] == "HND" else "ICN",
        "departure_at": f"{departs_at.isoformat()}{airport['offset']}",
        "airline": airline,
        "destination": "SEL",
        "origin": city,
    }
    is_one_way = pick(9, *names, "one way") == 0
    if not is_one_way:
        returns_at = departs_at + timedelta(days=2 + pick(9, *names, "stay"), minutes=95)
        item["return_at"] = f"{returns_at.isoformat()}+09:00"
    item |= {
        "return_transfers": 0 if is_one_way else transfers,
        "duration": duration if is_one_way else 2 * duration,
        "duration_to": duration,
        "duration_back": 0 if is_one_way else duration,
        "transfers": transfers,
    }
    if pick(4, *names, "seller"):  # newer fares name the seller
        item["gate"] = SELLERS[pick(len(SELLERS), *names, "which seller")]
    price = minutes * (700 if is_one_way else 1200) + 1000 * pick(200, *names, "price")
    daily_change = 100 * pick(50, *names, today)
    return Fare(item, price + daily_change, "krw")


def recorded_rows(folder: Path) -> tuple[Fare, ...]:
    """Return the fares of an excerpt and of one complete response."""
    excerpt = orjson.loads(recorded_file(folder, "travelpayouts/prices_excerpt.json").read_bytes())
    wire = "travelpayouts/prices_for_dates_wire_example_2025-05.json"
    response = orjson.loads(recorded_file(folder, wire).read_bytes())
    return tuple(
        Fare(
            {name: value for name, value in row.items() if name != "price"},
            row["price"],
            currency,
            is_recorded=True,
        )
        for rows, currency in (
            (excerpt["rows"], excerpt["currency"]),
            (response["data"], response["currency"]),
        )
        for row in rows
    )


SERVICE = Service(
    name="travelpayouts",
    operation=lambda path: path,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
