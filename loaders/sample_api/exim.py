"""Exchange rates of the Export-Import Bank of Korea, with its habits: what it answers when.

Facts: the bank's documentation of its Open API, its currencies, and the fixed holidays of Korea.
Made up are the rates, which move a little from day to day; the holidays of the lunar calendar are
left out. Nothing of this API was recorded.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path

import orjson

from loaders.sample_api.facts import EPOCH, FactRow, facts, pick
from loaders.sample_api.service import KEY, Answer, Request, Service

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


def _json(rows: list[dict[str, object]]) -> Answer:
    return Answer(200, JSON, orjson.dumps(rows))


def _error(result: int) -> Answer:
    """An error: under HTTP 200, in the shape of one rate."""
    return _json([{"result": result, **dict.fromkeys(FIELDS)}])


ERRORS = {
    "bad_data_code": _error(2),
    "bad_key": _error(3),
    "quota": _error(4),
    "closed": _json([]),
    # Where the host `www.` led, until it was switched off.
    "moved": Answer(302, "text/html", b"", {"Location": "https://oapi.koreaexim.go.kr/"}),
}


def answer(request: Request, currencies: Currencies) -> Answer:
    if request.path != OPERATION:
        return Answer(404, "text/html;charset=UTF-8", b"<html><body>Not Found</body></html>")
    if request.params.get("authkey") != KEY:
        return ERRORS["bad_key"]
    if request.is_quota_spent:
        return ERRORS["quota"]
    on = _day(request.params.get("searchdate", f"{request.at:%Y%m%d}"))
    if request.params.get("data") != "AP01" or on is None:
        return ERRORS["bad_data_code"]
    if not is_published(on, request.at):
        return ERRORS["closed"]
    return _json([_rate(currency, on) for currency in currencies])


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 else None
    except ValueError:
        return None


def is_published(on: date, at: datetime) -> bool:
    """Whether the bank has a day's rates at a moment (KST)."""
    is_open = on.weekday() < 5 and f"{on:%m%d}" not in HOLIDAYS
    return is_open and (on, PUBLISHED_AT) <= (at.date(), at.time())


def _rate(currency: FactRow, on: date) -> dict[str, object]:
    """One currency's rates; the won's own are 1 and nothing."""
    unit = currency["unit"]
    base = float(currency["won"])
    if unit != "KRW":
        years = (on - EPOCH).days / 365
        base *= 1 + 0.03 * math.sin(2 * math.pi * (years + pick(100, unit) / 100))
        base *= 1 + (pick(9, unit, on) - 4) / 1000
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


def _amount(won: float) -> str:
    """With commas, and as few decimals as will do: 1,348.6."""
    return f"{won:,.2f}".rstrip("0").rstrip(".")


def generated_rows(today: date) -> Currencies:
    """The currencies; their rates are a matter of the day that is asked for."""
    return facts("currencies")


def recorded_rows(folder: Path) -> Currencies:
    return facts("currencies")


SERVICE = Service(
    name="exim",
    operation=lambda path: path,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
