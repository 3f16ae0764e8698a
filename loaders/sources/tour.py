"""TourAPI 4.0 of the Korea Tourism Organization: sights, festivals and stays.

Documentation: data.go.kr 15101753 (EngService2) and 15101578 (KorService2). There is one service
per language, each with its own content ids, so every key begins with the language. Places are
selected by `lDongRegnCd`: the deprecated `areaCode` silently loses rows.

Each place costs up to three calls: `detailCommon2` for its text, `detailIntro2` for its opening
hours and the like, and `detailImage2` for its further images. Each of them has its own allowance,
which goes to the places of the website first, and of these to the newest.

Staged and not on the website: the legacy codes, which newer rows lack; the map level, which is the
zoom of the source's own map; the state and the type of a festival, mostly blank; the name at a
phone number, which the contact of an introduction has. For fields that are not staged, see
`INTRO_FIELDS`.
"""

import re
from collections.abc import Iterator
from html import unescape

import pyarrow as pa
import pyarrow.compute as pc
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
    Row,
    Source,
    Table,
    code_,
    date_,
    html_to_text,
    integer,
    key_in_query,
    long_text,
    number,
    optional,
    region_code,
    text,
    text_columns,
    timestamp,
    url,
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
    """Request all festivals, since the list is cut by their first day and some run for years."""
    for language in request.options["languages"]:
        yield _list_request(
            language,
            "searchFestival2",
            {**_region(request), "arrange": "A", "eventStartDate": "19000101"},
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


def _place_intros(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the fields that depend on the content type, which the key ends with."""
    for key in request.keys:
        language, content_id, content_type = key.partition("@")[0].split("/")
        yield ApiRequest(
            path=f"{SERVICES[language]}/detailIntro2",
            params={**COMMON_PARAMS, "contentId": content_id, "contentTypeId": content_type},
            row={"language": language, "contentid": content_id, "contenttypeid": content_type},
            key=key,
        )


def _images(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the images of places, all on one page."""
    for key in request.keys:
        language, _, rest = key.partition("/")
        content_id = rest.partition("@")[0]
        yield ApiRequest(
            path=f"{SERVICES[language]}/detailImage2",
            params={
                **COMMON_PARAMS,
                "contentId": content_id,
                "imageYN": "Y",  # images of the place, not of a restaurant's menu
                "numOfRows": str(PAGE_SIZE),
            },
            paginator=TotalCountPaginator,
            row={"language": language, "contentid": content_id},
            key=key,
        )


SEOUL = "11"
MEDICAL = "^EX0508"
"""Category codes of medical tourism, which the website does not show."""


def most_used_first(rows: pa.Table) -> pa.Table:
    """Return places in the order of their use: those of the website, and of these the newest."""
    is_seen = pc.and_(
        pc.equal(pc.fill_null(rows["region"], ""), SEOUL),
        pc.invert(pc.match_substring_regex(pc.fill_null(rows["category_code"], ""), MEDICAL)),
    )
    ranked = rows.append_column("is_seen", is_seen)
    order = [("is_seen", "descending"), ("modified_at", "descending"), ("content_id", "ascending")]
    return ranked.sort_by(order).drop_columns("is_seen")


def _with_image(rows: pa.Table) -> pa.Table:
    """Return the places that the list has an image of, in the order of their use.

    A place without one has no further images either.
    """
    return most_used_first(rows.filter(pc.is_valid(rows["image_url"])))


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


def read_intros(body: bytes) -> pa.Table:
    """Return the fields of `INTRO_FIELDS` under one name for all content types, as plain text.

    Several fields become the lines of one text. A name whose fields the response lacks, although
    they belong to the content type, is left out, so that it is reported. A place without an
    introduction has one row without texts.
    """
    return text_columns([_intro(row) for row in items(body) or [{}]])


def _intro(row: Row) -> Row:
    content_type = KOREAN_TYPES.get(str(row.get("contenttypeid")), str(row.get("contenttypeid")))
    rest = {name: value for name, value in row.items() if name not in KNOWN_INTRO_FIELDS}
    intro: Row = {"contentid": "", "contenttypeid": "", **rest}
    for name, by_type in INTRO_FIELDS.items():
        fields = by_type.get(content_type, ())
        present = [field for field in fields if field in row]
        if present or not fields:
            intro[name] = _lines(row, present)
    if "homepage" in intro:
        intro["homepage"] = first_url(str(row.get("eventhomepage") or ""))
    if "booking_url" in intro:
        intro["booking_url"] = first_url(str(row.get("reservationurl") or ""))
    return intro


def _lines(row: Row, fields: list[str]) -> str:
    """Return the texts of some fields, each once, as lines."""
    texts = [html_to_text(str(row[field] or "")) for field in fields]
    return "\n".join(dict.fromkeys(filter(None, texts)))


def read_images(body: bytes) -> pa.Table:
    """Return images. A place without further images has one row with the number `NO_IMAGE`.

    So its earlier images, which it has no more, do not remain the newest ones.
    """
    return text_columns(items(body) or [dict.fromkeys(IMAGE_FIELDS, "") | {"serialnum": NO_IMAGE}])


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

KOREAN_TYPES = {
    "76": "12",  # attraction
    "78": "14",  # culture
    "85": "15",  # festival or event
    "75": "28",  # leisure sports
    "80": "32",  # lodging
    "79": "38",  # shopping
    "82": "39",  # food
}
"""Content types of the foreign services, and those of the Korean one. 25, a travel course, is in
the Korean service only, and 77, transport, in the foreign ones."""
INTRO_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "hours": {
        "12": ("useseason", "usetime"),
        "14": ("usetimeculture",),
        "15": ("playtime",),
        "28": ("openperiod", "usetimeleports"),
        "38": ("opentime", "fairday"),
        "39": ("opentimefood",),
        "77": ("operationtimetraffic",),
    },
    "closed": {
        "12": ("restdate",),
        "14": ("restdateculture",),
        "28": ("restdateleports",),
        "38": ("restdateshopping",),
        "39": ("restdatefood",),
    },
    "fee": {
        "14": ("usefee",),
        "15": ("usetimefestival",),  # its name says hours, its text a fee
        "28": ("usefeeleports",),
    },
    "discount": {
        "14": ("discountinfo",),
        "15": ("discountinfofestival",),
        "39": ("discountinfofood",),
    },
    "parking": {
        "12": ("parking",),
        "14": ("parkingculture", "parkingfee"),
        "28": ("parkingleports", "parkingfeeleports"),
        "32": ("parkinglodging",),
        "38": ("parkingshopping",),
        "39": ("parkingfood",),
        "77": ("parkingtraffic",),
    },
    "contact": {
        "12": ("infocenter",),
        "14": ("infocenterculture",),
        "15": ("sponsor1tel", "sponsor2tel"),
        "25": ("infocentertourcourse",),
        "28": ("infocenterleports",),
        "32": ("infocenterlodging",),
        "38": ("infocentershopping",),
        "39": ("infocenterfood",),
        "77": ("infocentertraffic",),
    },
    "booking": {
        "15": ("bookingplace",),
        "28": ("reservation",),
        "32": ("reservationlodging",),
        "39": ("reservationfood",),
    },
    "booking_url": {"32": ("reservationurl",)},
    "check_in": {"32": ("checkintime",)},
    "check_out": {"32": ("checkouttime",)},
    "rooms": {"32": ("roomcount", "roomtype")},
    "facilities": {"32": ("subfacility", "foodplace")},
    "event_place": {"15": ("eventplace", "placeinfo")},
    "programme": {"12": ("expguide",), "15": ("program", "subevent"), "25": ("schedule",)},
    "offers": {"38": ("saleitem", "saleitemcost"), "39": ("firstmenu", "treatmenu")},
    "visit_length": {
        "14": ("spendtime",),
        "15": ("spendtimefestival",),
        "25": ("taketime", "distance"),
    },
    "age_limit": {
        "12": ("expagerange",),
        "15": ("agelimit",),
        "28": ("expagerangeleports",),
    },
    "organizer": {"15": ("sponsor1", "sponsor2")},
    "homepage": {"15": ("eventhomepage",)},
}
"""The fields of `detailIntro2` by content type of the Korean service, under the name of a column.

Sizes, capacities, opening dates, marks and flags (`UNUSED_INTRO_FIELDS`) are not used: no page of
the website shows them, and the dates of a festival come from its list.
"""
KNOWN_INTRO_FIELDS = frozenset(
    field for by_type in INTRO_FIELDS.values() for fields in by_type.values() for field in fields
)
UNUSED_INTRO_FIELDS = frozenset(
    (
        # Size, capacity, age and rank.
        *("accomcount", "accomcountculture", "accomcountleports", "accomcountlodging"),
        *("scale", "scalefood", "scaleleports", "scalelodging", "scaleshopping", "seat"),
        *("opendate", "opendatefood", "opendateshopping", "lcnsno", "theme"),
        *("heritage1", "heritage2", "heritage3", "benikia", "goodstay", "hanok", "festivalgrade"),
        # The list has the dates and the state of a festival.
        *("eventstartdate", "eventenddate", "progresstype", "festivaltype"),
        # Services: mostly flags without a word on the terms.
        *("chkbabycarriage", "chkbabycarriageculture", "chkbabycarriageleports"),
        *("chkbabycarriageshopping", "chkcreditcard", "chkcreditcardculture"),
        *("chkcreditcardfood", "chkcreditcardleports", "chkcreditcardshopping"),
        *("chkcreditcardtraffic", "chkpet", "chkpetculture", "chkpetleports", "chkpetshopping"),
        *("chkcooking", "pickup", "refundregulation", "barbecue", "beauty", "beverage", "bicycle"),
        *("campfire", "fitness", "karaoke", "publicbath", "publicpc", "sauna", "seminar"),
        *("sports", "packing", "smoking", "kidsfacility", "culturecenter", "restroom"),
        *("shopguide", "conven", "disablefacility", "foreignerinfocenter", "mainroute"),
        *("restroomtraffic", "shipinfo"),
    )
)
IMAGE_FIELDS = ("contentid", "originimgurl", "imgname", "smallimageurl", "cpyrhtDivCd", "serialnum")
NO_IMAGE = "none"

PLACE_COLUMNS = (
    code_("language", "language", 10),
    code_("content_id", "contentid"),
    code_("content_type_id", "contenttypeid"),
    text("title", "title"),
    text("address", "addr1"),
    text("address_detail", "addr2"),
    code_("zip_code", "zipcode"),
    code_("region", "lDongRegnCd", 10),
    code_("district", "lDongSignguCd", 10),
    code_("class_code", "lclsSystm1"),
    code_("group_code", "lclsSystm2"),
    code_("category_code", "lclsSystm3"),
    code_("legacy_area", "areacode", 10),
    code_("legacy_district", "sigungucode", 10),
    code_("legacy_class", "cat1"),
    code_("legacy_group", "cat2"),
    code_("legacy_category", "cat3"),
    number("longitude", "mapx"),
    number("latitude", "mapy"),
    integer("map_level", "mlevel"),
    url("image_url", "firstimage"),
    url("thumbnail_url", "firstimage2"),
    code_("copyright_type", "cpyrhtDivCd"),
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
    key_url="https://www.data.go.kr",
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
    },
    tables=(
        Table(
            name="districts",
            primary_key=("region", "district"),
            columns=(
                code_("region", "lDongRegnCd", 10),
                text("region_name", "lDongRegnNm"),
                code_("district", "lDongSignguCd", 10),
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
                code_("language", "language", 10),
                code_("category_code", "lclsSystm3Cd"),
                text("category_name", "lclsSystm3Nm"),
                code_("group_code", "lclsSystm2Cd"),
                text("group_name", "lclsSystm2Nm"),
                code_("class_code", "lclsSystm1Cd"),
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
                code_("language", "language", 10),
                code_("content_id", "contentid"),
                text("title", "title"),
                long_text("overview", "overview"),
                long_text("homepage_url", "homepage"),
                text("phone", "tel"),
                text("phone_name", "telname"),
                timestamp("modified_at", "modifiedtime", "%Y%m%d%H%M%S"),
            ),
            ignored_fields=PLACE_FIELDS,
            requests=_place_details,
            read=_read_details,
            details_of="places",
            wanted=most_used_first,
            answers_past=True,
        ),
        Table(
            name="place_intros",
            primary_key=CONTENT_KEY,
            columns=(
                code_("language", "language", 10),
                code_("content_id", "contentid"),
                code_("content_type_id", "contenttypeid"),
                long_text("opening_hours", "hours"),
                long_text("closed_days", "closed"),
                long_text("fee", "fee"),
                long_text("discount", "discount"),
                long_text("parking", "parking"),
                long_text("contact", "contact"),
                long_text("reservation", "booking"),
                long_text("reservation_url", "booking_url"),
                long_text("check_in", "check_in"),
                long_text("check_out", "check_out"),
                long_text("rooms", "rooms"),
                long_text("facilities", "facilities"),
                long_text("event_place", "event_place"),
                long_text("programme", "programme"),
                long_text("offers", "offers"),
                long_text("visit_length", "visit_length"),
                long_text("age_limit", "age_limit"),
                long_text("organizer", "organizer"),
                long_text("homepage_url", "homepage"),
            ),
            ignored_fields=UNUSED_INTRO_FIELDS,
            requests=_place_intros,
            read=read_intros,
            details_of="places",
            details_key=(*CONTENT_KEY, "content_type_id"),
            wanted=most_used_first,
            answers_past=True,
        ),
        Table(
            name="images",
            primary_key=(*CONTENT_KEY, "serial"),
            columns=(
                code_("language", "language", 10),
                code_("content_id", "contentid"),
                text("serial", "serialnum", 100),
                url("image_url", "originimgurl"),
                url("thumbnail_url", "smallimageurl"),
                text("image_name", "imgname"),
                code_("copyright_type", "cpyrhtDivCd"),
            ),
            requests=_images,
            read=read_images,
            details_of="places",
            wanted=_with_image,
            answers_past=True,
            identity=CONTENT_KEY,  # a response replaces all images of a place
        ),
        Table(
            name="removed_places",
            primary_key=CONTENT_KEY,
            columns=(
                code_("language", "language", 10),
                code_("content_id", "contentid"),
                code_("content_type_id", "contenttypeid"),
                text("title", "title"),
                optional(code_("old_content_id", "oldContentid")),  # foreign services only
                timestamp("removed_at", "modifiedtime", "%Y%m%d%H%M%S"),
            ),
            ignored_fields=PLACE_FIELDS | {"showflag"},
            requests=_removed_places,
            read=read_items,
        ),
    ),
)
