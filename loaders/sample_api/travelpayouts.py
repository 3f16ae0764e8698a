"""The Aviasales Data API of Travelpayouts: fares that others found, with its habits and errors.

Facts: its documentation (limits valid from 2024-06-14) and answers recorded in 2025 and 2026. Made
up are the fares: those of a route and month are sparse, and prices move a little from day to day.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from loaders.sample_api.facts import FactRow, facts, pick
from loaders.sample_api.service import KEY, Answer, Request, Service, recording

JSON = "application/json;charset=UTF-8"
OPERATION = "aviasales/v3/prices_for_dates"
CALLS_A_MINUTE = 600
MOST_ROWS = 1000
MONTHS_AHEAD = 12
RATES = {"krw": 1.0, "usd": 1400.0, "eur": 1600.0, "jpy": 9.3, "rub": 17.0}
"""Won for one unit, made up."""
SELLERS = ("Trip.com", "Farera", "Tickets", "City.Travel")

Params = Mapping[str, str]
Item = dict[str, Any]


@dataclass(frozen=True)
class Fare:
    item: Item
    """As answered, but for the price."""
    price: float
    currency: str
    """What the price is in. A recorded fare is told in that currency alone."""
    is_recorded: bool = False


def _json(status: int, **answer: Any) -> Answer:
    return Answer(status, JSON, orjson.dumps(answer))


def _refused(said: str) -> Answer:
    return _json(400, data={}, error=said, success=False)


ERRORS = {
    "bad_token": _json(401, data=None, error="Unauthorized", success=False),
    "bad_token_200": _json(200, data={}, error="token is invalid", success=False),
    "too_fast": Answer(429, "text/plain;charset=UTF-8", b"Too Many Requests"),
    "failure": _json(200, data=None, error="internal failure", success=False),
    "nothing": _json(200, data={}, currency="krw", success=True),
}


def answer(request: Request, rows: tuple[Fare, ...]) -> Answer:
    if request.path != OPERATION:
        return Answer(404, "text/plain;charset=UTF-8", b"404 page not found")
    params = request.params
    if KEY not in (request.headers.get("x-access-token"), params.get("token")):
        return ERRORS["bad_token"]
    if request.calls_in_minute > CALLS_A_MINUTE or request.is_quota_spent:
        return ERRORS["too_fast"]
    wrong = _wrong(params)
    if wrong:
        return _refused(wrong)
    currency = params.get("currency", "rub")
    told = [{**fare.item, "price": _in(currency, fare)} for fare in rows if _is_asked(fare, params)]
    if params.get("sorting", "price") == "price":
        told.sort(key=lambda item: item["price"])
    size, page = int(params.get("limit", 30)), int(params.get("page", 1))
    return _json(200, data=told[(page - 1) * size : page * size], currency=currency, success=True)


def _wrong(params: Params) -> str | None:
    """With what the API refuses the parameters, if it does."""
    if "origin" not in params and "destination" not in params:
        return "origin or destination is required"
    if params.get("currency", "rub") not in RATES:
        return "currency is invalid"
    for name, most in (("limit", MOST_ROWS), ("page", 10**6)):
        value = params.get(name, "1")
        if not value.isdecimal() or not 1 <= int(value) <= most:
            return f"{name} is invalid"
    return None


def _is_asked(fare: Fare, params: Params) -> bool:
    item, currency = fare.item, params.get("currency", "rub")
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


def _in(currency: str, fare: Fare) -> float:
    return fare.price if fare.is_recorded else round(fare.price / RATES[currency])


def generated_rows(today: date) -> tuple[Fare, ...]:
    """Fares from each city to Seoul in the months ahead, the current one included."""
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
    """Of one airport and month: fewer the further ahead, and now and then none."""
    code = airport["code"]
    if pick(5, code, month, "none") == 0:
        return []
    length = calendar.monthrange(month.year, month.month)[1]
    found = []
    for number in range(max(1, 9 - ahead - pick(4, code, month, "count"))):
        names = (code, month, number)
        leaves = month + timedelta(days=pick(length, *names, "day"))
        if leaves > today:
            found.append(_fare(airport, today, leaves, names))
    return found


def _fare(airport: FactRow, today: date, leaves: date, names: tuple[object, ...]) -> Fare:
    minutes, offset = int(airport["minutes"]), airport["offset"]
    airlines = airport["airlines"].split()
    airline = airlines[pick(len(airlines), *names, "airline")]
    transfers = pick(2, *names, "transfers") if minutes > 300 else 0
    there = minutes + 160 * transfers
    departs = datetime(leaves.year, leaves.month, leaves.day, 6 + pick(17, *names, "h"))
    departs += timedelta(minutes=5 * pick(12, *names, "m"))
    item: Item = {
        "flight_number": f"{100 + pick(800, *names, 'flight')}".zfill(4 if airline == "RS" else 3),
        "link": f"/search/{airport['city']}{leaves:%d%m}SEL1?static_fare_key={airline}{leaves:%j}",
        "origin_airport": airport["code"],
        "destination_airport": "GMP" if airport["code"] == "HND" else "ICN",
        "departure_at": f"{departs.isoformat()}{offset}",
        "airline": airline,
        "destination": "SEL",
        "origin": airport["city"],
    }
    is_one_way = pick(9, *names, "one way") == 0
    if not is_one_way:
        returns = departs + timedelta(days=2 + pick(9, *names, "stay"), minutes=95)
        item["return_at"] = f"{returns.isoformat()}+09:00"
    item |= {
        "return_transfers": 0 if is_one_way else transfers,
        "duration": there if is_one_way else 2 * there,
        "duration_to": there,
        "duration_back": 0 if is_one_way else there,
        "transfers": transfers,
    }
    if pick(4, *names, "seller"):  # newer fares name the seller
        item["gate"] = SELLERS[pick(len(SELLERS), *names, "which seller")]
    price = minutes * (700 if is_one_way else 1200) + 1000 * pick(200, *names, "price")
    return Fare(item, price + 100 * pick(50, *names, today), "krw")


def recorded_rows(folder: Path) -> tuple[Fare, ...]:
    excerpt = orjson.loads(recording(folder, "travelpayouts/prices_excerpt.json").read_bytes())
    wire = "travelpayouts/prices_for_dates_wire_example_2025-05.json"
    whole = orjson.loads(recording(folder, wire).read_bytes())
    return tuple(
        Fare(
            {name: value for name, value in row.items() if name != "price"},
            row["price"],
            currency,
            is_recorded=True,
        )
        for rows, currency in (
            (excerpt["rows"], excerpt["currency"]),
            (whole["data"], whole["currency"]),
        )
        for row in rows
    )


SERVICE = Service(
    name="travelpayouts",
    operation=lambda path: path,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
