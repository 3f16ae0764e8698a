"""The Korea Meteorological Administration behind the gateway of data.go.kr: what it answers when.

Facts: data.go.kr 15084084, 15059468 and 15059093, and answers recorded in 2022 to 2026. A forecast
is out ten minutes after its time and is kept for a day.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from loaders.sample_api.data_go_kr import (
    GATEWAY_ERRORS,
    json_page,
    page_number,
    refusal,
    result,
    rows_of_page,
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
from loaders.sample_api.service import Answer, Request, Service

KEPT = timedelta(days=1)
LATENCY = timedelta(minutes=10)
BASE_TIMES = ("0200", "0500", "0800", "1100", "1400", "1700", "2000", "2300")
MOST_ROWS = {"getVilageFcst": 1000, "getWthrDataList": 999}
ERRORS = {
    **GATEWAY_ERRORS,
    "database": result("02", "DB_ERROR"),
    "no_data": result("03", "NO_DATA"),
    "invalid": result("10", "INVALID_REQUEST_PARAMETER_ERROR"),
    "not_yet_observed": result(
        "99", "전날 자료까지 제공됩니다. 종료일자는 전날 날짜까지 입력해 주세요."
    ),
}

Params = Mapping[str, str]
Find = Callable[[Params, KmaRows, datetime], list[Item] | Answer]
"""All rows that the parameters ask for at a moment (KST), or a refusal."""


def _short(params: Params, rows: KmaRows, now: datetime) -> list[Item] | Answer:
    base = _moment(params.get("base_date", "") + params.get("base_time", ""))
    if base is None or params["base_time"] not in BASE_TIMES:
        return ERRORS["invalid"]
    if not _is_out(base, now):
        return []
    return short_forecast(int(params["nx"]), int(params["ny"]), base)


def _mid(operation: str, generate: Callable[[str, datetime], Item]) -> Find:
    def find(params: Params, rows: KmaRows, now: datetime) -> list[Item] | Answer:
        issued = _moment(params.get("tmFc", ""))
        if issued is None or issued.hour not in (6, 18) or "regId" not in params:
            return ERRORS["invalid"]
        recorded = rows.mid.get((operation, params["tmFc"]))
        if recorded or not _is_out(issued, now):
            return [recorded] if recorded else []
        return [generate(params["regId"], issued)]

    return find


def _observations(params: Params, rows: KmaRows, now: datetime) -> list[Item] | Answer:
    first, last = _day(params.get("startDt", "")), _day(params.get("endDt", ""))
    if not first or not last or params.get("dataCd") != "ASOS" or params.get("dateCd") != "DAY":
        return ERRORS["invalid"]
    if last >= now.date():
        return ERRORS["not_yet_observed"]
    if rows.observations is not None:
        station, period = params.get("stnIds"), (f"{first}", f"{last}")
        return [
            it
            for it in rows.observations
            if it["stnId"] == station and period[0] <= it["tm"] <= period[1]
        ]
    return [observation(first + timedelta(days=it)) for it in range((last - first).days + 1)]


def _is_out(issued: datetime, now: datetime) -> bool:
    now = now.replace(tzinfo=None)
    return issued + LATENCY <= now < issued + KEPT + LATENCY


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M") if len(text) == 12 else None
    except ValueError:
        return None


def _day(text: str) -> date | None:
    found = _moment(f"{text}0000")
    return found.date() if found else None


OPERATIONS: Mapping[str, Find] = {
    "VilageFcstInfoService_2.0/getVilageFcst": _short,
    "MidFcstInfoService/getMidTa": _mid("getMidTa", mid_temperatures),
    "MidFcstInfoService/getMidLandFcst": _mid("getMidLandFcst", mid_land),
    "AsosDalyInfoService/getWthrDataList": _observations,
}


def answer(request: Request, rows: KmaRows) -> Answer:
    refused = refusal(request)
    if refused:
        return refused
    find = OPERATIONS.get(request.path)
    if find is None:
        return ERRORS["not_found"]
    most = MOST_ROWS.get(request.path.rpartition("/")[2], 1000)
    if int(request.params.get("numOfRows", 10)) > most or request.params.get("dataType") != "JSON":
        return ERRORS["invalid"]
    found = find(request.params, rows, request.at)
    if isinstance(found, Answer):
        return found
    if not found:
        return ERRORS["no_data"]
    items = rows_of_page(found, request.params)
    return json_page(
        {"item": items},
        len(items),
        page_number(request.params),
        len(found),
        message="NORMAL_SERVICE",
        dataType="JSON",
    )


SERVICE = Service(
    name="kma",
    operation=lambda path: path,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
