"""TourAPI 4.0 behind the gateway of data.go.kr: what it answers to which request.

Facts: data.go.kr 15101753 (EngService2), 15101578 (KorService2) and answers recorded in 2026.
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
    json_page,
    page_number,
    refusal,
    result,
    rows_of_page,
)
from loaders.sample_api.service import Answer, Request, Service
from loaders.sample_api.tour_rows import (
    DETAIL_FIELDS,
    FESTIVAL_FIELDS,
    LIST_FIELDS,
    STAY_FIELDS,
    SYNC_FIELDS,
    Item,
    LanguageRows,
    TourRows,
    generated_rows,
    intro,
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


ERRORS = {
    **GATEWAY_ERRORS,
    "database": result("0002", "DB_ERROR"),
    "no_data": result("0003", "NODATA_ERROR"),
}


@dataclass(frozen=True)
class Operation:
    find: Callable[[Params, LanguageRows], list[dict[str, object]]]
    """All rows that the parameters ask for, in their order."""
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
PARENTS = {
    "sigunguCode": "areaCode",
    "cat2": "cat1",
    "cat3": "cat2",
    "lDongSignguCd": "lDongRegnCd",
    "lclsSystm2": "lclsSystm1",
    "lclsSystm3": "lclsSystm2",
}
ALLOWED = {
    "MobileOS": ("IOS", "AND", "WIN", "ETC"),
    "_type": ("json", "xml"),
    "arrange": ("A", "C", "D", "O", "Q", "R"),
    "showflag": ("0", "1"),
    "lDongListYn": ("Y", "N"),
    "lclsSystmListYn": ("Y", "N"),
}
DATES = ("modifiedtime", "eventStartDate")
NUMBERS = ("numOfRows", "pageNo")


def _chosen(
    items: Iterable[Item], params: Params, fields: tuple[str, ...]
) -> list[dict[str, object]]:
    wanted = [(FILTERS[name], value) for name, value in params.items() if name in FILTERS]
    since = params.get("modifiedtime", "")
    found = [
        item
        for item in items
        if item["modifiedtime"] >= since
        and all(item.get(field) == value for field, value in wanted)
    ]
    arranged = _arranged(found, params.get("arrange", "A"))
    return [{field: item[field] for field in fields if field in item} for item in arranged]


def _arranged(items: list[Item], arrange: str) -> list[Item]:
    """A, O by title; C, Q by time of change; D, R by time of creation; O, Q, R images first."""
    items = sorted(items, key=lambda item: (item["title"], item["contentid"]))
    if arrange in "CQ":
        items.sort(key=lambda item: item["modifiedtime"], reverse=True)
    if arrange in "DR":
        items.sort(key=lambda item: item["createdtime"], reverse=True)
    if arrange in "OQR":
        items.sort(key=lambda item: item["firstimage"] == "")
    return items


def _places(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    return _chosen(rows.places, params, LIST_FIELDS)


def _festivals(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    since = params["eventStartDate"]
    started = (item for item in rows.festivals if item["eventstartdate"] >= since)
    return _chosen(started, params, FESTIVAL_FIELDS)


def _stays(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    return _chosen(rows.stays, params, STAY_FIELDS)


def _sync(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    return _chosen(rows.synced, params, SYNC_FIELDS)


def _common(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    item = rows.details.get(params["contentId"])
    return [{field: item[field] for field in DETAIL_FIELDS}] if item else []


def _intro(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    item = rows.details.get(params["contentId"])
    if item is None or item["contenttypeid"] != params["contentTypeId"]:
        return []
    return [dict(intro(item))]


def _ldong(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    region = params.get("lDongRegnCd")
    districts = [row for row in rows.districts if region in (None, row["lDongRegnCd"])]
    if params.get("lDongListYn") == "Y":
        return _numbered(districts)
    if region is None:
        return _numbered(rows.regions)
    codes = [{"code": row["lDongSignguCd"], "name": row["lDongSignguNm"]} for row in districts]
    return _numbered(codes)


def _lcls(params: Params, rows: LanguageRows) -> list[dict[str, object]]:
    wanted = {f"{name}Cd": params[name] for name in FILTERS if name in params and "lcls" in name}
    found = [
        row for row in rows.categories if all(row[code] == value for code, value in wanted.items())
    ]
    if params.get("lclsSystmListYn") == "Y":
        return _numbered(found)
    level = len(wanted) + 1
    names = {row[f"lclsSystm{level}Cd"]: row[f"lclsSystm{level}Nm"] for row in found}
    return _numbered({"code": code, "name": name} for code, name in names.items())


def _numbered(rows: Iterable[Item]) -> list[dict[str, object]]:
    return [{**row, "rnum": number} for number, row in enumerate(rows, 1)]


_CATEGORY = frozenset({"lclsSystm1", "lclsSystm2", "lclsSystm3"})
_LIST = _CATEGORY | {
    *("arrange", "modifiedtime", "lDongRegnCd", "lDongSignguCd"),
    *("areaCode", "sigunguCode", "cat1", "cat2", "cat3"),
}
OPERATIONS = {
    "areaBasedList2": Operation(_places, _LIST | {"contentTypeId"}),
    "areaBasedSyncList2": Operation(_sync, _LIST | {"contentTypeId", "showflag", "oldContentid"}),
    "searchFestival2": Operation(_festivals, _LIST, ("eventStartDate",)),
    "searchStay2": Operation(_stays, _LIST),
    "detailCommon2": Operation(_common, frozenset(), ("contentId",)),
    "detailIntro2": Operation(_intro, frozenset(), ("contentId", "contentTypeId")),
    "ldongCode2": Operation(_ldong, frozenset({"lDongRegnCd", "lDongListYn"})),
    "lclsSystmCode2": Operation(_lcls, frozenset({"lclsSystm1", "lclsSystm2", "lclsSystmListYn"})),
}


def answer(request: Request, rows: TourRows) -> Answer:
    service, _, name = request.path.partition("/")
    params = request.params
    if service in RETIRED or service.endswith("Service1"):
        return ERRORS["retired"]
    # A key is granted for each language's service: one that was not applied for is a wrong key.
    refused = refusal(request)
    if refused or service not in LANGUAGES:
        return refused or ERRORS["bad_key"]
    operation = OPERATIONS.get(name)
    if operation is None:
        return ERRORS["not_found"]
    wrong = _wrong(operation, params)
    if wrong:
        return _flat(*wrong, request.at)
    found = operation.find(params, rows[LANGUAGES[service]])
    page, total = page_number(params), len(found)
    items = rows_of_page(found, params)
    if params.get("_type") == "json":
        return json_page({"item": items} if items else "", len(items), page, total, code="0000")
    return _xml_page(items, page, total)


def _wrong(operation: Operation, params: Params) -> tuple[str, str] | None:
    """The code and the message with which the service refuses the parameters, if it does."""
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


def _flat(code: str, message: str, at: datetime) -> Answer:
    """Parameter errors come under HTTP 200 as a flat object without `response`."""
    time = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}"
    body = {"responseTime": time, "resultCode": code, "resultMsg": message}
    return Answer(200, JSON, orjson.dumps(body))


def _xml_page(items: Sequence[Mapping[str, object]], page: int, total: int) -> Answer:
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
    return Answer(200, XML, body.encode())


SERVICE = Service(
    name="tour",
    operation=lambda path: path,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
