"""KOPIS: performances and venues in XML, with its habits: what it answers to which request.

Facts: KOPIS Open API guide v5.0 (2026-04-23) and answers recorded in 2025.
"""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import islice

import orjson

from loaders.sample_api.kopis_rows import (
    GENRES,
    STATES,
    KopisRows,
    Performance,
    Venue,
    generated_rows,
    recorded_rows,
)
from loaders.sample_api.service import KEY, Answer, Request, Service

XML = "text/xml;charset=UTF-8"
JSON = "application/json;charset=UTF-8"
WINDOW_DAYS = 31
MOST_ROWS = 100
DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# As it arrives: UTF-8 that was read as Latin-1.
TOO_MANY_ROWS = "한번에 조회할 수 있는 건수는 100건 이하입니다.".encode().decode("latin-1")

Params = Mapping[str, str]
_LISTS = frozenset({"service", "cpage", "rows", "signgucode", "signgucodesub", "afterdate"})
PARAMETERS = {
    "pblprfr": _LISTS | {"stdate", "eddate", "shcate", "prfstate"},
    "prfplc": _LISTS,
}
REQUIRED = {"pblprfr": ("stdate", "eddate", "cpage", "rows"), "prfplc": ("cpage", "rows")}


def _error(code: str, message: str, at: datetime) -> Answer:
    """An error: under HTTP 200, in the shape of one record."""
    return _documents(
        f"<db><returncode>{code}</returncode><errmsg>{message}</errmsg>"
        f"<responsetime>{at:%Y-%m-%d %H:%M:%S}</responsetime></db>".encode()
    )


def _documents(*records: bytes) -> Answer:
    body = b"<dbs>" + b"".join(records) + b"</dbs>" if records else b"<dbs/>"
    return Answer(200, XML, DECLARATION + body)


def _not_found(path: str) -> Answer:
    said = {"success": False, "code": 404, "message": f"No endpoint GET {path}."}
    return Answer(404, JSON, orjson.dumps(said))


_AT = datetime(2026, 8, 26, 17, 48, 16)
ERRORS = {
    "bad_key": _error("02", "SERVICE KEY IS NOT REGISTERED ERROR", _AT),
    "bad_parameter": _error("01", "INVALID REQUEST PARAMETER ERROR", _AT),
    "database": _error("03", "DB_ERROR", _AT),
    "no_data": _error("04", "NODATA_ERROR", _AT),
    "bad_request": Answer(400, "text/html;charset=UTF-8", b"<html><body>Bad Request</body></html>"),
    # How KOPIS says that the day's quota is spent is nowhere published.
    "quota": Answer(429, "text/plain;charset=UTF-8", b"Too Many Requests"),
}


def operation(path: str) -> str:
    """`pblprfr/PF123` is counted as `pblprfr/{id}`."""
    name, slash, _ = path.partition("/")
    return f"{name}/{{id}}" if slash else name


def answer(request: Request, rows: KopisRows) -> Answer:
    host = request.headers.get("host", "")
    if host.startswith("www."):
        apex = f"http://{host.removeprefix('www.')}{request.target}"
        return Answer(301, "text/html;charset=UTF-8", b"", {"Location": apex})
    name, _, key = request.path.partition("/")
    if name not in PARAMETERS or "/" in key:
        return _not_found(request.path)
    if request.params.get("service") != KEY:
        return _error("02", "SERVICE KEY IS NOT REGISTERED ERROR", request.at)
    if request.is_quota_spent:
        return ERRORS["quota"]
    if key:
        one = rows.performances.get(key) if name == "pblprfr" else rows.venues.get(key)
        return _documents(*([one.detail] if one else []))
    refused = _refused(name, request.params)
    if refused:
        return _error(*refused, request.at)
    page, size = int(request.params["cpage"]), int(request.params["rows"])
    held = rows.performances.values() if name == "pblprfr" else rows.venues.values()
    found = (row.listed for row in held if _is_asked(row, request.params))
    return _documents(*islice(found, (page - 1) * size, page * size))


def _refused(name: str, params: Params) -> tuple[str, str] | None:
    """The code and the message with which KOPIS refuses the parameters, if it does.

    A filter of the guide that is not told here is refused too, rather than passed over.
    """
    invalid = ("01", "INVALID REQUEST PARAMETER ERROR")
    if not set(REQUIRED[name]) <= set(params) <= PARAMETERS[name]:
        return invalid
    if not all(params[number].isdecimal() and int(params[number]) for number in ("cpage", "rows")):
        return invalid
    if "signgucodesub" in params and "signgucode" not in params:
        return invalid
    if params.get("shcate", "AAAA") not in GENRES or params.get("prfstate", "01") not in STATES:
        return invalid
    dates = [_day(params[day]) for day in ("stdate", "eddate", "afterdate") if day in params]
    if None in dates:
        return invalid
    if int(params["rows"]) > MOST_ROWS:
        return "06", TOO_MANY_ROWS
    first, last = _day(params.get("stdate", "")), _day(params.get("eddate", ""))
    if first and last and (last - first).days >= WINDOW_DAYS:
        return "05", f"SEARCH PERIOD IS OVER {WINDOW_DAYS} DAYS"
    return None


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 else None
    except ValueError:
        return None


def _is_asked(row: Performance | Venue, params: Params) -> bool:
    if (
        params.get("signgucode", row.region) != row.region
        or params.get("signgucodesub", row.district) != row.district
        or params.get("afterdate", "") > row.changed_on
    ):
        return False
    return isinstance(row, Venue) or (
        row.starts_on <= params["eddate"]
        and row.ends_on >= params["stdate"]
        and ("shcate" not in params or row.genre == GENRES[params["shcate"]])
        and ("prfstate" not in params or row.state == STATES[params["prfstate"]])
    )


SERVICE = Service(
    name="kopis",
    operation=operation,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
