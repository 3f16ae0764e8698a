"""TourAPI's details and deletions, over real HTTP, to the warehouse and the website's database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from conftest import PROJECT, TODAY
from pipelines import outcomes, query, run

from loaders import commands, embedded_postgres
from loaders.sample_api import SampleApi
from loaders.sample_api.tour_rows import generated_rows
from loaders.sources.tour import first_link

Key = tuple[str, str]


def on_the_website(sql: str) -> list[tuple[Any, ...]]:
    url = embedded_postgres.start()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def go_to(api: SampleApi, on: date, monkeypatch: pytest.MonkeyPatch) -> None:
    api.today = on
    monkeypatch.setenv("HELLO_KOREA_TODAY", on.isoformat())


def listed_on(on: date, *languages: str) -> dict[Key, str]:
    """Of each listed place, when it was last changed, as the sample API holds it."""
    rows = generated_rows(on)
    return {
        (language, item["contentid"]): item["modifiedtime"]
        for language in languages
        for item in rows[language].places
    }


def build(profiles: Path) -> None:
    """`dbt build`, the export included."""
    built = subprocess.run(
        [
            Path(sys.executable).with_name("dbt"),
            "build",
            f"--profiles-dir={profiles}",
            f"--target-path={Path(os.environ['HELLO_KOREA_HOME']) / 'target'}",
            f"--log-path={Path(os.environ['HELLO_KOREA_HOME']) / 'logs'}",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-3000:]


@pytest.fixture
def website() -> Iterator[None]:
    """Its PostgreSQL runs from the export on, until the test is over."""
    yield
    embedded_postgres.stop()


@pytest.mark.usefixtures("few_places")
def test_each_listed_place_has_its_details_as_plain_text(api: SampleApi, home: Path) -> None:
    assert run("tour") == (0, "")
    details = query(home, "select language, content_id, overview from staging_tour.place_details")
    assert {(language, content_id) for language, content_id, _ in details} == set(
        listed_on(TODAY, "ja", "zh")
    )
    raw = next((home / "lake/raw/tour/place_details").rglob("*.json")).parent
    answers = b"".join(file.read_bytes() for file in raw.glob("*.json"))
    assert b"<br>" in answers
    assert b"&nbsp;" in answers
    for _, _, overview in details:
        first, second = overview.split("\n")
        assert first.endswith(".")
        assert not any(mark in second for mark in ("<", "&", "\xa0", "  "))
    links = query(home, "select distinct homepage_url from staging_tour.place_details")
    assert all(url is None or url.startswith("https://places.example/") for (url,) in links)


def test_on_the_next_day_only_new_and_changed_places_are_asked_for(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "ko")
    assert run("tour") == (0, "")
    before, listed = api.calls.copy(), listed_on(TODAY, "ko")
    tomorrow = TODAY + timedelta(days=1)
    go_to(api, tomorrow, monkeypatch)
    assert run("tour") == (0, "")
    now = listed_on(tomorrow, "ko")
    wanted = {key for key, version in now.items() if listed.get(key) != version}
    on = f"logical_date = '{tomorrow}'"
    asked = query(home, f"select language, content_id from staging_tour.place_details where {on}")
    assert wanted
    assert set(asked) == wanted
    calls = api.calls - before
    assert calls["KorService2/detailCommon2"] == len(wanted)


def test_details_that_the_allowance_does_not_reach_come_on_the_next_days(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en,ja")
    monkeypatch.setenv("SOURCES__TOUR__DAILY_ALLOWANCE", "300")
    assert run("tour") == (0, "")
    english = len(listed_on(TODAY, "en"))
    (note,) = outcomes(home)["tour.place_details"]["notes"]
    assert f"{english - 300} of " in note
    assert "left to the next days" in note
    # Each service has an allowance of its own: the other language's details are all there.
    assert api.calls["EngService2/detailCommon2"] == 300
    japanese = "select count(*) from staging_tour.place_details where language = 'ja'"
    assert query(home, japanese) == [(len(listed_on(TODAY, "ja")),)]

    tomorrow = TODAY + timedelta(days=1)
    go_to(api, tomorrow, monkeypatch)
    assert run("tour") == (0, "")
    assert outcomes(home)["tour.place_details"]["notes"] == []
    details = query(home, "select distinct language, content_id from staging_tour.place_details")
    assert set(details) >= set(listed_on(tomorrow, "en", "ja"))


def test_what_was_taken_out_is_listed_apart_from_the_places(api: SampleApi, home: Path) -> None:
    assert run("tour", table="places") == (0, "")
    assert run("tour", table="removed_places") == (0, "")
    removed = query(home, "select language, content_id from staging_tour.removed_places")
    places = query(home, "select language, content_id from staging_tour.places")
    assert removed
    assert set(removed).isdisjoint(places)
    for language in ("en", "ko"):
        synced = generated_rows(TODAY)[language].synced
        gone = {(language, it["contentid"]) for it in synced if it["showflag"] == "0"}
        assert gone == {it for it in removed if it[0] == language}


def test_a_place_that_is_taken_out_leaves_the_website_and_stays_in_the_warehouse(
    api: SampleApi,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    profiles: Path,
    website: None,
) -> None:
    gone_on = date(2026, 12, 3)  # from the lists; it was taken out the day before
    (english, korean) = ("1600196", "1200147")  # one place, taken out in both languages
    assert {("en", english), ("ko", korean)} <= set(
        listed_on(gone_on - timedelta(days=1), "en", "ko")
    )
    assert not {("en", english), ("ko", korean)} & set(listed_on(gone_on, "en", "ko"))
    place = f"ko-{korean}"
    go_to(api, gone_on - timedelta(days=1), monkeypatch)
    assert commands.run(None, None, None, None, False, False) == (0, "")
    build(profiles)
    shown = on_the_website(
        f"select overview_en, overview_ko, homepage_url from attractions where place_id = '{place}'"
    )
    assert len(shown) == 1
    assert "\n" in shown[0][0]

    go_to(api, gone_on, monkeypatch)
    assert commands.run(None, None, None, None, False, False) == (0, "")
    build(profiles)
    assert on_the_website(f"select 1 from attractions where place_id = '{place}'") == []
    kept = "select content_id_en, is_listed, removed_on from star.dim_place"
    assert query(home, f"{kept} where place_id = '{place}'") == [
        (english, False, gone_on - timedelta(days=1))
    ]
    versions = (
        "select is_listed, dbt_valid_to is null from snapshots.snap_place"
        f" where place_id = '{place}' order by dbt_valid_from"
    )
    assert query(home, versions) == [(True, False), (False, True)]


def test_a_sight_is_one_place_in_all_four_languages(
    api: SampleApi,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    profiles: Path,
    website: None,
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en,ko,ja,zh")
    assert commands.run(None, None, None, None, False, False) == (0, "")
    build(profiles)
    palace = (
        "select title_en, title_ko, title_ja, title_zh, overview_ja is not null"
        " from attractions where title_ko = '경복궁'"
    )
    assert on_the_website(palace) == [("Gyeongbokgung Palace", "경복궁", "景福宮", "景福宫", True)]
    for language in ("ja", "zh"):
        found = query(home, f"select count(content_id_{language}) from star.int_tour__places")
        assert found == [(len(listed_on(TODAY, language)),)]
    alone = (
        "select count(*) from star.dim_place where place_id not like 'ko-%' and title_ja is null"
    )
    assert query(home, alone)[0][0] > 0


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
def test_a_homepage_is_the_first_address_in_its_html(fragment: str, url: str) -> None:
    assert first_link(fragment) == url
