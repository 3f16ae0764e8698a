"""TourAPI: details and removed places, over real HTTP to the warehouse and the website."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg2
import pyarrow as pa
import pytest
from support.pipelines import query, run, table_results
from support.project import PROJECT, TODAY, point_at

from loaders.export import embedded_postgres
from loaders.pipeline import extract
from loaders.sample_api import SampleApi
from loaders.sample_api.tour_rows import LanguageRows, generated_rows
from loaders.sources.source import ExtractRequest
from loaders.sources.tour import SOURCE, first_url, most_used_first, read_images, read_intros

pytestmark = pytest.mark.usefixtures("staging_tables")

Key = tuple[str, str]


def query_website(sql: str) -> list[tuple[Any, ...]]:
    url = embedded_postgres.start()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def set_today(api: SampleApi, on: date, monkeypatch: pytest.MonkeyPatch) -> None:
    api.today = on
    monkeypatch.setenv("HELLO_KOREA_TODAY", on.isoformat())


def listed_on(on: date, *languages: str) -> dict[Key, str]:
    """The time of the last change of each place that the sample API lists."""
    rows = generated_rows(on)
    return {
        (language, item["contentid"]): item["modifiedtime"]
        for language in languages
        for item in rows[language].places
    }


def build() -> None:
    """Build the website's attractions with everything upstream, and export them."""
    build = subprocess.run(
        [
            Path(sys.executable).with_name("dbt"),
            *("build", "--select", "+rds_attractions", "snap_place"),
            *("--indirect-selection", "cautious"),
            f"--target-path={Path(os.environ['HELLO_KOREA_HOME']) / 'target'}",
            f"--log-path={Path(os.environ['HELLO_KOREA_HOME']) / 'logs'}",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout[-3000:]


@pytest.mark.usefixtures("few_places")
def test_each_listed_place_has_its_details_as_plain_text(api: SampleApi, home: Path) -> None:
    assert run("tour") == (0, "")
    details = query(home, "select language, content_id, overview from staging_tour.place_details")
    assert {(language, content_id) for language, content_id, _ in details} == set(
        listed_on(TODAY, "ja", "zh")
    )
    raw = next((home / "lake/raw/tour/place_details").rglob("*.json")).parent
    responses = b"".join(file.read_bytes() for file in raw.glob("*.json"))
    assert b"<br>" in responses
    assert b"&nbsp;" in responses
    for _, _, overview in details:
        first, second = overview.split("\n")
        assert first.endswith(".")
        assert not any(mark in second for mark in ("<", "&", "\xa0", "  "))
    links = query(home, "select distinct homepage_url from staging_tour.place_details")
    assert all(url is None or url.startswith("https://places.example/") for (url,) in links)


@pytest.mark.usefixtures("few_places")
def test_each_listed_place_has_an_intro_and_those_with_an_image_all_further_ones(
    api: SampleApi, home: Path
) -> None:
    assert run("tour") == (0, "")
    listed = set(listed_on(TODAY, "ja", "zh"))
    assert set(query(home, "select language, content_id from staging_tour.place_intros")) == listed
    rows = {language: generated_rows(TODAY)[language] for language in ("ja", "zh")}
    with_image = {
        (language, item["contentid"])
        for language, found in rows.items()
        for item in found.places
        if item["firstimage"]
    }
    images = query(home, "select language, content_id, serial from staging_tour.images")
    assert {(language, content_id) for language, content_id, _ in images} == with_image
    # One row says that a place has none.
    assert {(*key, image["serialnum"]) for key in with_image for image in _images(rows, key)} | {
        (*key, "none") for key in with_image if not _images(rows, key)
    } == set(images)
    calls = api.calls["JpnService2/detailImage2"] + api.calls["ChsService2/detailImage2"]
    assert calls == len(with_image)
    assert run("tour") == (0, "")
    assert calls == api.calls["JpnService2/detailImage2"] + api.calls["ChsService2/detailImage2"]
    notes = [note for name in ("place_intros", "images") for note in _notes(home, name)]
    assert notes == []


def _images(rows: dict[str, LanguageRows], key: Key) -> list[dict[str, str]]:
    return rows[key[0]].images[key[1]]


def _notes(home: Path, table: str) -> list[str]:
    notes: list[str] = table_results(home)[f"tour.{table}"]["notes"]
    return notes


def test_the_allowance_goes_to_the_newest_places_of_the_website(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "ja")
    monkeypatch.setenv("SOURCES__TOUR__DAILY_ALLOWANCE", "5")
    # One call after the other: on a busy machine, a call may overtake others in flight.
    monkeypatch.setenv("SOURCES__TOUR__PARALLEL_CALLS", "1")
    monkeypatch.setattr(extract, "WORKERS_PER_CALL", 1)
    assert run("tour") == (0, "")
    # The sample API has places of Seoul only. The website has no medical ones.
    shown = [
        item
        for item in generated_rows(TODAY)["ja"].places
        if not item["lclsSystm3"].startswith("EX0508")
    ]
    newest = {item["contentid"] for item in sorted(shown, key=_changed_at, reverse=True)[:5]}
    for table in ("place_details", "place_intros"):
        found = query(home, f"select content_id from staging_tour.{table}")
        assert {content_id for (content_id,) in found} == newest
    for operation in ("detailCommon2", "detailIntro2", "detailImage2"):
        assert api.calls[f"JpnService2/{operation}"] == 5


def _changed_at(item: dict[str, str]) -> str:
    return item["modifiedtime"]


def places(*rows: dict[str, Any]) -> pa.Table:
    fields = ("content_id", "region", "category_code", "modified_at")
    return pa.table({name: [row.get(name) for row in rows] for name in fields})


def test_places_of_the_website_come_before_others_and_the_newest_of_them_first() -> None:
    seoul = {"region": "11", "category_code": "HS010100"}
    ordered = most_used_first(
        places(
            {"content_id": "old", **seoul, "modified_at": date(2020, 1, 1)},
            {"content_id": "busan", "region": "26", "modified_at": date(2026, 11, 22)},
            {"content_id": "new", **seoul, "modified_at": date(2026, 11, 20)},
            {"content_id": "clinic", "region": "11", "category_code": "EX050800"},
            {"content_id": "hospital", "region": "11", "category_code": "EX050800"},
            {"content_id": "undated", "region": "11"},
        )
    )
    order = ordered["content_id"].to_pylist()
    assert order == ["new", "old", "undated", "busan", "clinic", "hospital"]


def test_an_intro_is_requested_by_content_type_and_images_on_one_page() -> None:
    options = {name: option.convert(option.default) for name, option in SOURCE.options.items()}
    extract = ExtractRequest(TODAY, options, keys=("ko/126508/12@2025-11-12 13:48:24",))
    (intro,) = SOURCE.table("place_intros").requests(extract)
    assert intro.path == "KorService2/detailIntro2"
    assert (intro.params["contentId"], intro.params["contentTypeId"]) == ("126508", "12")
    assert "numOfRows" not in intro.params
    extract = ExtractRequest(TODAY, options, keys=("en/264337@2025-11-12 13:48:24",))
    (images,) = SOURCE.table("images").requests(extract)
    assert images.path == "EngService2/detailImage2"
    assert (images.params["contentId"], images.params["numOfRows"]) == ("264337", "1000")


def response(*rows: dict[str, str]) -> bytes:
    items = {"item": list(rows)} if rows else ""
    return orjson.dumps({"response": {"body": {"items": items}}})


def test_the_fields_of_an_intro_have_one_name_in_all_content_types_and_languages() -> None:
    palace = {
        "contentid": "126508",
        "contenttypeid": "12",
        "infocenter": "02-3700-3900",
        "restdate": "매주 화요일 <br>※ 단, 정기휴일이 공휴일과 겹칠 경우에는 개방",
        "useseason": "",
        "usetime": "[1월~2월]<br>\n09:00~17:00 (입장마감 16:00)",
        "expguide": "",
        "expagerange": "",
        "parking": "가능 (승용차 240대 / 버스 50대)",
        "heritage1": "0",
    }
    festival = {
        "contentid": "2",
        "contenttypeid": "85",
        "playtime": "10:00-18:00",
        "usetimefestival": "Free",
        "discountinfofestival": "",
        "eventplace": "Gwanghwamun Square&nbsp;",
        "placeinfo": "Line 5",
        "eventhomepage": '<a href="https://event.example">event</a>',
        "program": "Parade",
        "subevent": "Parade",
        "agelimit": "All ages",
        "bookingplace": "",
        "spendtimefestival": "",
        "sponsor1": "Seoul",
        "sponsor2": "",
        "sponsor1tel": "+82-2-120",
        "sponsor2tel": "",
    }
    first, second = read_intros(response(palace, festival)).to_pylist()
    assert first["hours"] == "[1월~2월]\n09:00~17:00 (입장마감 16:00)"
    assert first["closed"] == "매주 화요일\n※ 단, 정기휴일이 공휴일과 겹칠 경우에는 개방"
    assert first["parking"] == "가능 (승용차 240대 / 버스 50대)"
    assert first["contact"] == "02-3700-3900"
    assert first["heritage1"] == "0"
    assert (second["hours"], second["fee"]) == ("10:00-18:00", "Free")
    assert second["event_place"] == "Gwanghwamun Square\nLine 5"
    assert second["programme"] == "Parade"
    assert second["homepage"] == "https://event.example"
    assert second["check_in"] == ""


def test_a_field_that_a_content_type_should_have_is_missed_and_no_other() -> None:
    stay = {
        "contentid": "1",
        "contenttypeid": "32",
        "checkintime": "15:00",
        "parkinglodging": "가능",
        "infocenterlodging": "",
        "roomcount": "10",
        "subfacility": "",
        "reservationlodging": "",
        "reservationurl": '<a href="https://stay.example/1">예약</a>',
        "brandnew": "x",
    }
    (row,) = read_intros(response(stay)).to_pylist()
    columns = {column.field for column in SOURCE.table("place_intros").columns}
    assert columns - row.keys() == {"language", "check_out"}
    assert row["booking_url"] == "https://stay.example/1"
    assert row["rooms"] == "10"
    assert set(row) - columns == {"brandnew"}


def test_a_place_without_an_intro_or_without_images_has_one_row_that_says_so() -> None:
    (intro,) = read_intros(response()).to_pylist()
    assert set(intro.values()) == {""}
    (image,) = read_images(response()).to_pylist()
    assert image["serialnum"] == "none"
    assert {value for name, value in image.items() if name != "serialnum"} == {""}


@pytest.mark.long
def test_the_next_day_requests_details_of_new_and_changed_places_only(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "ko")
    assert run("tour") == (0, "")
    calls_before, listed_before = api.calls.copy(), listed_on(TODAY, "ko")
    tomorrow = TODAY + timedelta(days=1)
    set_today(api, tomorrow, monkeypatch)
    assert run("tour") == (0, "")
    listed = listed_on(tomorrow, "ko")
    changed = {key for key, version in listed.items() if listed_before.get(key) != version}
    details = query(
        home,
        "select language, content_id from staging_tour.place_details"
        f" where logical_date = '{tomorrow}'",
    )
    assert changed
    assert set(details) == changed
    calls = api.calls - calls_before
    assert calls["KorService2/detailCommon2"] == len(changed)


@pytest.mark.long
def test_details_beyond_the_allowance_are_loaded_on_the_next_days(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en,ja")
    monkeypatch.setenv("SOURCES__TOUR__DAILY_ALLOWANCE", "300")
    assert run("tour") == (0, "")
    english = len(listed_on(TODAY, "en"))
    (note,) = table_results(home)["tour.place_details"]["notes"]
    assert f"{english - 300} of " in note
    assert "left to the next days" in note
    # Each service has its own allowance, so the other language's details are complete.
    assert api.calls["EngService2/detailCommon2"] == 300
    japanese = "select count(*) from staging_tour.place_details where language = 'ja'"
    assert query(home, japanese) == [(len(listed_on(TODAY, "ja")),)]

    tomorrow = TODAY + timedelta(days=1)
    set_today(api, tomorrow, monkeypatch)
    assert run("tour") == (0, "")
    assert table_results(home)["tour.place_details"]["notes"] == []
    details = query(home, "select distinct language, content_id from staging_tour.place_details")
    assert set(details) >= set(listed_on(tomorrow, "en", "ja"))


def test_removed_places_are_not_among_the_listed_places(api: SampleApi, home: Path) -> None:
    assert run("tour", table="places") == (0, "")
    assert run("tour", table="removed_places") == (0, "")
    removed = query(home, "select language, content_id from staging_tour.removed_places")
    places = query(home, "select language, content_id from staging_tour.places")
    assert removed
    assert set(removed).isdisjoint(places)
    for language in ("en", "ko"):
        synced = generated_rows(TODAY)[language].synced
        hidden = {(language, item["contentid"]) for item in synced if item["showflag"] == "0"}
        assert hidden == {key for key in removed if key[0] == language}


UNLISTED_ON = date(2026, 12, 3)
"""First date without the place in the lists; it was removed the day before."""
REMOVED = {"en": "1600196", "ko": "1200147"}
"""Content ids of one place that is removed in both languages."""
REMOVED_PLACE = "ko-1200147"


@dataclass
class TwoDays:
    """The places of the day before UNLISTED_ON and of that day, each built and exported."""

    home: Path
    overview_before: list[tuple[Any, ...]]
    """English overview of REMOVED_PLACE on the website on the first day."""


@pytest.fixture(scope="module")
def in_four_languages(
    profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoDays]:
    home = tmp_path_factory.mktemp("home")
    before = UNLISTED_ON - timedelta(days=1)
    with pytest.MonkeyPatch.context() as patch, SampleApi(today=before) as api:
        patch.setenv("HELLO_KOREA_HOME", str(home))
        patch.setenv("DBT_PROFILES_DIR", str(profiles))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        patch.setenv("SOURCES__TOUR__LANGUAGES", "en,ko,ja,zh")
        point_at(api, patch)
        set_today(api, before, patch)
        for table in ("venues", "venue_details"):
            assert run("kopis", table=table) == (0, "")  # cultural places are matched with them
        assert run("seoul") == (0, "")
        assert run("tour") == (0, "")
        build()
        overview = f"select overview_en from attractions where place_id = '{REMOVED_PLACE}'"
        two_days = TwoDays(home, query_website(overview))
        set_today(api, UNLISTED_ON, patch)
        assert run("tour") == (0, "")
        build()
        yield two_days
        embedded_postgres.stop()


@pytest.fixture
def two_days(in_four_languages: TwoDays, monkeypatch: pytest.MonkeyPatch) -> TwoDays:
    monkeypatch.setenv("HELLO_KOREA_HOME", str(in_four_languages.home))
    return in_four_languages


def test_a_removed_place_leaves_the_website_and_stays_in_the_warehouse(
    two_days: TwoDays,
) -> None:
    day_before = UNLISTED_ON - timedelta(days=1)
    assert set(listed_on(day_before, "en", "ko")) >= set(REMOVED.items())
    assert not set(REMOVED.items()) & set(listed_on(UNLISTED_ON, "en", "ko"))
    ((overview,),) = two_days.overview_before
    assert "\n" in overview

    assert query_website(f"select 1 from attractions where place_id = '{REMOVED_PLACE}'") == []
    place = "select content_id_en, is_listed, removed_on from star.dim_place"
    assert query(two_days.home, f"{place} where place_id = '{REMOVED_PLACE}'") == [
        (REMOVED["en"], False, day_before)
    ]
    versions = (
        "select is_listed, dbt_valid_to is null from snapshots.snap_place"
        f" where place_id = '{REMOVED_PLACE}' order by dbt_valid_from"
    )
    assert query(two_days.home, versions) == [(True, False), (False, True)]


def test_a_sight_is_one_place_in_all_four_languages(two_days: TwoDays) -> None:
    palace = (
        "select title_en, title_ko, title_ja, title_zh, overview_ja is not null"
        " from attractions where title_ko = '경복궁'"
    )
    assert query_website(palace) == [("Gyeongbokgung Palace", "경복궁", "景福宮", "景福宫", True)]
    for language in ("ja", "zh"):
        ids = query(
            two_days.home,
            f"select content_id_{language} from intermediate.int_tour_places_merged"
            f" where content_id_{language} is not null",
        )
        listed = {content_id for _, content_id in listed_on(UNLISTED_ON, language)}
        assert {content_id for (content_id,) in ids} >= listed
        assert len(ids) == len(set(ids))
    only_foreign = (
        "select count(*) from star.dim_place where place_id not like 'ko-%' and title_ja is null"
    )
    assert query(two_days.home, only_foreign)[0][0] > 0


@pytest.mark.parametrize(
    ("fragment", "url"),
    [
        ("", ""),
        (
            '<a href="http://parks.example/a?b=1&amp;c=2" target="_blank">x</a>',
            "http://parks.example/a?b=1&c=2",
        ),
        (
            "<a href='https://one.example'>1</a><br>\n<a href='https://two.example'>2</a>",
            "https://one.example",
        ),
        ('<a href="www.palace.example/">palace</a>', "http://www.palace.example/"),
        ("http://bare.example/x and more", "http://bare.example/x"),
        ('<a href="#none">www.palace.example</a>', "http://www.palace.example"),
        ("no page", ""),
    ],
)
def test_a_homepage_is_the_first_url_in_its_html(fragment: str, url: str) -> None:
    assert first_url(fragment) == url
