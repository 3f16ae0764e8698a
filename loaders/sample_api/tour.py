"""TourAPI 4.0 behind the gateway of data.go.kr: requests, quirks and errors.

Facts: data.go.kr 15101753 (EngService2) and 15101578 (KorService2), and responses recorded in 2026.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

import orjson

from loaders.sample_api.data_go_kr import (
    GATEWAY_ERRORS,
    JSON,
    XML,
    authorization_error,
    json_page,
    page_number,
    rows_of_page,
    service_error,
)
from loaders.sample_api.service import ApiResponse, Request, Service
from loaders.sample_api.tour_details import Item
from loaders.sample_api.tour_rows import (
    DETAIL_FIELDS,
    FESTIVAL_FIELDS,
    LIST_FIELDS,
    STAY_FIELDS,
    SYNC_FIELDS,
    LanguageRows,
    TourRows,
    generated_rows,
    recorded_rows,
)

LANGUAGES = {
    "KorService2": "ko",
    "EngService2": "en",
    "JpnService2": "ja",
    "ChsService2": "zh",
}
RETIRED = ("EngService", "KorService", "JpnService", "ChsService")

Params = Mapping[str, str]
Row = dict[str, object]

ERRORS = {
    **GATEWAY_ERRORS,
    "database": service_error("0002", "DB_ERROR"),
    "no_data": service_error("0003", "NODATA_ERROR"),
}


@dataclass(frozen=True)
class Operation:
    find: Callable[[Params, LanguageRows], list[Row]]
    """Return all rows that match the parameters, in order."""
    optional: frozenset[str]
    required: tuple[str, ...] = ()


COMMON_REQUIRED = ("MobileOS", "MobileApp")
COMMON = frozenset({"serviceKey", "_type", "numOfRows", "pageNo", *COMMON_REQUIRED})
FILTERS = {
    "contentTypeId": "contenttypeid",
    "areaCode": "areacode",
    "sigunguCode": "sigungucode",
    "cat1": "cat1",
    "cat2": "cat2",
    "cat3": "cat3",
    "lDongRegnCd": "lDongRegnCd",
    "lDongSignguCd": "lDongSignguCd",
    "lclsSystm1": "lclsSystm1",
    "lclsSystm2": "lclsSystm2",
    "lclsSystm3": "lclsSystm3",
    "showflag": "showflag",
    "oldContentid": "oldContentid",
}
"""Filter parameters, and the field that each compares."""
PARENTS = {
    "sigunguCode": "areaCode",
    "cat2": "cat1",
    "cat3": "cat2",
    "lDongSignguCd": "lDongRegnCd",
    "lclsSystm2": "lclsSystm1",
    "lclsSystm3": "lclsSystm2",
}
"""Parameters that are valid only together with their parent."""
ALLOWED = {
    "MobileOS": ("IOS", "AND", "WIN", "ETC"),
    "_type": ("json", "xml"),
    "arrange": ("A", "C", "D", "O", "Q", "R"),
    "showflag": ("0", "1"),
    "imageYN": ("Y", "N"),
    "lDongListYn": ("Y", "N"),
    "lclsSystmListYn": ("Y", "N"),
}
DATES = ("modifiedtime", "eventStartDate")
NUMBERS = ("numOfRows", "pageNo")


def _select(items: Iterable[Item], params: Params, fields: tuple[str, ...]) -> list[Row]:
    """Return the given fields of the items that match the filters, in the requested order."""
    filters = [(FILTERS[name], value) for name, value in params.items() if name in FILTERS]
    since = params.get("modifiedtime", "")
    matching = [
        item
        for item in items
        if item["modifiedtime"] >= since
        and all(item.get(field) == value for field, value in filters)
    ]
    arranged = _arranged(matching, params.get("arrange", "A"))
    return [{field: item[field] for field in fields if field in item} for item in arranged]


def _arranged(items: list[Item], arrange: str) -> list[Item]:
    """Sort by title (A, O), change time (C, Q) or creation time (D, R).

    O, Q and R put items with an image first.
    """
    items = sorted(items, key=lambda item: (item["title"], item["contentid"]))
    if arrange in "CQ":
        items.sort(key=lambda item: item["modifiedtime"], reverse=True)
    if arrange in "DR":
        items.sort(key=lambda item: item["createdtime"], reverse=True)
    if arrange in "OQR":
        items.sort(key=lambda item: item["firstimage"] == "")
    return items


def _places(params: Params, rows: LanguageRows) -> list[Row]:
    return _select(rows.places, params, LIST_FIELDS)


def _festivals(params: Params, rows: LanguageRows) -> list[Row]:
    since = params["eventStartDate"]
    started = (item for item in rows.festivals if item["eventstartdate"] >= since)
    return _select(started, params, FESTIVAL_FIELDS)


def _stays(params: Params, rows: LanguageRows) -> list[Row]:
    return _select(rows.stays, params, STAY_FIELDS)


def _sync(params: Params, rows: LanguageRows) -> list[Row]:
    return _select(rows.synced, params, SYNC_FIELDS)


def _common(params: Params, rows: LanguageRows) -> list[Row]:
    item = rows.details.get(params["contentId"])
    return [{field: item[field] for field in DETAIL_FIELDS}] if item else []


def _intro(params: Params, rows: LanguageRows) -> list[Row]:
    item = rows.intros.get(params["contentId"])
    if item is None or item["contenttypeid"] != params["contentTypeId"]:
        return []
    return [dict(item)]


def _images(params: Params, rows: LanguageRows) -> list[Row]:
    """Return the images of a place. A restaurant's menu has none here."""
    if params.get("imageYN", "Y") == "N":
        return []
    return [dict(image) for image in rows.images.get(params["contentId"], [])]


def _districts(params: Params, rows: LanguageRows) -> list[Row]:
    """Return the complete district rows, or the names of the level below the given region."""
    region = params.get("lDongRegnCd")
    districts = [row for row in rows.districts if region in (None, row["lDongRegnCd"])]
    if params.get("lDongListYn") == "Y":
        return _numbered(districts)
    if region is None:
        return _numbered(rows.regions)
    codes = [{"code": row["lDongSignguCd"], "name": row["lDongSignguNm"]} for row in districts]
    return _numbered(codes)


def _categories(params: Params, rows: LanguageRows) -> list[Row]:
    """Return the category tree, or the names of the level below the given codes."""
    filters = {f"{name}Cd": params[name] for name in FILTERS if name in params and "lcls" in name}
    matching = [
        row for row in rows.categories if all(row[code] == value for code, value in filters.items())
    ]
    if params.get("lclsSystmListYn") == "Y":
        return _numbered(matching)
    level = len(filters) + 1
    names = {row[f"lclsSystm{level}Cd"]: row[f"lclsSystm{level}Nm"] for row in matching}
    return _numbered({"code": code, "name": name} for code, name in names.items())


def _numbered(rows: Iterable[Item]) -> list[Row]:
    return [{**row, "rnum": number} for number, row in enumerate(rows, 1)]


_CATEGORY_FILTERS = frozenset({"lclsSystm1", "lclsSystm2", "lclsSystm3"})
_LIST_FILTERS = _CATEGORY_FILTERS | {
    *("arrange", "modifiedtime", "lDongRegnCd", "lDongSignguCd"),
    *("areaCode", "sigunguCode", "cat1", "cat2", "cat3"),
}
OPERATIONS = {
    "areaBasedList2": Operation(_places, _LIST_FILTERS | {"contentTypeId"}),
    "areaBasedSyncList2": Operation(
        _sync, _LIST_FILTERS | {"contentTypeId", "showflag", "oldContentid"}
    ),
    "searchFestival2": Operation(_festivals, _LIST_FILTERS, ("eventStartDate",)),
    "searchStay2": Operation(_stays, _LIST_FILTERS),
    "detailCommon2": Operation(_common, frozenset(), ("contentId",)),
    "detailIntro2": Operation(_intro, frozenset(), ("contentId", "contentTypeId")),
    "detailImage2": Operation(_images, frozenset({"imageYN"}), ("contentId",)),
    "ldongCode2": Operation(_districts, frozenset({"lDongRegnCd", "lDongListYn"})),
    "lclsSystmCode2": Operation(
        _categories, frozenset({"lclsSystm1", "lclsSystm2", "lclsSystmListYn"})
    ),
}


def respond(request: Request, rows: TourRows) -> ApiResponse:
    service, _, name = request.path.partition("/")
    params = request.params
    if service in RETIRED or service.endswith("Service1"):
        return ERRORS["retired"]
    # A key is granted per language service. To a service without a grant it is a wrong key.
    error = authorization_error(request)
    if error or service not in LANGUAGES:
        return error or ERRORS["bad_key"]
    operation = OPERATIONS.get(name)
    if operation is None:
        return ERRORS["not_found"]
    parameter_error = _parameter_error(operation, params)
    if parameter_error:
        return _flat_error(*parameter_error, request.received_at)
    matching = operation.find(params, rows[LANGUAGES[service]])
    page, total = page_number(params), len(matching)
    items = rows_of_page(matching, params)
    if params.get("_type") == "json":
        return json_page({"item": items} if items else "", len(items), page, total, code="0000")
    return _xml_page(items, page, total)


def _parameter_error(operation: Operation, params: Params) -> tuple[str, str] | None:
    """Return the code and message with which the service refuses the parameters, or None."""
    for name in (*COMMON_REQUIRED, *operation.required):
        if name not in params:
            return "11", f"NO_MANDATORY_REQUEST_PARAMETERS_ERROR1({name})"
    known = COMMON | operation.optional | set(operation.required)
    for name, value in params.items():
        if (
            name not in known
            or value not in ALLOWED.get(name, (value,))
            or (name in DATES and not (value.isdecimal() and len(value) == 8))
            or (name in NUMBERS and not (value.isdecimal() and int(value) > 0))
            or (name in PARENTS and PARENTS[name] not in params)
        ):
            return "10", f"INVALID_REQUEST_PARAMETER_ERROR({name})"
    return None


def _flat_error(code: str, message: str, at: datetime) -> ApiResponse:
    """Return a parameter error: HTTP 200, a flat object without `response`."""
    time = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}"
    body = {"responseTime": time, "resultCode": code, "resultMsg": message}
    return ApiResponse(200, JSON, orjson.dumps(body))


def _xml_page(items: Sequence[Mapping[str, object]], page: int, total: int) -> ApiResponse:
    rows = "".join(
        "<item>"
        + "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in item.items())
        + "</item>"
        for item in items
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        "<response><header><resultCode>0000</resultCode><resultMsg>OK</resultMsg></header>"
        f"<body><items>{rows}</items><numOfRows>{len(items)}</numOfRows>"
        f"<pageNo>{page}</pageNo><totalCount>{total}</totalCount></body></response>"
    )
    return ApiResponse(200, XML, body.encode())


SERVICE = Service(
    name="tour",
    operation=lambda path: path,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
