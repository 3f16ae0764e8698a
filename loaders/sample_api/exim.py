"""Exchange rates of the Export-Import Bank of Korea: wire format, quirks and errors.

Facts: the documentation of the bank's Open API, its currencies, and the fixed holidays of Korea.
The rates are invented and change a little from day to day. Holidays of the lunar calendar are left
out. Nothing of this API was recorded.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path

import orjson

from loaders.sample_api.facts import EPOCH, FactRow, facts, pick
from loaders.sample_api.service import KEY, ApiResponse, Request, Service

JSON = "application/json;charset=UTF-8"
OPERATION = "site/program/financial/exchangeJSON"
PUBLISHED_AT = time(11)
HOLIDAYS = {"0101", "0301", "0505", "0606", "0815", "1003", "1009", "1225"}
FIELDS = (
    *("cur_unit", "ttb", "tts", "deal_bas_r", "bkpr", "yy_efee_r", "ten_dd_efee_r"),
    *("kftc_bkpr", "kftc_deal_bas_r", "cur_nm"),
)

Params = Mapping[str, str]
Currencies = tuple[FactRow, ...]


def _json(rows: list[dict[str, object]]) -> ApiResponse:
    return ApiResponse(200, JSON, orjson.dumps(rows))


def _error(result: int) -> ApiResponse:
    """Return an error: HTTP 200, in the shape of one rate."""
    return _json([{"result": result, **dict.fromkeys(FIELDS)}])


ERRORS = {
    "bad_data_code": _error(2),
    "bad_key": _error(3),
    "quota": _error(4),
    "closed": _json([]),
    # The host `www.` redirected there until it was switched off.
    "moved": ApiResponse(302, "text/html", b"", {"Location": "https://oapi.koreaexim.go.kr/"}),
}


def respond(request: Request, currencies: Currencies) -> ApiResponse:
    if request.path != OPERATION:
        return ApiResponse(404, "text/html;charset=UTF-8", b"<html><body>Not Found</body></html>")
    if request.params.get("authkey") != KEY:
        return ERRORS["bad_key"]
    if request.is_quota_spent:
        return ERRORS["quota"]
    rate_date = _date(request.params.get("searchdate", f"{request.received_at:%Y%m%d}"))
    if request.params.get("data") != "AP01" or rate_date is None:
        return ERRORS["bad_data_code"]
    if not is_published(rate_date, request.received_at):
        return ERRORS["closed"]
    return _json([_rate(currency, rate_date) for currency in currencies])


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 else None
    except ValueError:
        return None


def is_published(rate_date: date, at: datetime) -> bool:
    """Return whether the bank has published the rates of a date at a time (KST)."""
    is_business_day = rate_date.weekday() < 5 and f"{rate_date:%m%d}" not in HOLIDAYS
    return is_business_day and (rate_date, PUBLISHED_AT) <= (at.date(), at.time())


def _rate(currency: FactRow, rate_date: date) -> dict[str, object]:
    """Return the rates of one currency. The won has base rate 1, and 0 to buy or sell."""
    unit = currency["unit"]
    base = _base_rate(currency, rate_date)
    spread = 0.01 * base
    return {
        "result": 1,
        "cur_unit": unit,
        "ttb": "0" if unit == "KRW" else _amount(base - spread),
        "tts": "0" if unit == "KRW" else _amount(base + spread),
        "deal_bas_r": _amount(base),
        "bkpr": f"{base:,.0f}",
        "yy_efee_r": "0",
        "ten_dd_efee_r": "0",
        "kftc_bkpr": f"{base:,.0f}",
        "kftc_deal_bas_r": _amount(base),
        "cur_nm": currency["name_ko"],
    }


def _base_rate(currency: FactRow, rate_date: date) -> float:
    """Return won per unit: the fact with a yearly wave of 3 % and a daily change of 0.4 %."""
    unit, base = currency["unit"], float(currency["won"])
    if unit == "KRW":
        return base
    years = (rate_date - EPOCH).days / 365
    base *= 1 + 0.03 * math.sin(2 * math.pi * (years + pick(100, unit) / 100))
    base *= 1 + (pick(9, unit, rate_date) - 4) / 1000
    return base


def _amount(won: float) -> str:
    """Return the amount with thousands commas and no trailing zeros: 1,348.6."""
    return f"{won:,.2f}".rstrip("0").rstrip(".")


def generated_rows(today: date) -> Currencies:
    """Return the currencies. Their rates are computed from the date of the request."""
    return facts("currencies")


def recorded_rows(folder: Path) -> Currencies:
    return facts("currencies")


SERVICE = Service(
    name="exim",
    operation=lambda path: path,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
