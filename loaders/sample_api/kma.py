"""The Korea Meteorological Administration behind the gateway of data.go.kr: requests and errors.

Facts: data.go.kr 15084084, 15059468 and 15059093, and responses recorded from 2022 to 2026. A
forecast is available ten minutes after its base time and is kept for one day.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from loaders.sample_api.data_go_kr import (
    GATEWAY_ERRORS,
    authorization_error,
    json_page,
    page_number,
    rows_of_page,
    service_error,
)
from loaders.sample_api.kma_rows import (
    Item,
    KmaRows,
    generated_rows,
    mid_land,
    mid_temperatures,
    observation,
    recorded_rows,
    short_forecast,
)
from loaders.sample_api.service import ApiResponse, Request, Service

RETENTION = timedelta(days=1)
LATENCY = timedelta(minutes=10)
BASE_TIMES = ("0200", "0500", "0800", "1100", "1400", "1700", "2000", "2300")
MAX_ROWS = {"getVilageFcst": 1000, "getWthrDataList": 999}
ERRORS = {
    **GATEWAY_ERRORS,
    "database": service_error("02", "DB_ERROR"),
    "no_data": service_error("03", "NO_DATA"),
    "invalid": service_error("10", "INVALID_REQUEST_PARAMETER_ERROR"),
    "not_yet_observed": service_error(
        "99", "전날 자료까지 제공됩니다. 종료일자는 전날 날짜까지 입력해 주세요."
    ),
}

Params = Mapping[str, str]
Find = Callable[[Params, KmaRows, datetime], list[Item] | ApiResponse]
"""Return all rows that match the parameters at a time (KST), or an error."""


def _short(params: Params, rows: KmaRows, now: datetime) -> list[Item] | ApiResponse:
    base = _timestamp(params.get("base_date", "") + params.get("base_time", ""))
    if base is None or params["base_time"] not in BASE_TIMES:
        return ERRORS["invalid"]
    if not _is_available(base, now):
        return []
    return short_forecast(int(params["nx"]), int(params["ny"]), base)


def _mid(operation: str, generate: Callable[[str, datetime], Item]) -> Find:
    def find(params: Params, rows: KmaRows, now: datetime) -> list[Item] | ApiResponse:
        issued_at = _timestamp(params.get("tmFc", ""))
        if issued_at is None or issued_at.hour not in (6, 18) or "regId" not in params:
            return ERRORS["invalid"]
        recorded = rows.mid.get((operation, params["tmFc"]))
        if recorded:
            return [recorded]
        return [generate(params["regId"], issued_at)] if _is_available(issued_at, now) else []

    return find


def _observations(params: Params, rows: KmaRows, now: datetime) -> list[Item] | ApiResponse:
    first, last = _date(params.get("startDt", "")), _date(params.get("endDt", ""))
    if not first or not last or params.get("dataCd") != "ASOS" or params.get("dateCd") != "DAY":
        return ERRORS["invalid"]
    if last >= now.date():
        return ERRORS["not_yet_observed"]
    if rows.observations is not None:
        return [
            row
            for row in rows.observations
            if row["stnId"] == params.get("stnIds") and f"{first}" <= row["tm"] <= f"{last}"
        ]
    days = range((last - first).days + 1)
    return [observation(first + timedelta(days=offset)) for offset in days]


def _is_available(issued_at: datetime, now: datetime) -> bool:
    now = now.replace(tzinfo=None)
    return issued_at + LATENCY <= now < issued_at + RETENTION + LATENCY


def _timestamp(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M") if len(text) == 12 else None
    except ValueError:
        return None


def _date(text: str) -> date | None:
    midnight = _timestamp(f"{text}0000")
    return midnight.date() if midnight else None


OPERATIONS: Mapping[str, Find] = {
    "VilageFcstInfoService_2.0/getVilageFcst": _short,
    "MidFcstInfoService/getMidTa": _mid("getMidTa", mid_temperatures),
    "MidFcstInfoService/getMidLandFcst": _mid("getMidLandFcst", mid_land),
    "AsosDalyInfoService/getWthrDataList": _observations,
}


def respond(request: Request, rows: KmaRows) -> ApiResponse:
    error = authorization_error(request)
    if error:
        return error
    find = OPERATIONS.get(request.path)
    if find is None:
        return ERRORS["not_found"]
    params = request.params
    max_rows = MAX_ROWS.get(request.path.rpartition("/")[2], 1000)
    if int(params.get("numOfRows", 10)) > max_rows or params.get("dataType") != "JSON":
        return ERRORS["invalid"]
    items = find(params, rows, request.received_at)
    if isinstance(items, ApiResponse):
        return items
    if not items:
        return ERRORS["no_data"]
    page_items = rows_of_page(items, params)
    return json_page(
        {"item": page_items},
        len(page_items),
        page_number(params),
        len(items),
        message="NORMAL_SERVICE",
        dataType="JSON",
    )


SERVICE = Service(
    name="kma",
    operation=lambda path: path,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
