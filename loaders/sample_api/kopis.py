"""KOPIS: performances and venues in XML, with its quirks and errors.

Facts: KOPIS Open API guide v5.0 (2026-04-23), and responses recorded in 2025.
"""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import islice

import orjson

from loaders.sample_api.kopis_rows import (
    GENRES,
    STATES,
    KopisRows,
    PerformanceRecord,
    VenueRecord,
    generated_rows,
    recorded_rows,
)
from loaders.sample_api.service import KEY, ApiResponse, Request, Service

XML = "text/xml;charset=UTF-8"
JSON = "application/json;charset=UTF-8"
MAX_WINDOW_DAYS = 31
MAX_ROWS = 100
DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# As it arrives: UTF-8 decoded as Latin-1.
TOO_MANY_ROWS = "한번에 조회할 수 있는 건수는 100건 이하입니다.".encode().decode("latin-1")

Params = Mapping[str, str]
_LIST_PARAMETERS = frozenset(
    {"service", "cpage", "rows", "signgucode", "signgucodesub", "afterdate"}
)
PARAMETERS = {
    "pblprfr": _LIST_PARAMETERS | {"stdate", "eddate", "shcate", "prfstate"},
    "prfplc": _LIST_PARAMETERS,
}
REQUIRED = {"pblprfr": ("stdate", "eddate", "cpage", "rows"), "prfplc": ("cpage", "rows")}


def _error(code: str, message: str, at: datetime) -> ApiResponse:
    """Return an error: HTTP 200, in the shape of one record."""
    return _xml_response(
        f"<db><returncode>{code}</returncode><errmsg>{message}</errmsg>"
        f"<responsetime>{at:%Y-%m-%d %H:%M:%S}</responsetime></db>".encode()
    )


def _xml_response(*records: bytes) -> ApiResponse:
    body = b"<dbs>" + b"".join(records) + b"</dbs>" if records else b"<dbs/>"
    return ApiResponse(200, XML, DECLARATION + body)


def _not_found(path: str) -> ApiResponse:
    body = {"success": False, "code": 404, "message": f"No endpoint GET {path}."}
    return ApiResponse(404, JSON, orjson.dumps(body))


_BAD_KEY = ("02", "SERVICE KEY IS NOT REGISTERED ERROR")
_BAD_PARAMETER = ("01", "INVALID REQUEST PARAMETER ERROR")
_ERROR_TIME = datetime(2026, 8, 26, 17, 48, 16)
ERRORS = {
    "bad_key": _error(*_BAD_KEY, _ERROR_TIME),
    "bad_parameter": _error(*_BAD_PARAMETER, _ERROR_TIME),
    "database": _error("03", "DB_ERROR", _ERROR_TIME),
    "no_data": _error("04", "NODATA_ERROR", _ERROR_TIME),
    "bad_request": ApiResponse(
        400, "text/html;charset=UTF-8", b"<html><body>Bad Request</body></html>"
    ),
    # The response of KOPIS to a spent daily quota is not published.
    "quota": ApiResponse(429, "text/plain;charset=UTF-8", b"Too Many Requests"),
}


def operation(path: str) -> str:
    """Return the operation of a path: `pblprfr/PF123` counts as `pblprfr/{id}`."""
    name, slash, _ = path.partition("/")
    return f"{name}/{{id}}" if slash else name


def respond(request: Request, rows: KopisRows) -> ApiResponse:
    host = request.headers.get("host", "")
    if host.startswith("www."):
        apex = f"http://{host.removeprefix('www.')}{request.target}"
        return ApiResponse(301, "text/html;charset=UTF-8", b"", {"Location": apex})
    name, _, record_id = request.path.partition("/")
    if name not in PARAMETERS or "/" in record_id:
        return _not_found(request.path)
    if request.params.get("service") != KEY:
        return _error(*_BAD_KEY, request.received_at)
    if request.is_quota_spent:
        return ERRORS["quota"]
    records: Mapping[str, PerformanceRecord | VenueRecord] = (
        rows.performances if name == "pblprfr" else rows.venues
    )
    if record_id:
        record = records.get(record_id)
        return _xml_response(*([record.detail_xml] if record else []))
    error = _parameter_error(name, request.params)
    if error:
        return _error(*error, request.received_at)
    page, size = int(request.params["cpage"]), int(request.params["rows"])
    matching = (row.list_xml for row in records.values() if _matches(row, request.params))
    return _xml_response(*islice(matching, (page - 1) * size, page * size))


def _parameter_error(name: str, params: Params) -> tuple[str, str] | None:
    """Return the code and message with which KOPIS refuses the parameters, or None.

    A filter of the guide that is not implemented here is refused too, rather than ignored.
    """
    if not set(REQUIRED[name]) <= set(params) <= PARAMETERS[name]:
        return _BAD_PARAMETER
    if not all(params[number].isdecimal() and int(params[number]) for number in ("cpage", "rows")):
        return _BAD_PARAMETER
    if "signgucodesub" in params and "signgucode" not in params:
        return _BAD_PARAMETER
    if params.get("shcate", "AAAA") not in GENRES or params.get("prfstate", "01") not in STATES:
        return _BAD_PARAMETER
    dates = {
        field: _date(params[field])
        for field in ("stdate", "eddate", "afterdate")
        if field in params
    }
    if None in dates.values():
        return _BAD_PARAMETER
    if int(params["rows"]) > MAX_ROWS:
        return "06", TOO_MANY_ROWS
    first, last = dates.get("stdate"), dates.get("eddate")
    if first and last and (last - first).days >= MAX_WINDOW_DAYS:
        return "05", f"SEARCH PERIOD IS OVER {MAX_WINDOW_DAYS} DAYS"
    return None


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 else None
    except ValueError:
        return None


def _matches(row: PerformanceRecord | VenueRecord, params: Params) -> bool:
    if (
        params.get("signgucode", row.region) != row.region
        or params.get("signgucodesub", row.district) != row.district
        or params.get("afterdate", "") > row.changed_on
    ):
        return False
    return isinstance(row, VenueRecord) or (
        row.starts_on <= params["eddate"]
        and row.ends_on >= params["stdate"]
        and ("shcate" not in params or row.genre == GENRES[params["shcate"]])
        and ("prfstate" not in params or row.state == STATES[params["prfstate"]])
    )


SERVICE = Service(
    name="kopis",
    operation=operation,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
