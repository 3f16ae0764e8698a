"""The sample API over real HTTP: wire formats, quirks and errors of TourAPI and KOPIS."""

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from support.project import ENOUGH_SECONDS

from loaders.sample_api import RecordingError, SampleApi
from loaders.sample_api.kopis_rows import GENRES
from loaders.sources import SOURCES

ROOT = Path(__file__).parents[1]
RECORDINGS = Path(os.environ.get("RECORDINGS", ROOT.parent / "shared" / "recordings"))
TODAY = date(2026, 11, 22)
HTTP = requests.Session()

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS} (set RECORDINGS)"
)

Fields = dict[str, Any]


@pytest.fixture(scope="module")
def shared_api() -> Iterator[SampleApi]:
    with SampleApi(today=TODAY) as api:
        yield api


@pytest.fixture
def api(shared_api: SampleApi) -> Iterator[SampleApi]:
    shared_api.calls.clear()
    yield shared_api
    shared_api.clear_faults()


@pytest.fixture(scope="module")
def recorded() -> Iterator[SampleApi]:
    with SampleApi(recordings=RECORDINGS, today=TODAY) as api:
        yield api


def tour(api: SampleApi, operation: str, **params: Any) -> requests.Response:
    """Call TourAPI with the parameters that every call needs. None omits a parameter."""
    common = {"serviceKey": "sample", "MobileOS": "ETC", "MobileApp": "Test", "_type": "json"}
    return HTTP.get(
        f"{api.url}/tour/{operation}", params={**common, **params}, timeout=ENOUGH_SECONDS
    )


def body(response: requests.Response) -> dict[str, Any]:
    content: dict[str, Any] = response.json()["response"]["body"]
    return content


def items(api: SampleApi, operation: str, **params: Any) -> list[Fields]:
    """Return all rows of a TourAPI operation."""
    content = body(tour(api, operation, numOfRows=5000, **params))
    rows: list[Fields] = content["items"]["item"] if content["items"] else []
    return rows


def kopis(api: SampleApi, path: str, **params: Any) -> requests.Response:
    url = f"{api.url}/kopis/{path}"
    return HTTP.get(url, params={"service": "sample", **params}, timeout=ENOUGH_SECONDS)


def records(response: requests.Response) -> list[Fields]:
    root = ElementTree.fromstring(response.content)
    assert root.tag == "dbs"
    return [{child.tag: child.text or "" for child in db} for db in root]


def paged(api: SampleApi, path: str, **params: Any) -> list[Fields]:
    """Return all records of a list. Its last page is the first that is not full."""
    fetched: list[Fields] = []
    for page in range(1, 100):
        rows = records(kopis(api, path, **params, cpage=page, rows=100))
        fetched += rows
        if len(rows) < 100:
            return fetched
    raise AssertionError("the list has no last page")


def performances_between(
    api: SampleApi, first: date, last: date, **params: Any
) -> dict[str, Fields]:
    """Return the performances between two dates by id, fetched in windows of 31 days."""
    performances: dict[str, Fields] = {}
    while first <= last:
        end = min(first + timedelta(days=30), last)
        window = {"stdate": f"{first:%Y%m%d}", "eddate": f"{end:%Y%m%d}"}
        performances |= {row["mt20id"]: row for row in paged(api, "pblprfr", **window, **params)}
        first = end + timedelta(days=1)
    return performances


WINDOW = {"stdate": "20261122", "eddate": "20261222", "cpage": 1, "rows": 10}


# TourAPI: the envelope and paging


def test_pages_add_up_to_the_total(api: SampleApi) -> None:
    pages = [
        body(tour(api, "KorService2/areaBasedList2", numOfRows=100, pageNo=number))
        for number in range(1, 7)
    ]
    total = pages[0]["totalCount"]
    ids = [item["contentid"] for page in pages if page["items"] for item in page["items"]["item"]]
    assert len(ids) == len(set(ids)) == total


def test_num_of_rows_echoes_the_rows_returned(api: SampleApi) -> None:
    total = body(tour(api, "KorService2/searchStay2"))["totalCount"]
    last_page = body(tour(api, "KorService2/searchStay2", numOfRows=total - 1, pageNo=2))
    assert (last_page["numOfRows"], last_page["pageNo"], last_page["totalCount"]) == (1, 2, total)
    assert isinstance(last_page["items"]["item"], list)


def test_items_is_an_empty_string_past_the_last_page(api: SampleApi) -> None:
    page = body(tour(api, "KorService2/searchStay2", numOfRows=100, pageNo=9))
    assert (page["items"], page["numOfRows"]) == ("", 0)


def test_an_unknown_area_returns_an_ordinary_empty_page(api: SampleApi) -> None:
    response = tour(api, "KorService2/areaBasedList2", areaCode=999)
    assert response.json()["response"]["header"]["resultCode"] == "0000"
    assert body(response) == {"items": "", "numOfRows": 0, "pageNo": 1, "totalCount": 0}


def test_a_page_has_ten_rows_by_default(api: SampleApi) -> None:
    assert body(tour(api, "EngService2/areaBasedList2"))["numOfRows"] == 10


def test_the_response_is_xml_without_type_json(api: SampleApi) -> None:
    response = tour(api, "KorService2/areaBasedList2", _type=None, numOfRows=3)
    root = ElementTree.fromstring(response.content)
    assert root.findtext("header/resultCode") == "0000"
    assert len(root.findall("body/items/item")) == 3


def test_list_rows_have_the_wire_fields_as_strings(api: SampleApi) -> None:
    (row, *_) = items(api, "KorService2/areaBasedList2")
    assert " ".join(row) == (
        "addr1 addr2 areacode cat1 cat2 cat3 contentid contenttypeid createdtime firstimage "
        "firstimage2 cpyrhtDivCd mapx mapy mlevel modifiedtime sigungucode tel title zipcode "
        "lDongRegnCd lDongSignguCd lclsSystm1 lclsSystm2 lclsSystm3"
    )
    assert all(isinstance(value, str) for value in row.values())


def test_arrange_sorts_and_does_not_filter(api: SampleApi) -> None:
    by_title = items(api, "KorService2/areaBasedList2", arrange="A")
    by_change = items(api, "KorService2/areaBasedList2", arrange="C")
    images_first = items(api, "KorService2/areaBasedList2", arrange="O")
    assert by_title == sorted(by_title, key=lambda row: row["title"])
    changes = [row["modifiedtime"] for row in by_change]
    assert changes == sorted(changes, reverse=True)
    blanks = [row["firstimage"] == "" for row in images_first]
    assert blanks == sorted(blanks)
    assert len(by_title) == len(by_change) == len(images_first)


# TourAPI: refusals


@pytest.mark.parametrize(
    ("operation", "params", "refused"),
    [
        ("areaBasedList2", {"arrangeType": "A"}, "arrangeType"),
        ("areaBasedList2", {"arrange": "Z"}, "arrange"),
        ("areaBasedList2", {"numOfRows": "many"}, "numOfRows"),
        ("areaBasedList2", {"pageNo": 0}, "pageNo"),
        ("areaBasedList2", {"modifiedtime": "2026-01-01"}, "modifiedtime"),
        ("areaBasedList2", {"lDongSignguCd": 110}, "lDongSignguCd"),
        ("areaBasedList2", {"sigunguCode": 23}, "sigunguCode"),
        ("areaBasedList2", {"lclsSystm1": "VE", "lclsSystm3": "VE070100"}, "lclsSystm3"),
        ("searchStay2", {"contentTypeId": 32}, "contentTypeId"),
        ("searchFestival2", {"eventStartDate": "soon"}, "eventStartDate"),
        ("detailCommon2", {"contentId": 1, "contentTypeId": 12}, "contentTypeId"),
        ("detailCommon2", {"contentId": 1, "overviewYN": "Y"}, "overviewYN"),
        ("detailImage2", {"contentId": 1, "subImageYN": "Y"}, "subImageYN"),
        ("detailImage2", {"contentId": 1, "imageYN": "yes"}, "imageYN"),
        ("areaBasedList2", {"syncType": "x"}, "syncType"),
    ],
)
def test_a_bad_parameter_returns_200_with_a_flat_error(
    api: SampleApi, operation: str, params: dict[str, Any], refused: str
) -> None:
    response = tour(api, f"KorService2/{operation}", **params)
    assert response.status_code == 200
    assert set(response.json()) == {"responseTime", "resultCode", "resultMsg"}
    assert response.json()["resultCode"] == "10"
    assert response.json()["resultMsg"] == f"INVALID_REQUEST_PARAMETER_ERROR({refused})"


@pytest.mark.parametrize(
    ("operation", "params", "missing"),
    [
        ("areaBasedList2", {"MobileOS": None}, "MobileOS"),
        ("areaBasedList2", {"MobileApp": ""}, "MobileApp"),
        ("searchFestival2", {}, "eventStartDate"),
        ("detailCommon2", {}, "contentId"),
        ("detailIntro2", {"contentId": 1}, "contentTypeId"),
        ("detailImage2", {}, "contentId"),
    ],
)
def test_a_missing_parameter_returns_200_with_a_flat_error(
    api: SampleApi, operation: str, params: dict[str, Any], missing: str
) -> None:
    response = tour(api, f"EngService2/{operation}", **params)
    assert response.status_code == 200
    assert response.json()["resultCode"] == "11"
    assert response.json()["resultMsg"] == f"NO_MANDATORY_REQUEST_PARAMETERS_ERROR1({missing})"


def reason(response: requests.Response) -> tuple[int, str]:
    header = response.json()["OpenAPI_ServiceResponse"]["cmmMsgHeader"]
    return response.status_code, header["returnReasonCode"]


@pytest.mark.parametrize("key", ["wrong", "", None])
def test_a_wrong_key_returns_403_with_code_30(api: SampleApi, key: str | None) -> None:
    assert reason(tour(api, "EngService2/areaBasedList2", serviceKey=key)) == (403, "30")


def test_a_language_without_a_grant_returns_403_with_code_30(api: SampleApi) -> None:
    assert reason(tour(api, "ChtService2/areaBasedList2")) == (403, "30")


@pytest.mark.parametrize("service", ["EngService1", "KorService1", "EngService"])
def test_a_retired_service_returns_400_with_code_12(api: SampleApi, service: str) -> None:
    assert reason(tour(api, f"{service}/areaBasedList1")) == (400, "12")


def test_an_unknown_operation_returns_404_in_plain_text(api: SampleApi) -> None:
    response = tour(api, "EngService2/areaBasedList9")
    assert (response.status_code, response.text) == (404, "API not found")


def test_the_gateway_returns_429_in_plain_text_past_the_allowance() -> None:
    with SampleApi(today=TODAY, allowance=2) as limited:
        statuses = [tour(limited, "EngService2/searchStay2").status_code for _ in range(3)]
        spent = tour(limited, "EngService2/searchStay2")
        assert statuses == [200, 200, 429]
        assert spent.text == "API token quota exceeded"
        assert tour(limited, "KorService2/searchStay2").status_code == 200
        assert reason(tour(limited, "EngService2/searchStay2", serviceKey="x")) == (403, "30")


def test_an_injected_quota_error_begins_after_the_given_number_of_calls(api: SampleApi) -> None:
    api.fail("KorService2/searchStay2", error="quota", after=2)
    statuses = [tour(api, "KorService2/searchStay2").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]


def test_the_legacy_gateway_returns_200_with_xml_although_json_is_requested(api: SampleApi) -> None:
    api.fail("EngService2/*", error="legacy_quota")
    response = tour(api, "EngService2/areaBasedList2")
    header = ElementTree.fromstring(response.content)[0]
    assert response.status_code == 200
    assert header.findtext("returnReasonCode") == "22"
    assert header.findtext("errMsg") == "SERVICE ERROR"


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        ("rate_limit", 429, "API rate limit exceeded"),
        ("forwarding", 502, "Error forwarding request to backend server"),
        ("receiving", 502, "Error receiving response from backend server"),
        ("unexpected", 500, "Unexpected error"),
        ("quota_envelope_200", 200, '"returnReasonCode":"22"'),
        ("quota_envelope_403", 403, '"returnReasonCode":"22"'),
        ("database", 200, '"resultCode":"0002"'),
        ("no_data", 200, '"resultCode":"0003"'),
    ],
)
def test_each_documented_gateway_error_can_be_injected(
    api: SampleApi, error: str, status: int, text: str
) -> None:
    api.fail("KorService2/searchStay2", error=error)
    response = tour(api, "KorService2/searchStay2")
    assert response.status_code == status
    assert text in response.text


# TourAPI: rows


def test_legacy_codes_are_blank_in_about_half_of_the_rows(api: SampleApi) -> None:
    for service in ("KorService2", "EngService2"):
        rows = items(api, f"{service}/areaBasedList2", lDongRegnCd=11)
        blank = [row for row in rows if row["areacode"] == ""]
        assert 0.35 < len(blank) / len(rows) < 0.6
        assert all(row["sigungucode"] == row["cat1"] == row["cat3"] == "" for row in blank)
        with_code = items(api, f"{service}/areaBasedList2", areaCode=1)
        assert len(with_code) == len(rows) - len(blank)


def test_every_district_has_places_and_each_content_type_has_rows(api: SampleApi) -> None:
    korean = items(api, "KorService2/areaBasedList2")
    english = items(api, "EngService2/areaBasedList2")
    assert 280 <= sum(row["contenttypeid"] not in ("15", "32") for row in korean) <= 330
    assert 240 <= sum(row["contenttypeid"] not in ("85", "80") for row in english) <= 330
    for rows, stay in ((korean, "32"), (english, "80")):
        assert len({row["lDongSignguCd"] for row in rows}) == 25
        assert 60 <= sum(row["contenttypeid"] == stay for row in rows) <= 90
    assert {row["contenttypeid"] for row in korean} == {"12", "14", "15", "28", "32", "38", "39"}
    assert {row["contenttypeid"] for row in english} == {"76", "78", "85", "75", "80", "79", "82"}
    for rows in (korean, english):
        assert len({row["contentid"] for row in rows}) == len(rows)


def test_korean_content_types_have_no_rows_in_english(api: SampleApi) -> None:
    assert items(api, "EngService2/areaBasedList2", contentTypeId=12) == []
    assert len(items(api, "EngService2/areaBasedList2", contentTypeId=76)) > 100


def test_an_english_content_id_is_unknown_to_the_korean_service(api: SampleApi) -> None:
    (row, *_) = items(api, "EngService2/areaBasedList2")
    assert len(items(api, "EngService2/detailCommon2", contentId=row["contentid"])) == 1
    assert items(api, "KorService2/detailCommon2", contentId=row["contentid"]) == []


def test_an_english_place_has_the_korean_name_and_lies_within_100_metres(
    api: SampleApi,
) -> None:
    korean = {row["title"]: row for row in items(api, "KorService2/areaBasedList2")}
    english = items(api, "EngService2/areaBasedList2")
    korean_names = [(row, row["title"].rpartition(" (")[2].removesuffix(")")) for row in english]
    paired = [(row, korean[name]) for row, name in korean_names if name in korean]
    unpaired = [row for row, name in korean_names if name not in korean]
    assert len(paired) > 300
    assert unpaired
    assert len(korean) > len(paired)
    assert all(metres_apart(row, counterpart) < 100 for row, counterpart in paired)


def metres_apart(a: Fields, b: Fields) -> float:
    north = (float(a["mapy"]) - float(b["mapy"])) * 111_000
    east = (float(a["mapx"]) - float(b["mapx"])) * 111_000 * math.cos(math.radians(37.55))
    return math.hypot(north, east)


def test_a_few_coordinates_lie_outside_korea(api: SampleApi) -> None:
    rows = items(api, "KorService2/areaBasedList2")
    outside = [row for row in rows if not 33 < float(row["mapy"]) < 39]
    assert 1 <= len(outside) <= 5


def test_the_category_of_every_row_is_in_the_tree_of_its_language(api: SampleApi) -> None:
    for service, name in (("KorService2", "숙박"), ("EngService2", "Accommodation")):
        tree = items(api, f"{service}/lclsSystmCode2", lclsSystmListYn="Y")
        codes = {row["lclsSystm3Cd"] for row in tree}
        rows = items(api, f"{service}/areaBasedList2")
        assert {row["lclsSystm3"] for row in rows} <= codes
        assert tree[0]["lclsSystm1Nm"] == name
        assert [row["rnum"] for row in tree] == list(range(1, len(tree) + 1))


def test_code_lists_are_served_level_by_level(api: SampleApi) -> None:
    top = items(api, "KorService2/lclsSystmCode2")
    second = items(api, "KorService2/lclsSystmCode2", lclsSystm1="HS")
    assert top[0] == {"code": "AC", "name": "숙박", "rnum": 1}
    assert {row["code"] for row in second} == {"HS01", "HS02", "HS03", "HS04"}
    assert {row["code"] for row in items(api, "KorService2/ldongCode2")} >= {"11", "26", "50"}
    districts = items(api, "KorService2/ldongCode2", lDongRegnCd=11)
    assert {"code", "name", "rnum"} == set(districts[0])


def test_the_25_districts_are_named_in_the_language_of_the_service(api: SampleApi) -> None:
    names = {
        service: {
            row["lDongSignguCd"]: row["lDongSignguNm"]
            for row in items(api, f"{service}/ldongCode2", lDongRegnCd=11, lDongListYn="Y")
        }
        for service in ("KorService2", "EngService2", "JpnService2", "ChsService2")
    }
    assert {len(districts) for districts in names.values()} == {25}
    assert [districts["680"] for districts in names.values()] == [
        "강남구",
        "Gangnam-gu",
        "江南区",
        "江南区",
    ]


def test_modifiedtime_selects_rows_changed_since_a_date(api: SampleApi) -> None:
    rows = items(api, "KorService2/areaBasedList2")
    since = sorted(row["modifiedtime"] for row in rows)[-40][:8]
    changed = items(api, "KorService2/areaBasedList2", modifiedtime=since)
    assert 40 <= len(changed) < len(rows)
    assert {row["contentid"] for row in changed} == {
        row["contentid"] for row in rows if row["modifiedtime"][:8] >= since
    }


def test_the_sync_list_includes_removed_places(api: SampleApi) -> None:
    listed = {row["contentid"] for row in items(api, "EngService2/areaBasedList2")}
    synced = items(api, "EngService2/areaBasedSyncList2")
    removed = [row for row in synced if row["showflag"] == "0"]
    assert removed
    assert listed.isdisjoint(row["contentid"] for row in removed)
    assert all(row["lDongRegnCd"] == "" and "oldContentid" in row for row in removed)
    assert listed == {
        row["contentid"] for row in items(api, "EngService2/areaBasedSyncList2", showflag=1)
    }


def test_festivals_have_dates_around_today_and_place_lists_have_no_dates(api: SampleApi) -> None:
    a_year_ago = TODAY - timedelta(days=365)
    params = {"eventStartDate": f"{a_year_ago:%Y%m%d}", "lDongRegnCd": 11}
    korean = items(api, "KorService2/searchFestival2", **params)
    english = items(api, "EngService2/searchFestival2", **params)
    starts = [date.fromisoformat(row["eventstartdate"]) for row in korean]
    assert 55 <= len(korean) <= 65
    assert a_year_ago <= min(starts) < TODAY < max(starts) <= TODAY + timedelta(days=183)
    assert all(
        row["eventenddate"] >= row["eventstartdate"] for row in korean if row["eventenddate"]
    )
    assert all(row["tel"] for row in korean)
    assert "progresstype" in korean[0]
    assert "progresstype" not in english[0]
    assert "eventstartdate" not in items(api, "KorService2/areaBasedList2", contentTypeId=15)[0]
    assert len(items(api, "KorService2/searchFestival2", eventStartDate=f"{TODAY:%Y%m%d}")) == sum(
        start >= TODAY for start in starts
    )


def test_details_have_markup_and_intros_have_the_fields_of_their_content_type(
    api: SampleApi,
) -> None:
    (stay, *_) = items(api, "EngService2/searchStay2")
    (common,) = items(api, "EngService2/detailCommon2", contentId=stay["contentid"])
    assert {field: common[field] for field in ("title", "mapx", "lDongSignguCd")} == {
        field: stay[field] for field in ("title", "mapx", "lDongSignguCd")
    }
    assert "<br>" in common["overview"]
    params = {"contentId": stay["contentid"], "contentTypeId": 80}
    (intro,) = items(api, "EngService2/detailIntro2", **params)
    assert intro["checkintime"] == "15:00"
    assert items(api, "EngService2/detailIntro2", **{**params, "contentTypeId": 76}) == []
    (festival, *_) = items(api, "KorService2/searchFestival2", eventStartDate="19000101")
    (dated,) = items(
        api, "KorService2/detailIntro2", contentId=festival["contentid"], contentTypeId=15
    )
    assert dated["eventstartdate"] == festival["eventstartdate"]


def test_an_intro_has_the_same_fields_in_all_languages_and_text_or_blanks_in_them(
    api: SampleApi,
) -> None:
    for service, sight, festival in (("KorService2", "12", "15"), ("EngService2", "76", "85")):
        fields = set()
        for code in (sight, festival):
            (row, *_) = items(api, f"{service}/areaBasedList2", contentTypeId=code)
            params = {"contentId": row["contentid"], "contentTypeId": code}
            (intro,) = items(api, f"{service}/detailIntro2", **params)
            assert all(isinstance(value, str) for value in intro.values())
            fields |= set(intro)
        assert {"usetime", "restdate", "parking", "infocenter", "heritage1"} <= fields
        assert {"playtime", "program", "usetimefestival", "bookingplace", "sponsor1"} <= fields


def test_further_images_are_pages_of_rows_with_a_number_each_and_none_without_a_first_image(
    api: SampleApi,
) -> None:
    places = items(api, "KorService2/areaBasedList2", lDongRegnCd=11)
    with_image = [row["contentid"] for row in places if row["firstimage"]]
    found = {
        content_id: items(api, "KorService2/detailImage2", contentId=content_id)
        for content_id in with_image[:20]
    }
    content_id, images = max(found.items(), key=lambda one: len(one[1]))
    assert len(images) > 2
    assert set(images[0]) == {
        *("contentid", "originimgurl", "imgname", "smallimageurl", "cpyrhtDivCd", "serialnum")
    }
    assert len({image["serialnum"] for image in images}) == len(images)
    page = body(tour(api, "KorService2/detailImage2", contentId=content_id, numOfRows=2))
    assert (page["numOfRows"], page["totalCount"]) == (2, len(images))
    menu = tour(api, "KorService2/detailImage2", contentId=content_id, imageYN="N")
    assert body(menu)["items"] == ""
    without = next(row["contentid"] for row in places if not row["firstimage"])
    assert items(api, "KorService2/detailImage2", contentId=without) == []


# KOPIS: habits and refusals


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("pblprfr", {**WINDOW, "service": "wrong"}, "02"),
        ("prfplc/FC001000", {"service": None}, "02"),
        ("pblprfr", {**WINDOW, "eddate": "20261223"}, "05"),
        ("pblprfr", {**WINDOW, "rows": 101}, "06"),
        ("prfplc", {"cpage": 1, "rows": 1000}, "06"),
        ("pblprfr", {**WINDOW, "stdate": None}, "01"),
        ("pblprfr", {**WINDOW, "stdate": "2026.11.22"}, "01"),
        ("pblprfr", {**WINDOW, "signgucodesub": "1111"}, "01"),
        ("pblprfr", {**WINDOW, "shcate": "ZZZZ"}, "01"),
        ("pblprfr", {**WINDOW, "kidstate": "Y"}, "01"),
        ("prfplc", {"cpage": 0, "rows": 10}, "01"),
    ],
)
def test_a_kopis_error_returns_200_with_one_record(
    api: SampleApi, path: str, params: dict[str, Any], code: str
) -> None:
    response = kopis(api, path, **params)
    (record,) = records(response)
    assert response.status_code == 200
    assert list(record) == ["returncode", "errmsg", "responsetime"]
    assert record["returncode"] == code


def test_the_message_for_too_many_rows_is_mojibake(api: SampleApi) -> None:
    (record,) = records(kopis(api, "prfplc", cpage=1, rows=101))
    assert "건" not in record["errmsg"]
    assert "100건" in record["errmsg"].encode("latin-1").decode()


def test_an_unknown_kopis_path_returns_404_in_json(api: SampleApi) -> None:
    response = kopis(api, "prfxyz")
    assert response.status_code == 404
    assert (response.json()["success"], response.json()["code"]) == (False, 404)


def test_the_www_host_redirects_to_the_apex(api: SampleApi) -> None:
    url = f"{api.url}/kopis/prfplc?service=sample&cpage=1&rows=1"
    response = HTTP.get(
        url, headers={"Host": "www.localhost:8765"}, allow_redirects=False, timeout=ENOUGH_SECONDS
    )
    assert response.status_code == 301
    assert response.headers["Location"] == url.replace(api.url, "http://localhost:8765")


def test_a_kopis_call_can_return_400_once_and_then_succeed(api: SampleApi) -> None:
    api.fail("pblprfr", error="bad_request", times=1, after=1)
    statuses = [kopis(api, "pblprfr", **WINDOW).status_code for _ in range(3)]
    assert statuses == [200, 400, 200]


def test_kopis_lists_end_with_a_partial_or_empty_page(api: SampleApi) -> None:
    venues = paged(api, "prfplc")
    assert 55 <= len(venues) <= 70
    past_end = kopis(api, "prfplc", cpage=len(venues) + 1, rows=1)
    assert past_end.text.endswith("<dbs/>")
    assert b"total" not in past_end.content


def test_a_blank_kopis_value_is_one_space(api: SampleApi) -> None:
    venues = [
        records(kopis(api, f"prfplc/{row['mt10id']}"))[0]
        for row in paged(api, "prfplc", signgucode=11)
    ]
    texts = [value for venue in venues for value in venue.values()]
    assert " " in texts
    assert any(venue["la"] == " " for venue in venues)
    assert [field for field, value in venues[0].items() if not value] == ["mt13s"]


# KOPIS: rows


def test_about_200_performances_in_seoul_run_around_today(api: SampleApi) -> None:
    first, last = TODAY - timedelta(days=7), TODAY + timedelta(days=90)
    seoul = performances_between(api, first, last, signgucode=11)
    everywhere = performances_between(api, first, last)
    assert 190 <= len(seoul) <= 210
    assert {row["area"] for row in seoul.values()} == {"서울특별시"}
    assert len(everywhere) > len(seoul)
    assert set(GENRES.values()) == {row["genrenm"] for row in seoul.values()}
    for row in everywhere.values():
        assert row["prfpdfrom"] <= f"{last:%Y.%m.%d}"
        assert row["prfpdto"] >= f"{first:%Y.%m.%d}"


def test_kopis_filters_by_genre_state_district_and_change(api: SampleApi) -> None:
    window = {"stdate": "20261122", "eddate": "20261222"}
    unfiltered = paged(api, "pblprfr", **window)
    plays = paged(api, "pblprfr", **window, shcate="AAAA")
    running = paged(api, "pblprfr", **window, prfstate="02")
    jongno = paged(api, "pblprfr", **window, signgucode=11, signgucodesub=1111)
    changed = paged(api, "pblprfr", **window, afterdate="20261119")
    assert {row["genrenm"] for row in plays} == {"연극"}
    assert {row["prfstate"] for row in running} == {"공연중"}
    assert all(
        0 < len(filtered) < len(unfiltered) for filtered in (plays, running, jongno, changed)
    )
    for row in changed:
        assert records(kopis(api, f"pblprfr/{row['mt20id']}"))[0]["updatedate"] >= "2026-11-19"


def test_the_venue_name_includes_the_hall_in_the_detail_but_not_in_the_list(api: SampleApi) -> None:
    listed = performances_between(api, TODAY, TODAY + timedelta(days=60), signgucode=11)
    details = {key: records(kopis(api, f"pblprfr/{key}"))[0] for key in listed}
    for key, row in listed.items():
        assert details[key]["fcltynm"].startswith(f"{row['fcltynm']} (")
        assert "mt10id" not in row
    prices = {detail["pcseguidance"] for detail in details.values()}
    assert "전석무료 " in prices
    assert any(price.startswith("전석 ") and price.endswith("원") for price in prices)
    assert any(price.startswith("R석 ") and ", S석 " in price for price in prices)


def test_a_few_performances_are_at_an_unlisted_venue(api: SampleApi) -> None:
    listed = performances_between(
        api, TODAY - timedelta(days=7), TODAY + timedelta(days=90), signgucode=11
    )
    venue_ids = [records(kopis(api, f"pblprfr/{key}"))[0]["mt10id"] for key in listed]
    listed_venues = {row["mt10id"] for row in paged(api, "prfplc")}
    unlisted = [venue_id for venue_id in venue_ids if venue_id not in listed_venues]
    assert 1 <= len(unlisted) <= 6
    assert records(kopis(api, f"prfplc/{unlisted[0]}")) == []


def test_most_venues_are_in_seoul_and_every_district_has_one(api: SampleApi) -> None:
    everywhere, seoul = paged(api, "prfplc"), paged(api, "prfplc", signgucode=11)
    assert len({row["gugunnm"] for row in seoul}) == 25
    assert {row["sidonm"] for row in seoul} == {"서울"}
    assert 0.5 * len(everywhere) < len(seoul) < len(everywhere)


def test_the_seat_count_has_commas_for_a_hall_but_not_for_a_venue(api: SampleApi) -> None:
    (venue,) = [row for row in paged(api, "prfplc") if row["fcltynm"] == "잠실 콘서트아레나"]
    db = ElementTree.fromstring(kopis(api, f"prfplc/{venue['mt10id']}").content)[0]
    assert db.findtext("seatscale") == "17036"
    assert [hall.findtext("seatscale") for hall in db.iterfind("mt13s/mt13")] == ["2,036", "15,000"]
    assert db.findtext("mt13cnt") == venue["mt13cnt"] == "2"


# The generated rows over time


def test_few_rows_change_from_day_to_day_and_each_change_is_dated() -> None:
    with (
        SampleApi(today=TODAY) as today_api,
        SampleApi(today=TODAY + timedelta(days=1)) as tomorrow_api,
    ):
        before = performances_between(today_api, TODAY, TODAY + timedelta(days=80))
        after = performances_between(tomorrow_api, TODAY, TODAY + timedelta(days=80))
        both = before.keys() & after.keys()
        changed = {key for key in both if before[key] != after[key]}
        assert len(both) > 0.95 * len(before)
        assert len(changed) < 0.1 * len(both)
        window = (TODAY, TODAY + timedelta(days=80))
        dated = performances_between(tomorrow_api, *window, afterdate=f"{TODAY:%Y%m%d}").keys()
        assert changed | (after.keys() - before.keys()) <= dated
        assert len(dated) < 0.1 * len(after)
        for operation in ("KorService2/areaBasedSyncList2", "EngService2/areaBasedSyncList2"):
            old = {row["contentid"]: row for row in items(today_api, operation)}
            new = {row["contentid"]: row for row in items(tomorrow_api, operation)}
            assert old.keys() == new.keys()
            edited = [new[key] for key in old if old[key] != new[key]]
            assert len(edited) < 10
            assert all(row["modifiedtime"][:8] == f"{TODAY:%Y%m%d}" for row in edited)


@pytest.mark.parametrize("days", [-1500, -200, -90, 45, 130, 400, 2000])
def test_the_number_of_rows_is_similar_on_any_date(days: int) -> None:
    today = TODAY + timedelta(days=days)
    with SampleApi(today=today) as api:
        window = (today - timedelta(days=7), today + timedelta(days=90))
        since = f"{today - timedelta(days=365):%Y%m%d}"
        assert 190 <= len(performances_between(api, *window, signgucode=11)) <= 210
        assert 55 <= len(items(api, "KorService2/searchFestival2", eventStartDate=since)) <= 65
        newest = max(row["modifiedtime"] for row in items(api, "KorService2/areaBasedSyncList2"))
        assert newest[:8] < f"{today:%Y%m%d}"


# Counting and faults


def test_calls_are_counted_by_operation_and_served_to_other_processes(api: SampleApi) -> None:
    tour(api, "EngService2/areaBasedList2")
    tour(api, "EngService2/areaBasedList2", serviceKey="wrong")
    kopis(api, "pblprfr/PF1")
    kopis(api, "pblprfr/PF2")
    kopis(api, "prfplc", cpage=1, rows=1)
    expected = {"EngService2/areaBasedList2": 2, "pblprfr/{id}": 2, "prfplc": 1}
    assert api.calls == Counter(expected)
    assert HTTP.get(f"{api.url}/_sample/calls", timeout=ENOUGH_SECONDS).json() == expected


def test_every_response_names_the_sample_api_as_its_server(api: SampleApi) -> None:
    api.fail("prfplc", status=500, body="")
    for response in (
        tour(api, "EngService2/areaBasedList2"),
        kopis(api, "prfplc"),
        HTTP.get(f"{api.url}/_sample/calls", timeout=ENOUGH_SECONDS),
        HTTP.get(f"{api.url}/elsewhere", timeout=ENOUGH_SECONDS),
    ):
        assert response.headers["Server"] == "hello-korea-sample-api"


def test_an_injected_fault_has_the_requested_status_body_and_headers(api: SampleApi) -> None:
    api.fail("prfplc", status=503, body="busy", headers={"Retry-After": "7"}, times=2)
    first, second, third = (kopis(api, "prfplc", cpage=1, rows=1) for _ in range(3))
    assert (first.status_code, first.text, first.headers["Retry-After"]) == (503, "busy", "7")
    assert (second.status_code, third.status_code) == (503, 200)


def test_a_fault_can_affect_a_single_path(api: SampleApi) -> None:
    api.fail("prfplc/FC001000", status=500)
    assert kopis(api, "prfplc/FC001000").status_code == 500
    assert kopis(api, "prfplc/FC001007").status_code == 200


def test_a_delayed_response_is_late_and_complete(api: SampleApi) -> None:
    api.fail("prfplc", delay=0.2)
    started = time.monotonic()
    response = kopis(api, "prfplc", cpage=1, rows=5)
    assert time.monotonic() - started >= 0.2
    assert len(records(response)) == 5


def test_a_truncated_response_ends_before_its_content_length(api: SampleApi) -> None:
    api.fail("EngService2/areaBasedList2", truncated=True, times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        tour(api, "EngService2/areaBasedList2")
    assert tour(api, "EngService2/areaBasedList2").status_code == 200


def test_a_quota_limits_the_calls_of_one_operation(api: SampleApi) -> None:
    HTTP.post(
        f"{api.url}/_sample/quota", json={"operation": "prfplc", "calls": 0}, timeout=ENOUGH_SECONDS
    )
    assert kopis(api, "prfplc", cpage=1, rows=1).status_code == 429
    api.clear_faults()
    assert kopis(api, "prfplc", cpage=1, rows=1).status_code == 200


def test_other_processes_can_set_and_clear_faults(api: SampleApi) -> None:
    faults = f"{api.url}/_sample/faults"
    fault = {"operation": "EngService2/*", "error": "rate_limit", "headers": {"Retry-After": "1"}}
    assert HTTP.post(faults, json=fault, timeout=ENOUGH_SECONDS).status_code == 200
    assert tour(api, "EngService2/searchStay2").headers["Retry-After"] == "1"
    assert HTTP.delete(faults, timeout=ENOUGH_SECONDS).status_code == 200
    assert tour(api, "EngService2/searchStay2").status_code == 200


@pytest.mark.parametrize("fault", [{"operation": "x", "error": "nope"}, {"what": 1}, "no object"])
def test_an_invalid_fault_is_refused(api: SampleApi, fault: object) -> None:
    response = HTTP.post(
        f"{api.url}/_sample/faults", data=json.dumps(fault), timeout=ENOUGH_SECONDS
    )
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_stopped_server_closes_connections_that_are_kept_alive() -> None:
    session = requests.Session()
    with SampleApi(today=TODAY) as stopped:
        url = f"{stopped.url}/_sample/calls"
        assert session.get(url, timeout=ENOUGH_SECONDS).status_code == 200
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(url, timeout=10)


def test_a_small_response_takes_a_few_milliseconds_at_most(api: SampleApi) -> None:
    times = []
    for _ in range(50):
        started = time.monotonic()
        kopis(api, "prfplc/FC001000")
        times.append(time.monotonic() - started)
    # A delayed acknowledgement alone takes 0.04. A busy machine delays most responses, but not all.
    assert min(times) < 0.02


# The command


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "loaders.sample_api", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_prints_the_settings_and_serves_requests() -> None:
    process = command("--port", "0", "--today", "2026-11-22")
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in range(1 + 2 * len(SOURCES))]
        settings = dict(line.split("=", 1) for line in printed[1:])
        assert settings["SOURCES__TOUR__SERVICE_KEY"] == "sample"
        assert settings["SOURCES__KOPIS__SERVICE_KEY"] == "sample"
        url = f"{settings['SOURCES__KOPIS__BASE_URL']}/prfplc"
        response = HTTP.get(
            url, params={"service": "sample", "cpage": "1", "rows": "3"}, timeout=ENOUGH_SECONDS
        )
        assert len(records(response)) == 3
        assert settings["SOURCES__TOUR__BASE_URL"].endswith("/tour")
    finally:
        process.kill()
        process.communicate()


def test_a_bad_option_is_reported_in_one_line(tmp_path: Path) -> None:
    options = [("--today", "yesterday"), ("--allowance", "-1"), ("--recordings", str(tmp_path))]
    for process, arguments in [(command(*arguments), arguments) for arguments in options]:
        _, message = process.communicate(timeout=ENOUGH_SECONDS)
        assert process.returncode == 2
        assert len(message.splitlines()) == 1
        assert arguments[1] in message


# Recordings


def test_a_missing_recording_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"lack .*\.\w+"):
        SampleApi(recordings=tmp_path)


@needs_recordings
def test_the_recorded_tour_rows_are_served_in_the_wire_format(recorded: SampleApi) -> None:
    counts = {
        code: len(items(recorded, "KorService2/areaBasedList2", lDongRegnCd=11, contentTypeId=code))
        for code in (12, 14, 15, 32)
    }
    assert counts == {12: 783, 14: 566, 15: 201, 32: 423}
    assert len(items(recorded, "KorService2/areaBasedList2", lDongRegnCd=11)) == 1973
    assert len(items(recorded, "KorService2/searchFestival2", eventStartDate="19000101")) == 201
    assert len(items(recorded, "KorService2/searchStay2")) == 423
    assert items(recorded, "EngService2/searchStay2") == []


@needs_recordings
def test_a_recorded_intro_is_served_unchanged_and_the_others_have_blank_fields(
    recorded: SampleApi,
) -> None:
    file = RECORDINGS / "tourapi" / "KorService2" / "answers" / "detailIntro2.json"
    (expected,) = json.loads(file.read_bytes())["response"]["body"]["items"]["item"]
    palace = {"contentId": expected["contentid"], "contentTypeId": 12}
    assert items(recorded, "KorService2/detailIntro2", **palace) == [expected]
    assert len(items(recorded, "KorService2/detailImage2", contentId=expected["contentid"])) == 5
    stay = items(recorded, "KorService2/searchStay2")[0]["contentid"]
    (blank,) = items(recorded, "KorService2/detailIntro2", contentId=stay, contentTypeId=32)
    assert {name for name, value in blank.items() if value} == {"contentid", "contenttypeid"}
    assert items(recorded, "KorService2/detailImage2", contentId=stay) == []


@needs_recordings
def test_recorded_rows_keep_every_value(recorded: SampleApi) -> None:
    source = json.loads((RECORDINGS / "tourapi/KorService2/searchFestival2.json").read_bytes())
    served = items(recorded, "KorService2/searchFestival2", eventStartDate="19000101")
    assert sorted(served, key=lambda row: row["contentid"]) == sorted(
        source, key=lambda row: row["contentid"]
    )


@needs_recordings
def test_the_recorded_english_places_have_the_new_district_codes(recorded: SampleApi) -> None:
    rows = items(recorded, "EngService2/areaBasedList2", lDongRegnCd=11)
    assert len(rows) == 82
    assert all(row["lDongSignguCd"] and row["lclsSystm1"] == "" for row in rows)
    (detail,) = items(recorded, "EngService2/detailCommon2", contentId=rows[0]["contentid"])
    assert detail["overview"]


@needs_recordings
def test_the_details_of_recorded_performances_are_served_unchanged(
    recorded: SampleApi,
) -> None:
    source = ElementTree.parse(RECORDINGS / "kopis/pblprfr_detail.xml").getroot()
    window = (date(2025, 11, 14), date(2026, 12, 31))
    listed = performances_between(recorded, *window)
    assert len(listed) == 1278
    assert len(performances_between(recorded, *window, signgucode=11)) == 503
    for db in list(source)[::20]:
        served = ElementTree.fromstring(kopis(recorded, f"pblprfr/{db.findtext('mt20id')}").content)
        assert ElementTree.tostring(served[0]).strip() == ElementTree.tostring(db).strip()


@needs_recordings
def test_the_recorded_venues_are_joined_with_their_recorded_details(recorded: SampleApi) -> None:
    assert len(paged(recorded, "prfplc")) == 3775
    assert len(paged(recorded, "prfplc", signgucode=11)) == 1577
    (venue,) = records(kopis(recorded, "prfplc/FC000405"))
    assert (venue["seatscale"], venue["la"][:7], venue["cafe"]) == ("889", "36.9707", " ")
