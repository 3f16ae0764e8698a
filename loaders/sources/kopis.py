"""KOPIS of the Korea Arts Management Service: performances and their venues.

Documentation: KOPIS Open API guide v5.0 (2026-04-23). XML only. A list has no total count and
does not mark its last page. An error has HTTP 200 and looks like one record. The attribution
"출처: (재)예술경영지원센터 공연예술통합전산망, www.kopis.or.kr" is obligatory.

Staged and not on the website: `companies`, whose names are all in the four columns after it, and
`state`, which follows from the dates.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from itertools import chain

import orjson
import pyarrow as pa
from lxml import etree
from requests import Response

from loaders.sources.source import (
    ApiError,
    ApiFault,
    ApiRequest,
    ExtractRequest,
    FullPagePaginator,
    Option,
    Row,
    Source,
    Table,
    boolean,
    code_,
    date_,
    days,
    integer,
    key_in_query,
    long_text,
    number,
    optional,
    raise_for_status,
    region_code,
    text,
    text_columns,
    timestamp,
    url,
)

PAGE_SIZE = 100
WINDOW_DAYS = 31
NO_DATA = "04"
FAULTS = {
    "01": ApiFault.BAD_REQUEST,
    "02": ApiFault.BAD_KEY,
    "03": ApiFault.DOWN,
    "05": ApiFault.BAD_REQUEST,  # a window of more than 31 days
    "06": ApiFault.BAD_REQUEST,  # more than 100 rows a page
}

NESTED_FIELDS = {
    "relatenm": "name",
    "relateurl": "url",
    "mt13id": "id",
    "prfplcnm": "name",
    "seatscale": "seats",
}
"""Names in JSON of the fields of ticket links and halls."""


def check_response(response: Response) -> None:
    """Raise ApiError unless the response is a `<dbs>` document without an error."""
    # KOPIS occasionally returns 400 for a request that succeeds when it is repeated.
    raise_for_status("kopis", response, otherwise=ApiFault.DOWN)
    try:
        first = _document(response.content).find("db")
    except ValueError as error:
        raise ApiError(ApiFault.UNREADABLE, str(error), response) from None
    code = None if first is None else first.findtext("returncode")
    if first is not None and code is not None and code not in ("00", NO_DATA):
        message = _repair_encoding(first.findtext("errmsg", ""))
        raise ApiError(FAULTS.get(code, ApiFault.DOWN), f"code {code} {message}", response)


def read_records(body: bytes) -> pa.Table:
    """Return the records, with a blank (one space in KOPIS) as an empty text."""
    return text_columns(_records(body))


def _records(body: bytes) -> list[Row]:
    records = [_record(db) for db in _document(body).iterfind("db")]
    return [record for record in records if "returncode" not in record]


def _document(body: bytes) -> etree._Element:
    """Parse a KOPIS document. Raise ValueError."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not XML: {error.msg}") from None
    if root is not None and root.getroottree().docinfo.doctype:
        raise ValueError("it has a document type, which KOPIS's responses never have")
    if root is None or root.tag != "dbs":
        raise ValueError(f"not KOPIS's XML: {body[:60]!r}")
    return root


def _record(db: etree._Element) -> Row:
    return {str(child.tag): _value(child) for child in db if isinstance(child.tag, str)}


def _value(element: etree._Element) -> str:
    """Return the text of an element, or its list as JSON."""
    if len(element) == 0:
        return (element.text or "").strip()
    return orjson.dumps([_item(child) for child in element]).decode()


def _item(element: etree._Element) -> str | dict[str, str]:
    if len(element) == 0:
        return (element.text or "").strip()
    item = {str(child.tag): (child.text or "").strip() for child in element}
    if "seatscale" in item:
        item["seatscale"] = item["seatscale"].replace(",", "")  # only halls have commas
    return {NESTED_FIELDS.get(tag, tag): text for tag, text in item.items()}


def _read_performance_details(body: bytes) -> pa.Table:
    """Return details, without the fraction of a second that some times of update have."""
    return text_columns(
        [{**record, "updatedate": record.get("updatedate", "")[:19]} for record in _records(body)]
    )


def _repair_encoding(message: str) -> str:
    """Return an error message in Korean as it was before UTF-8 was read as Latin-1."""
    try:
        return message.encode("latin-1").decode()
    except UnicodeError:
        return message


def windows(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Split the dates from `first` to `last` into windows of at most 31 days, KOPIS's limit.

    Both ends of a window are included.
    """
    while first <= last:
        end = min(first + timedelta(days=WINDOW_DAYS - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def _list_requests(
    request: ExtractRequest, path: str, params: dict[str, str]
) -> Iterator[ApiRequest]:
    """Request the full list, then only the records that changed since it was last fetched.

    A list does not show when a record changed, so the second request selects by `afterdate`.
    """
    region = request.options["region"]
    paginator = partial(FullPagePaginator, "cpage", PAGE_SIZE)
    params = {**params, "rows": str(PAGE_SIZE), **({"signgucode": region} if region else {})}
    yield ApiRequest(path, params, paginator, {"is_changed": "N"})
    if request.changed_since:
        changed = params | {"afterdate": f"{request.changed_since:%Y%m%d}"}
        yield ApiRequest(path, changed, paginator, {"is_changed": "Y"})


def _performances(request: ExtractRequest) -> list[ApiRequest]:
    first = request.logical_date - timedelta(days=request.options["days_back"])
    last = request.logical_date + timedelta(days=request.options["days_ahead"])
    requests = chain.from_iterable(
        _list_requests(request, "pblprfr", {"stdate": f"{start:%Y%m%d}", "eddate": f"{end:%Y%m%d}"})
        for start, end in windows(first, last)
    )
    # Staging keeps the last row of a performance, so the changed ones come last.
    return sorted(requests, key=lambda request: request.row["is_changed"])


def _venues(request: ExtractRequest) -> Iterator[ApiRequest]:
    return _list_requests(request, "prfplc", {})


def _performance_details(request: ExtractRequest) -> Iterator[ApiRequest]:
    return (ApiRequest(path=f"pblprfr/{key}", key=key) for key in request.keys)


def _venue_details(request: ExtractRequest) -> Iterator[ApiRequest]:
    return (ApiRequest(path=f"prfplc/{key}", key=key) for key in request.keys)


def _operation(path: str) -> str:
    return re.sub(r"/.+$", "/{id}", path)


DATE = "%Y.%m.%d"
PERFORMANCE_COLUMNS = (
    code_("performance_id", "mt20id"),
    text("title", "prfnm"),
    date_("starts_on", "prfpdfrom", DATE),
    date_("ends_on", "prfpdto", DATE),
    text("venue_name", "fcltynm"),
    url("poster_url", "poster"),
    text("area", "area"),
    text("genre", "genrenm"),
    boolean("is_open_run", "openrun"),
    text("state", "prfstate"),
)
VENUE_COLUMNS = (
    code_("venue_id", "mt10id"),
    text("venue_name", "fcltynm"),
    integer("hall_count", "mt13cnt"),
    text("venue_kind", "fcltychartr", 100),
    text("province", "sidonm", 100),
    text("district_name", "gugunnm"),
    integer("opened_year", "opende"),
)

SOURCE = Source(
    name="kopis",
    base_url="https://kopis.or.kr/openApi/restful",
    key_url="https://kopis.or.kr",
    extension="xml",
    daily_allowance=3000,  # the API has a limit but does not publish it
    authenticate=key_in_query("service"),
    check_response=check_response,
    operation=_operation,
    options={
        "region": Option("11", region_code, "expected a two-digit signgucode (11 is Seoul) or all"),
        "days_back": Option("7", days, "expected a number of days from 0 to 3660"),
        "days_ahead": Option("90", days, "expected a number of days from 0 to 3660"),
    },
    tables=(
        Table(
            name="performances",
            primary_key=("performance_id",),
            columns=(*PERFORMANCE_COLUMNS, boolean("is_changed", "is_changed")),
            requests=_performances,
            read=read_records,
            answers_past=True,
        ),
        Table(
            name="performance_details",
            primary_key=("performance_id",),
            columns=(
                *PERFORMANCE_COLUMNS,
                long_text("cast_names", "prfcast"),
                long_text("crew_names", "prfcrew"),
                text("running_time", "prfruntime"),
                text("age_limit", "prfage"),
                long_text("companies", "entrpsnm"),
                long_text("production_company", "entrpsnmP"),
                long_text("agency", "entrpsnmA"),
                long_text("host", "entrpsnmH"),
                long_text("organizer", "entrpsnmS"),
                long_text("price_text", "pcseguidance"),
                long_text("synopsis", "sty"),
                boolean("is_visit", "visit"),
                boolean("is_child", "child"),
                boolean("is_daehakro", "daehakro"),
                boolean("is_festival", "festival"),
                boolean("is_musical_license", "musicallicense"),
                boolean("is_musical_create", "musicalcreate"),
                timestamp("updated_at", "updatedate", "%Y-%m-%d %H:%M:%S"),
                code_("venue_id", "mt10id"),
                optional(code_("hall_id", "mt13id")),  # guide v5.0
                long_text("schedule_text", "dtguidance"),
                optional(long_text("intro_image_urls", "styurls")),
                optional(long_text("ticket_links", "relates")),
            ),
            ignored_fields=frozenset({"frstregdt"}),  # guide v5.0; its form is not documented
            requests=_performance_details,
            read=_read_performance_details,
            details_of="performances",
            answers_past=True,
        ),
        Table(
            name="venues",
            primary_key=("venue_id",),
            columns=(*VENUE_COLUMNS, boolean("is_changed", "is_changed")),
            requests=_venues,
            read=read_records,
        ),
        Table(
            name="venue_details",
            primary_key=("venue_id",),
            columns=(
                *VENUE_COLUMNS,
                integer("seat_count", "seatscale"),
                text("phone", "telno"),
                url("website_url", "relateurl"),
                text("address", "adres"),
                number("latitude", "la"),
                number("longitude", "lo"),
                boolean("has_restaurant", "restaurant"),
                boolean("has_cafe", "cafe"),
                boolean("has_store", "store"),
                boolean("has_playroom", "nolibang"),
                boolean("has_nursing_room", "suyu"),
                boolean("has_accessible_parking", "parkbarrier"),
                boolean("has_accessible_toilet", "restbarrier"),
                boolean("has_ramp", "runwbarrier"),
                boolean("has_accessible_lift", "elevbarrier"),
                boolean("has_parking", "parkinglot"),
                optional(long_text("halls", "mt13s")),
            ),
            requests=_venue_details,
            read=read_records,
            details_of="venues",
        ),
    ),
)
