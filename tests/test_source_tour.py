"""TourAPI's details and deletions, over real HTTP, to the warehouse and the website's database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from support.pipelines import outcomes, query, run
from support.project import PROJECT, TODAY, point_at

from loaders.export import embedded_postgres
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


def build() -> None:
    """`dbt build` of the website's attractions and all that they are made of, and the export."""
    built = subprocess.run(
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
    assert built.returncode == 0, built.stdout[-3000:]


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


GONE_ON = date(2026, 12, 3)
"""From the lists; the place was taken out the day before."""
GONE = {"en": "1600196", "ko": "1200147"}
"""One place, taken out in both languages."""
GONE_PLACE = "ko-1200147"


@dataclass
class TwoDays:
    """The places of the day before GONE_ON and of that day, each built and on the website."""

    home: Path
    shown: list[tuple[Any, ...]]
    """The English text of GONE_PLACE on the website on the first day."""


@pytest.fixture(scope="module")
def in_four_languages(
    profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoDays]:
    home = tmp_path_factory.mktemp("home")
    before = GONE_ON - timedelta(days=1)
    with pytest.MonkeyPatch.context() as patch, SampleApi(today=before) as api:
        patch.setenv("HELLO_KOREA_HOME", str(home))
        patch.setenv("DBT_PROFILES_DIR", str(profiles))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        patch.setenv("SOURCES__TOUR__LANGUAGES", "en,ko,ja,zh")
        point_at(api, patch)
        go_to(api, before, patch)
        for table in ("venues", "venue_details"):
            assert run("kopis", table=table) == (0, "")  # cultural places are matched with them
        assert run("seoul") == (0, "")
        assert run("tour") == (0, "")
        build()
        text = f"select overview_en from attractions where place_id = '{GONE_PLACE}'"
        two_days = TwoDays(home, on_the_website(text))
        go_to(api, GONE_ON, patch)
        assert run("tour") == (0, "")
        build()
        yield two_days
        embedded_postgres.stop()


@pytest.fixture
def two_days(in_four_languages: TwoDays, monkeypatch: pytest.MonkeyPatch) -> TwoDays:
    monkeypatch.setenv("HELLO_KOREA_HOME", str(in_four_languages.home))
    return in_four_languages


def test_a_place_that_is_taken_out_leaves_the_website_and_stays_in_the_warehouse(
    two_days: TwoDays,
) -> None:
    day_before = GONE_ON - timedelta(days=1)
    assert set(listed_on(day_before, "en", "ko")) >= set(GONE.items())
    assert not set(GONE.items()) & set(listed_on(GONE_ON, "en", "ko"))
    ((overview,),) = two_days.shown
    assert "\n" in overview

    assert on_the_website(f"select 1 from attractions where place_id = '{GONE_PLACE}'") == []
    kept = "select content_id_en, is_listed, removed_on from star.dim_place"
    assert query(two_days.home, f"{kept} where place_id = '{GONE_PLACE}'") == [
        (GONE["en"], False, day_before)
    ]
    versions = (
        "select is_listed, dbt_valid_to is null from snapshots.snap_place"
        f" where place_id = '{GONE_PLACE}' order by dbt_valid_from"
    )
    assert query(two_days.home, versions) == [(True, False), (False, True)]


def test_a_sight_is_one_place_in_all_four_languages(two_days: TwoDays) -> None:
    palace = (
        "select title_en, title_ko, title_ja, title_zh, overview_ja is not null"
        " from attractions where title_ko = '경복궁'"
    )
    assert on_the_website(palace) == [("Gyeongbokgung Palace", "경복궁", "景福宮", "景福宫", True)]
    for language in ("ja", "zh"):
        ids = query(
            two_days.home,
            f"select content_id_{language} from intermediate.int_tour_places_merged"
            f" where content_id_{language} is not null",
        )
        listed = {content_id for _, content_id in listed_on(GONE_ON, language)}
        assert {content_id for (content_id,) in ids} >= listed
        assert len(ids) == len(set(ids))
    alone = (
        "select count(*) from star.dim_place where place_id not like 'ko-%' and title_ja is null"
    )
    assert query(two_days.home, alone)[0][0] > 0


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
