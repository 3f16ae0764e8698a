"""Exchange rates of the Export-Import Bank of Korea.

Documentation: koreaexim.go.kr, Open API "환율" (AP01), on the host `oapi.` since 2025-06-25. An
answer is a bare list. It is empty on days on which the bank is closed, and before about 11:00 KST
of the day itself. An error comes under HTTP 200 and looks like one rate.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import orjson
import pyarrow as pa
from requests import Response

from loaders.sources.source import (
    ApiError,
    ApiFault,
    ApiRequest,
    ExtractRequest,
    FirstWithRows,
    Row,
    Source,
    Table,
    day,
    integer,
    key_in_query,
    number,
    raise_for_http,
    text,
    text_columns,
)

DAYS_BACK = 7
"""The longest that the bank stays closed: the harvest holidays with the weekends around them."""
GOOD = 1
FAULTS = {
    2: ApiFault.BAD_REQUEST,  # no such data code
    3: ApiFault.BAD_KEY,
    4: ApiFault.QUOTA_SPENT,
}
CURRENCY = re.compile(r"([A-Z]{3})(?:\((\d+)\))?")
"""`USD`, or `JPY(100)` where the rate is for so many."""
AMOUNTS = ("ttb", "tts", "deal_bas_r", "bkpr")


def check_response(response: Response) -> None:
    """Accepts a list of rates, an empty one too; everything else is a named fault."""
    raise_for_http("exim", response, otherwise=ApiFault.BAD_REQUEST)
    try:
        results = {row["result"] for row in orjson.loads(response.content)}
    except (ValueError, KeyError, TypeError):
        raise ApiError(ApiFault.UNREADABLE, "not a list of rates", response) from None
    for code in results - {GOOD}:
        raise ApiError(FAULTS.get(code, ApiFault.DOWN), f"result {code}", response)


def read(body: bytes) -> pa.Table:
    """The rates of one answer: the currency apart from its unit, amounts without their commas."""
    return text_columns([_rate(row) for row in orjson.loads(body)])


def _rate(row: Row) -> Row:
    """A unit that can't be read stands as it came, so that the row is rejected by it."""
    named = row.get("cur_unit") or ""
    found = CURRENCY.fullmatch(named)
    currency, unit = (found[1], found[2] or "1") if found else (named, named)
    amounts = {name: (row.get(name) or "").replace(",", "") for name in AMOUNTS if name in row}
    rest = {name: value for name, value in row.items() if name != "cur_unit"}
    return {**rest, **amounts, "currency": currency, "unit": unit}


def _exchange_rates(request: ExtractRequest) -> Iterator[ApiRequest]:
    """The rates of the date or, where it has none, of the last day before that has."""
    days = (request.logical_date - timedelta(days=back) for back in range(DAYS_BACK + 1))
    yield ApiRequest(
        path="site/program/financial/exchangeJSON",
        params={"data": "AP01"},
        paginator=partial(FirstWithRows, *({"searchdate": f"{it:%Y%m%d}"} for it in days)),
        echo=("searchdate",),
    )


SOURCE = Source(
    name="exim",
    base_url="https://oapi.koreaexim.go.kr",
    extension="json",
    daily_allowance=1000,
    authenticate=key_in_query("authkey"),
    check_response=check_response,
    operation=lambda path: path,
    options={},
    tables=(
        Table(
            name="exchange_rates",
            primary_key=("currency", "date"),
            columns=(
                text("currency", "currency"),
                day("date", "searchdate", "%Y%m%d"),
                integer("unit", "unit"),
                text("currency_name", "cur_nm"),
                number("base_rate", "deal_bas_r"),
                number("buying_rate", "ttb"),
                number("selling_rate", "tts"),
                number("book_rate", "bkpr"),
            ),
            ignored_fields=frozenset(
                {"result", "yy_efee_r", "ten_dd_efee_r", "kftc_bkpr", "kftc_deal_bas_r"}
            ),
            requests=_exchange_rates,
            read=read,
            answers_past=True,
        ),
    ),
)
