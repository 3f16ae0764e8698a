"""TourAPI 4.0 of the Korea Tourism Organization: sights, festivals and stays.

Documentation: data.go.kr 15101753 (EngService2) and 15101578 (KorService2). One service per
language, each with its own content ids, so every key has the language first. Places are asked by
`lDongRegnCd`: filtering by the deprecated `areaCode` silently loses rows.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pyarrow as pa
from pyarrow.json import ReadOptions, read_json

from loaders.sources.data_go_kr import PAGE_SIZE, TotalCountPaginator, check_pages, items
from loaders.sources.source import (
    ApiRequest,
    ExtractRequest,
    Option,
    Source,
    Table,
    day,
    days,
    integer,
    key_in_query,
    number,
    optional,
    region_code,
    text,
    text_columns,
    text_of_html,
    timestamp,
)

SERVICES = {
    "en": "EngService2",
    "ko": "KorService2",
    "ja": "JpnService2",
    "zh": "ChsService2",
}


def read(body: bytes) -> pa.Table:
    """The items of one answer. No rows come as `""`, and a single row may come without its list."""
    try:
        return _read_texts(body)
    except (pa.ArrowInvalid, pa.ArrowTypeError, AttributeError, KeyError):
        return text_columns(items(body))


def _read_texts(body: bytes) -> pa.Table:
    """The usual answer, a list of items that are all text, without making a Python object of each.

    Raises one of arrow's errors, AttributeError or KeyError for any other.
    """
    whole = ReadOptions(use_threads=False, block_size=len(body) + 1)
    answer = read_json(pa.BufferReader(body), read_options=whole)["response"].chunk(0)
    rows = answer.field("body").field("items").field("item").flatten()
    table = pa.Table.from_struct_array(rows)
    if not all(pa.types.is_string(it) or pa.types.is_null(it) for it in table.schema.types):
        raise pa.ArrowTypeError("not all text")
    return table


COMMON = {"MobileOS": "ETC", "MobileApp": "HelloKorea", "_type": "json"}


def _list_call(language: str, operation: str, params: dict[str, str]) -> ApiRequest:
    return ApiRequest(
        path=f"{SERVICES[language]}/{operation}",
        params={**COMMON, "numOfRows": str(PAGE_SIZE), **params},
        paginator=TotalCountPaginator,
        row={"language": language},
    )


def _region(request: ExtractRequest) -> dict[str, str]:
    return {"lDongRegnCd": request.options["region"]} if request.options["region"] else {}


def _districts(request: ExtractRequest) -> Iterator[ApiRequest]:
    first = request.options["languages"][0]
    yield _list_call(first, "ldongCode2", {**_region(request), "lDongListYn": "Y"})


def _categories(request: ExtractRequest) -> Iterator[ApiRequest]:
    for language in request.options["languages"]:
        yield _list_call(language, "lclsSystmCode2", {"lclsSystmListYn": "Y"})


def _places(request: ExtractRequest) -> Iterator[ApiRequest]:
    """All content types in one list: a list per type would cost a call for each type's last page.

    Sorted by title, which stays put while a run pages; the other orders move rows between pages.
    """
    for language in request.options["languages"]:
        yield _list_call(language, "areaBasedList2", {**_region(request), "arrange": "A"})


def _festivals(request: ExtractRequest) -> Iterator[ApiRequest]:
    since = request.logical_date - timedelta(days=request.options["festival_days_back"])
    for language in request.options["languages"]:
        yield _list_call(
            language,
            "searchFestival2",
            {**_region(request), "arrange": "A", "eventStartDate": f"{since:%Y%m%d}"},
        )


def _stays(request: ExtractRequest) -> Iterator[ApiRequest]:
    for language in request.options["languages"]:
        yield _list_call(language, "searchStay2", {**_region(request), "arrange": "A"})


def _place_details(request: ExtractRequest) -> Iterator[ApiRequest]:
    """`detailCommon2` refuses every parameter but these, the old flags among them."""
    for key in request.keys:
        language, _, rest = key.partition("/")
        content_id = rest.partition("@")[0]
        yield ApiRequest(
            path=f"{SERVICES[language]}/detailCommon2",
            params={**COMMON, "contentId": content_id},
            row={"language": language},
            key=key,
        )


def _removed_places(request: ExtractRequest) -> Iterator[ApiRequest]:
    """What was taken out of the lists, of the whole country: its district codes are blank by then.

    The whole list each day, some nine pages in Korean: a record that is put back leaves it without
    a word, and one that was taken out on a day without a run is not missed.
    """
    for language in request.options["languages"]:
        yield _list_call(language, "areaBasedSyncList2", {"showflag": "0", "arrange": "A"})


def _read_details(body: bytes) -> pa.Table:
    """The overview without its HTML, and of the homepage's HTML the first address."""
    rows = items(body)  # a single one, for which arrow's reader is slow to begin
    for row in rows:
        row["overview"] = text_of_html(row.get("overview") or "")
        row["homepage"] = first_link(row.get("homepage") or "")
    return text_columns(rows)


def first_link(fragment: str) -> str:
    """Where the first link of a piece of HTML leads; of one without, the first address in it."""
    link = LINK.search(fragment) or ADDRESS.search(fragment)
    if link is None:
        return ""
    url = unescape(link.group(1)).strip().rstrip(",.;)")
    return url if "://" in url else f"http://{url.removeprefix('//')}"


LINK = re.compile(
    r"""href\s*=\s*["']?(?!mailto:|tel:|javascript:)([^"'\s>]+\.[^"'\s>]+)""", re.IGNORECASE
)
ADDRESS = re.compile(r"((?:https?://|www\.)[^\s<>\"']+)", re.IGNORECASE)

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
LIST_FIELDS = frozenset(it.field for it in PLACE_COLUMNS)


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
    check_response=check_pages,
    operation=lambda path: path,
    options={
        "languages": Option("en,ko", _languages, f"expected some of {', '.join(SERVICES)}"),
        "region": Option(
            "11", region_code, "expected a two-digit lDongRegnCd (11 is Seoul) or all"
        ),
        "festival_days_back": Option("365", days, "expected whole days from 0 to 3660"),
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
            read=read,
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
            read=read,
        ),
        Table(
            name="places",
            primary_key=CONTENT_KEY,
            columns=PLACE_COLUMNS,
            requests=_places,
            read=read,
            version="modified_at",
        ),
        Table(
            name="festivals",
            primary_key=CONTENT_KEY,
            columns=(
                *PLACE_COLUMNS,
                day("starts_on", "eventstartdate", "%Y%m%d"),
                day("ends_on", "eventenddate", "%Y%m%d"),
                optional(text("progress_type", "progresstype")),  # Korean service only
                optional(text("festival_type", "festivaltype")),
            ),
            requests=_festivals,
            read=read,
        ),
        Table(
            name="stays",
            primary_key=CONTENT_KEY,
            columns=PLACE_COLUMNS,
            requests=_stays,
            read=read,
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
            ignored_fields=LIST_FIELDS,
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
            ignored_fields=LIST_FIELDS | {"showflag"},
            requests=_removed_places,
            read=read,
        ),
    ),
)
