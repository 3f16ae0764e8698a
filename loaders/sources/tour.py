"""TourAPI 4.0 of the Korea Tourism Organization: sights, festivals and stays.

Documentation: data.go.kr 15101753 (EngService2) and 15101578 (KorService2). There is one service
per language, each with its own content ids, so every key begins with the language. Places are
selected by `lDongRegnCd`: the deprecated `areaCode` silently loses rows.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pyarrow as pa
from pyarrow.json import ReadOptions, read_json

from loaders.sources.data_go_kr import (
    PAGE_SIZE,
    TotalCountPaginator,
    check_gateway_response,
    items,
)
from loaders.sources.source import (
    ApiRequest,
    ExtractRequest,
    Option,
    Source,
    Table,
    date_,
    days,
    html_to_text,
    integer,
    key_in_query,
    number,
    optional,
    region_code,
    text,
    text_columns,
    timestamp,
)

SERVICES = {
    "en": "EngService2",
    "ko": "KorService2",
    "ja": "JpnService2",
    "zh": "ChsService2",
}
COMMON_PARAMS = {"MobileOS": "ETC", "MobileApp": "HelloKorea", "_type": "json"}


def read_items(body: bytes) -> pa.Table:
    """Return the items. No items come as `""`, and a single one may come without a list."""
    try:
        return _read_text_items(body)
    except (pa.ArrowInvalid, pa.ArrowTypeError, AttributeError, KeyError):
        return text_columns(items(body))


def _read_text_items(body: bytes) -> pa.Table:
    """Return a list of items that are all text, the usual case, without a Python object for each.

    Raise one of arrow's errors, AttributeError or KeyError for any other response.
    """
    one_block = ReadOptions(use_threads=False, block_size=len(body) + 1)
    response = read_json(pa.BufferReader(body), read_options=one_block)["response"].chunk(0)
    rows = response.field("body").field("items").field("item").flatten()
    table = pa.Table.from_struct_array(rows)
    if not all(pa.types.is_string(type) or pa.types.is_null(type) for type in table.schema.types):
        raise pa.ArrowTypeError("not all text")
    return table


def _list_request(language: str, operation: str, params: dict[str, str]) -> ApiRequest:
    return ApiRequest(
        path=f"{SERVICES[language]}/{operation}",
        params={**COMMON_PARAMS, "numOfRows": str(PAGE_SIZE), **params},
        paginator=TotalCountPaginator,
        row={"language": language},
    )


def _region(request: ExtractRequest) -> dict[str, str]:
    return {"lDongRegnCd": request.options["region"]} if request.options["region"] else {}


def _districts(request: ExtractRequest) -> Iterator[ApiRequest]:
    first = request.options["languages"][0]
    yield _list_request(first, "ldongCode2", {**_region(request), "lDongListYn": "Y"})


def _categories(request: ExtractRequest) -> Iterator[ApiRequest]:
    for language in request.options["languages"]:
        yield _list_request(language, "lclsSystmCode2", {"lclsSystmListYn": "Y"})


def _places(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request all content types in one list: a list per type would cost a call for each last page.

    The order is by title, which is stable while a run pages. The other orders move rows between
    pages.
    """
    for language in request.options["languages"]:
        yield _list_request(language, "areaBasedList2", {**_region(request), "arrange": "A"})


def _festivals(request: ExtractRequest) -> Iterator[ApiRequest]:
    since = request.logical_date - timedelta(days=request.options["festival_days_back"])
    for language in request.options["languages"]:
        yield _list_request(
            language,
            "searchFestival2",
            {**_region(request), "arrange": "A", "eventStartDate": f"{since:%Y%m%d}"},
        )


def _stays(request: ExtractRequest) -> Iterator[ApiRequest]:
    for language in request.options["languages"]:
        yield _list_request(language, "searchStay2", {**_region(request), "arrange": "A"})


def _place_details(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request details. `detailCommon2` refuses any other parameter, such as the older flags."""
    for key in request.keys:
        language, _, rest = key.partition("/")
        content_id = rest.partition("@")[0]
        yield ApiRequest(
            path=f"{SERVICES[language]}/detailCommon2",
            params={**COMMON_PARAMS, "contentId": content_id},
            row={"language": language},
            key=key,
        )


def _removed_places(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the places removed from the lists, in all regions: their district codes are blank.

    The full list is requested each day, about nine pages in Korean. A place that is put back only
    disappears from it, and a place that was removed on a day without a run is still in it.
    """
    for language in request.options["languages"]:
        yield _list_request(language, "areaBasedSyncList2", {"showflag": "0", "arrange": "A"})


def _read_details(body: bytes) -> pa.Table:
    """Return details, with the overview as plain text and the first URL of the homepage."""
    rows = items(body)  # usually one row, for which arrow's JSON reader starts too slowly
    for row in rows:
        row["overview"] = html_to_text(row.get("overview") or "")
        row["homepage"] = first_url(row.get("homepage") or "")
    return text_columns(rows)


def first_url(fragment: str) -> str:
    """Return the target of the first link in an HTML fragment, else the first URL in its text."""
    match = LINK.search(fragment) or URL.search(fragment)
    if match is None:
        return ""
    url = unescape(match.group(1)).strip().rstrip(",.;)")
    return url if "://" in url else f"http://{url.removeprefix('//')}"


LINK = re.compile(
    r"""href\s*=\s*["']?(?!mailto:|tel:|javascript:)([^"'\s>]+\.[^"'\s>]+)""", re.IGNORECASE
)
URL = re.compile(r"((?:https?://|www\.)[^\s<>\"']+)", re.IGNORECASE)

PLACE_COLUMNS = (
    text("language", "language"),
    text("content_id", "contentid"),
    text("content_type_id", "contenttypeid"),
    text("title", "title"),
    text("address", "addr1"),
    text("address_detail", "addr2"),
    text("zip_code", "zipcode"),
    text("region", "lDongRegnCd"),
    text("district", "lDongSignguCd"),
    text("class_code", "lclsSystm1"),
    text("group_code", "lclsSystm2"),
    text("category_code", "lclsSystm3"),
    text("legacy_area", "areacode"),
    text("legacy_district", "sigungucode"),
    text("legacy_class", "cat1"),
    text("legacy_group", "cat2"),
    text("legacy_category", "cat3"),
    number("longitude", "mapx"),
    number("latitude", "mapy"),
    integer("map_level", "mlevel"),
    text("image_url", "firstimage"),
    text("thumbnail_url", "firstimage2"),
    text("copyright_type", "cpyrhtDivCd"),
    text("phone", "tel"),
    timestamp("created_at", "createdtime", "%Y%m%d%H%M%S"),
    timestamp("modified_at", "modifiedtime", "%Y%m%d%H%M%S"),
)
CONTENT_KEY = ("language", "content_id")
PLACE_FIELDS = frozenset(column.field for column in PLACE_COLUMNS)


def _languages(value: str) -> tuple[str, ...]:
    languages = tuple(part.strip() for part in value.split(","))
    if not set(languages) <= set(SERVICES) or len(set(languages)) != len(languages):
        raise ValueError(value)
    return languages


SOURCE = Source(
    name="tour",
    base_url="https://apis.data.go.kr/B551011",
    extension="json",
    daily_allowance=1000,
    authenticate=key_in_query("serviceKey"),
    check_response=check_gateway_response,
    operation=lambda path: path,
    options={
        "languages": Option("en,ko", _languages, f"expected some of {', '.join(SERVICES)}"),
        "region": Option(
            "11", region_code, "expected a two-digit lDongRegnCd (11 is Seoul) or all"
        ),
        "festival_days_back": Option("365", days, "expected a number of days from 0 to 3660"),
    },
    tables=(
        Table(
            name="districts",
            primary_key=("region", "district"),
            columns=(
                text("region", "lDongRegnCd"),
                text("region_name", "lDongRegnNm"),
                text("district", "lDongSignguCd"),
                text("district_name", "lDongSignguNm"),
            ),
            ignored_fields=frozenset({"rnum"}),
            requests=_districts,
            read=read_items,
        ),
        Table(
            name="categories",
            primary_key=("language", "category_code"),
            columns=(
                text("language", "language"),
                text("category_code", "lclsSystm3Cd"),
                text("category_name", "lclsSystm3Nm"),
                text("group_code", "lclsSystm2Cd"),
                text("group_name", "lclsSystm2Nm"),
                text("class_code", "lclsSystm1Cd"),
                text("class_name", "lclsSystm1Nm"),
            ),
            ignored_fields=frozenset({"rnum"}),
            requests=_categories,
            read=read_items,
        ),
        Table(
            name="places",
            primary_key=CONTENT_KEY,
            columns=PLACE_COLUMNS,
            requests=_places,
            read=read_items,
            version="modified_at",
        ),
        Table(
            name="festivals",
            primary_key=CONTENT_KEY,
            columns=(
                *PLACE_COLUMNS,
                date_("starts_on", "eventstartdate", "%Y%m%d"),
                date_("ends_on", "eventenddate", "%Y%m%d"),
                optional(text("progress_type", "progresstype")),  # Korean service only
                optional(text("festival_type", "festivaltype")),
            ),
            requests=_festivals,
            read=read_items,
        ),
        Table(
            name="stays",
            primary_key=CONTENT_KEY,
            columns=PLACE_COLUMNS,
            requests=_stays,
            read=read_items,
        ),
        Table(
            name="place_details",
            primary_key=CONTENT_KEY,
            columns=(
                text("language", "language"),
                text("content_id", "contentid"),
                text("title", "title"),
                text("overview", "overview"),
                text("homepage_url", "homepage"),
                text("phone", "tel"),
                text("phone_name", "telname"),
                timestamp("modified_at", "modifiedtime", "%Y%m%d%H%M%S"),
            ),
            ignored_fields=PLACE_FIELDS,
            requests=_place_details,
            read=_read_details,
            details_of="places",
            answers_past=True,
        ),
        Table(
            name="removed_places",
            primary_key=CONTENT_KEY,
            columns=(
                text("language", "language"),
                text("content_id", "contentid"),
                text("content_type_id", "contenttypeid"),
                text("title", "title"),
                optional(text("old_content_id", "oldContentid")),  # foreign services only
                timestamp("removed_at", "modifiedtime", "%Y%m%d%H%M%S"),
            ),
            ignored_fields=PLACE_FIELDS | {"showflag"},
            requests=_removed_places,
            read=read_items,
        ),
    ),
)
