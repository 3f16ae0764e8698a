"""Seoul Open Data Plaza: cultural events, cultural spaces and licensed lodgings.

Documentation: data.seoul.go.kr, services culturalEventInfo, culturalSpaceInfo, LOCALDATA_031101,
LOCALDATA_031103 and LOCALDATA_031104. HTTP only, with the key in the path. Rows are numbered from 1
and requested by the numbers of the first and the last. A response has the total count. An error has
HTTP 200 and lacks the envelope of its service; some come as XML.
"""

import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote

import orjson
import pyarrow as pa
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from pyproj import Transformer
from requests import PreparedRequest, Request, Response

from loaders.sources.source import (
    ApiError,
    ApiFault,
    ApiRequest,
    ExtractRequest,
    Row,
    Source,
    Table,
    code_,
    date_,
    html_to_text,
    integer,
    long_text,
    number,
    optional,
    raise_for_status,
    text,
    text_columns,
    timestamp,
    url,
)

PAGE_SIZE = 1000
NO_DATA = "INFO-200"
# The portal's table of messages.
FAULTS = {
    "INFO-100": ApiFault.BAD_KEY,
    **dict.fromkeys(
        ("ERROR-300", "ERROR-301", "ERROR-331", "ERROR-332", "ERROR-333", "ERROR-334"),
        ApiFault.BAD_REQUEST,
    ),
    "ERROR-310": ApiFault.GONE,
    "ERROR-335": ApiFault.BAD_KEY,
    "ERROR-336": ApiFault.BAD_REQUEST,
    **dict.fromkeys(("ERROR-500", "ERROR-600", "ERROR-601"), ApiFault.DOWN),
}
REMEDIES = {
    "ERROR-335": "the key 'sample' is for 5 rows a call: use your own, from data.seoul.go.kr",
    "ERROR-336": f"a call may request at most {PAGE_SIZE} rows",
}

_CODE = re.compile(r'"?CODE"?\s*[:>]\s*"?(?:<!\[CDATA\[)?((?:INFO|ERROR)-\d+)')
_MESSAGE = re.compile(r'"?MESSAGE"?\s*[:>]\s*"?(?:<!\[CDATA\[)?([^"<\]]+)')
_RANGE = re.compile(r"/(\d+)/(\d+)/?$")
_CULT_CODE = re.compile(r"[?&]cultcode=(\d+)")


class RowRangePaginator(BasePaginator):
    """Request ranges of 1,000 rows until they cover `list_total_count` rows."""

    def __init__(self) -> None:
        super().__init__()
        self.last = PAGE_SIZE
        self.total = 0
        self.received = 0
        """Number of rows received so far."""
        self.left = 0
        """Number of pages still to come."""

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        service = _service(response.content)
        self.total = int(service.get("list_total_count") or 0)
        self.received += len(service.get("row") or [])
        self.left = max(0, -(-(self.total - self.last) // PAGE_SIZE))
        self._has_next_page = self.left > 0

    def update_request(self, request: Request) -> None:
        first, self.last = self.last + 1, self.last + PAGE_SIZE
        request.url = _RANGE.sub(f"/{first}/{self.last}/", request.url or "")


def authenticate(request: PreparedRequest, key: str) -> None:
    """Put the key into the path, in front of `json`."""
    before, _, after = (request.url or "").rpartition("/json/")
    request.url = f"{before}/{quote(key, safe='')}/json/{after}"


def check_response(response: Response) -> None:
    """Raise ApiError unless the response is an envelope with INFO-000, or INFO-200 for no data.

    A page without rows that should have some is an error too: as the end of the list, it would lose
    all the rows after it.
    """
    raise_for_status("seoul", response, otherwise=ApiFault.DOWN)
    _raise_for_code(response)
    try:
        service = _service(response.content)
        total, count = int(service.get("list_total_count") or 0), len(service.get("row") or [])
    except (ValueError, TypeError, AttributeError):
        raise ApiError(ApiFault.UNREADABLE, "not a response of the plaza", response) from None
    row_range = _RANGE.search(response.request.url or "")
    rows_before = int(row_range.group(1)) - 1 if row_range else 0
    if (rows_before < total and not count) or (rows_before > 0 and total == 0):
        raise ApiError(ApiFault.UNREADABLE, "a page without the rows that it should have", response)


def _raise_for_code(response: Response) -> None:
    """Raise ApiError unless the response, JSON or XML, has the code of data or of no data."""
    start = response.content[:2000].decode("utf-8", "replace").strip()
    match = _CODE.search(start)
    if match is None:
        message = f"not a response of the plaza: {start[:80]!r}"
        raise ApiError(ApiFault.UNREADABLE, message, response)
    code = match.group(1)
    if code in ("INFO-000", NO_DATA):
        return
    reason = _MESSAGE.search(start)
    message = f"code {code} {reason.group(1) if reason else ''}".strip()
    if code in REMEDIES:
        message += f"; {REMEDIES[code]}"
    raise ApiError(FAULTS.get(code, ApiFault.DOWN), message, response)


def _service(body: bytes) -> Row:
    """Return the contents of the envelope, empty if there is no data. Raise ValueError."""
    envelope: Row = orjson.loads(body) if body.lstrip().startswith(b"{") else {}
    service: Row = next(iter(envelope.values()), {})
    return service if isinstance(service, dict) else {}


def _rows(body: bytes) -> list[Row]:
    rows: list[Row] = _service(body).get("row") or []
    return rows


def read_events(body: bytes) -> pa.Table:
    """Return events, whose only id is the code in the address of their page."""
    return text_columns([_event(row) for row in _rows(body)])


def _event(row: Row) -> Row:
    code = _CULT_CODE.search(row.get("HMPG_ADDR") or "")
    latitude, longitude = _point(row, "LAT", "LOT")
    return _without(row, "LAT", "LOT") | {
        "cultcode": code.group(1) if code else None,
        "latitude": latitude,
        "longitude": longitude,
        "PLAYER": _plain(row.get("PLAYER")),
        "PROGRAM": _plain(row.get("PROGRAM")),
        "ETC_DESC": _plain(row.get("ETC_DESC")),
    }


def read_spaces(body: bytes) -> pa.Table:
    """Return cultural spaces, with descriptions as plain text."""
    return text_columns([_space(row) for row in _rows(body)])


def _space(row: Row) -> Row:
    latitude, longitude = _point(row, "X_COORD", "Y_COORD")
    return _without(row, "X_COORD", "Y_COORD") | {
        "latitude": latitude,
        "longitude": longitude,
        "FAC_DESC": _plain(row.get("FAC_DESC")),
        "ETC_DESC": _plain(row.get("ETC_DESC")),
    }


def read_lodgings(body: bytes) -> pa.Table:
    """Return licences. Each authority numbers its own, so the key is the authority and number."""
    return text_columns([_lodging(row) for row in _rows(body)])


def _lodging(row: Row) -> Row:
    authority, licence = (str(row.get(name) or "").strip() for name in ("OPNSFTEAMCODE", "MGTNO"))
    longitude, latitude = _wgs84(row.get("X"), row.get("Y"))
    return _without(row, "X", "Y") | {
        "licence": f"{authority}-{licence}" if authority and licence else None,
        "latitude": latitude,
        "longitude": longitude,
    }


def _without(row: Row, *fields: str) -> Row:
    return {name: value for name, value in row.items() if name not in fields}


def _point(row: Row, *fields: str) -> tuple[str | None, str | None]:
    """Return latitude and longitude, recognised by their ranges.

    Which field contains the latitude has changed over time. Values outside both ranges keep their
    places, so that a text that is not a number is rejected.
    """
    first, second = (str(row.get(field) or "").strip() or None for field in fields)
    swapped = _within(first, 124, 132) or _within(second, 33, 39)
    return (second, first) if swapped else (first, second)


def _within(value: str | None, minimum: float, maximum: float) -> bool:
    try:
        return minimum <= float(value or "") <= maximum
    except ValueError:
        return False


def _wgs84(x: str | None, y: str | None) -> tuple[str | None, str | None]:
    """Return longitude and latitude of a point in EPSG:5174, to about a centimetre.

    A text that is not a number is returned unchanged, so that the row is rejected.
    """
    x, y = (x or "").strip(), (y or "").strip()
    if not (x.strip("0.") and y.strip("0.")):  # blank, or the origin of the grid in the sea
        return None, None
    try:
        longitude, latitude = _transformer().transform(float(x), float(y))
    except ValueError:
        return x, y
    return f"{longitude:.7f}", f"{latitude:.7f}"


@cache
def _transformer() -> Transformer:
    return Transformer.from_crs("EPSG:5174", "EPSG:4326", always_xy=True)


_CUT_TAG = re.compile(r"<[a-z]+[^<>]*$")
_HTML = re.compile(
    r"</?(?:a|b|br|div|font|h\d|img|li|p|span|strong|table|t[dhr]|u|ul)\b[^<>]*>|&#?\w+;"
)


def _plain(value: str | None) -> str | None:
    """Return HTML as its text, and other text unchanged, though titles may have angle brackets.

    A tag that the end of the text cuts off, such as `<html lang=`, is removed.
    """
    complete = _CUT_TAG.sub("", value or "")
    return html_to_text(complete) if _HTML.search(complete) else complete


def _list_request(name: str, **row: str) -> ApiRequest:
    return ApiRequest(f"json/{name}/1/{PAGE_SIZE}/", paginator=RowRangePaginator, row=row)


def _cultural_events(request: ExtractRequest) -> Iterator[ApiRequest]:
    yield _list_request("culturalEventInfo")


def _cultural_spaces(request: ExtractRequest) -> Iterator[ApiRequest]:
    yield _list_request("culturalSpaceInfo")


LODGING_SERVICES = ("LOCALDATA_031103", "LOCALDATA_031104", "LOCALDATA_031101")
"""Lodgings, homestays for foreign tourists, tourist hotels."""


def _lodgings(request: ExtractRequest) -> Iterator[ApiRequest]:
    for service in LODGING_SERVICES:
        yield _list_request(service, service=service)


DATE, MIDNIGHT = "%Y-%m-%d", "%Y-%m-%d 00:00:00.0"

SOURCE = Source(
    name="seoul",
    base_url="http://openapi.seoul.go.kr:8088",
    key_url="https://data.seoul.go.kr",
    extension="json",
    daily_allowance=1000,
    authenticate=authenticate,
    check_response=check_response,
    operation=lambda path: path.split("/")[1],
    options={},
    tables=(
        Table(
            name="cultural_events",
            primary_key=("event_code",),
            columns=(
                code_("event_code", "cultcode"),
                text("title", "TITLE"),
                text("genre", "CODENAME"),
                text("district_name", "GUNAME"),
                text("place", "PLACE"),
                text("organizer", "ORG_NAME"),
                long_text("audience", "USE_TRGT"),
                long_text("fee_text", "USE_FEE"),
                text("fee_kind", "IS_FREE"),
                optional(long_text("inquiry", "INQUIRY")),  # since 2026
                optional(long_text("time_text", "PRO_TIME")),  # since 2026
                long_text("players", "PLAYER"),
                long_text("program", "PROGRAM"),
                long_text("remarks", "ETC_DESC"),
                url("website_url", "ORG_LINK"),
                url("page_url", "HMPG_ADDR"),
                url("image_url", "MAIN_IMG"),
                text("ticket_kind", "TICKET"),
                text("theme", "THEMECODE"),
                date_("starts_on", "STRTDATE", MIDNIGHT),
                date_("ends_on", "END_DATE", MIDNIGHT),
                date_("registered_on", "RGSTDATE", DATE),
                number("latitude", "latitude"),
                number("longitude", "longitude"),
            ),
            ignored_fields=frozenset({"DATE"}),  # the first and the last day in one text
            requests=_cultural_events,
            read=read_events,
        ),
        Table(
            name="cultural_spaces",
            primary_key=("space_no",),
            columns=(
                code_("space_no", "NUM"),
                text("space_name", "FAC_NAME"),
                text("space_kind", "SUBJCODE"),
                text("address", "ADDR"),
                text("phone", "PHNE"),
                url("website_url", "HOMEPAGE"),
                text("opening_hours", "OPENHOUR"),
                text("closed_days", "CLOSEDAY"),
                text("opened_text", "OPEN_DAY"),
                text("fee_kind", "ENTRFREE"),
                long_text("fee_text", "ENTR_FEE"),
                text("seats_text", "SEAT_CNT"),
                long_text("description", "FAC_DESC"),
                long_text("remarks", "ETC_DESC"),
                url("image_url", "MAIN_IMG"),
                long_text("subway", "SUBWAY"),
                number("latitude", "latitude"),
                number("longitude", "longitude"),
            ),
            ignored_fields=frozenset(
                {"FAX", "BUSSTOP", "YELLOW", "GREEN", "BLUE", "RED", "AIRPORT"}
            ),
            requests=_cultural_spaces,
            read=read_spaces,
        ),
        Table(
            name="lodgings",
            primary_key=("licence_no",),
            columns=(
                text("licence_no", "licence", 64),
                text("service", "service"),
                code_("authority_code", "OPNSFTEAMCODE"),
                text("name", "BPLCNM"),
                text("name_en", "ENGSTNTRNMNM"),
                text("trade_name_en", "ENGSTNTRNMADDR"),
                text("business_kind", "UPTAENM"),
                code_("trading_state", "TRDSTATEGBN"),
                text("trading_state_name", "TRDSTATENM"),
                code_("detailed_state", "DTLSTATEGBN"),
                text("detailed_state_name", "DTLSTATENM"),
                date_("licensed_on", "APVPERMYMD", DATE),
                date_("closed_on", "DCBYMD", DATE),
                text("phone", "SITETEL"),
                text("lot_address", "SITEWHLADDR"),
                code_("lot_zip_code", "SITEPOSTNO", 10),
                text("road_address", "RDNWHLADDR"),
                code_("road_zip_code", "RDNPOSTNO", 10),
                integer("room_count", "ROOMCNT"),
                timestamp("modified_at", "LASTMODTS", "%Y-%m-%d %H:%M:%S"),
                number("latitude", "latitude"),
                number("longitude", "longitude"),
            ),
            ignored_fields=frozenset({"MGTNO"}),  # a part of the licence
            requests=_lodgings,
            read=read_lodgings,
        ),
    ),
)
