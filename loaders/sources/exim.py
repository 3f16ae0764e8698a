"""Exchange rates of the Export-Import Bank of Korea.

Documentation: koreaexim.go.kr, Open API "환율" (AP01), on the host `oapi.` since 2025-06-25. A
response is a bare list. It is empty for days when the bank is closed, and for today before about
11:00 KST. An error has HTTP 200 and looks like one rate.
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
    FallbackPaginator,
    Row,
    Source,
    Table,
    code_,
    date_,
    integer,
    key_in_query,
    number,
    raise_for_status,
    text,
    text_columns,
)

DAYS_BACK = 7
"""Longest closure of the bank: the harvest holidays with the weekends around them."""
SUCCESS = 1
FAULTS = {
    2: ApiFault.BAD_REQUEST,  # no such data code
    3: ApiFault.BAD_KEY,
    4: ApiFault.QUOTA_SPENT,
}
CURRENCY = re.compile(r"([A-Z]{3})(?:\((\d+)\))?")
"""`USD`, or `JPY(100)` if the rate is for 100 units."""
AMOUNTS = ("ttb", "tts", "deal_bas_r", "bkpr")


def check_response(response: Response) -> None:
    """Raise ApiError unless the response is a list of rates, which may be empty."""
    raise_for_status("exim", response, otherwise=ApiFault.BAD_REQUEST)
    try:
        results = {row["result"] for row in orjson.loads(response.content)}
    except (ValueError, KeyError, TypeError):
        raise ApiError(ApiFault.UNREADABLE, "not a list of rates", response) from None
    for code in results - {SUCCESS}:
        raise ApiError(FAULTS.get(code, ApiFault.DOWN), f"result {code}", response)


def read_rates(body: bytes) -> pa.Table:
    """Return the rates, with the unit apart from the currency and amounts without commas."""
    return text_columns([_rate(row) for row in orjson.loads(body)])


def _rate(row: Row) -> Row:
    currency, unit = _currency_and_unit(row.get("cur_unit") or "")
    amounts = {name: (row.get(name) or "").replace(",", "") for name in AMOUNTS if name in row}
    rest = {name: value for name, value in row.items() if name != "cur_unit"}
    return {**rest, **amounts, "currency": currency, "unit": unit}


def _currency_and_unit(code: str) -> tuple[str, str]:
    """Split `JPY(100)`. An unreadable code is also the unit, so that the row is rejected."""
    match = CURRENCY.fullmatch(code)
    return (match[1], match[2] or "1") if match else (code, code)


def _exchange_rates(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the rates of the logical date or, if it has none, of the last day that has."""
    dates = (request.logical_date - timedelta(days=back) for back in range(DAYS_BACK + 1))
    parameter_sets = ({"searchdate": f"{date:%Y%m%d}"} for date in dates)
    yield ApiRequest(
        path="site/program/financial/exchangeJSON",
        params={"data": "AP01"},
        paginator=partial(FallbackPaginator, *parameter_sets),
        echo=("searchdate",),
    )


SOURCE = Source(
    name="exim",
    base_url="https://oapi.koreaexim.go.kr",
    key_url="https://www.koreaexim.go.kr",
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
                code_("currency", "currency", 10),
                date_("date", "searchdate", "%Y%m%d"),
                integer("unit", "unit"),
                text("currency_name", "cur_nm", 100),
                number("base_rate", "deal_bas_r"),
                number("buying_rate", "ttb"),
                number("selling_rate", "tts"),
                number("book_rate", "bkpr"),
            ),
            ignored_fields=frozenset(
                {"result", "yy_efee_r", "ten_dd_efee_r", "kftc_bkpr", "kftc_deal_bas_r"}
            ),
            requests=_exchange_rates,
            read=read_rates,
            answers_past=True,
            days_before_first=30,  # the website shows the rates of a month
        ),
    ),
)
