"""Recorded rows on their way from the API to the website's database.

The expected rows are counted in the recordings, not in the code.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import orjson
import psycopg2
import pytest
from lxml import etree
from score import scores
from support.pipelines import run
from support.project import PROJECT, point_at

from loaders.export import embedded_postgres
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.long

DBT = Path(sys.executable).with_name("dbt")
SETTINGS = {
    "HELLO_KOREA_TODAY": "2025-11-21",  # the day the performances were recorded
    "SOURCES__KOPIS__REGION": "all",
    "SOURCES__KOPIS__DAYS_AHEAD": "400",
    "SOURCES__KOPIS__DAILY_ALLOWANCE": "10000",
}


@dataclass
class LoadedRecordings:
    """The recordings after all pipelines, `dbt build` and the export."""

    home: Path
    calls: dict[str, int]
    """Number of calls of each operation."""
    pipelines: tuple[int, str]
    """Exit code and message of the pipelines."""
    build: subprocess.CompletedProcess[str]
    url: str
    """URL of the website's database."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def ids(self, sql: str) -> set[str]:
        return {row[0] for row in self.query(sql)}

    def rejected(self, table: str) -> list[dict[str, Any]]:
        """The rejected rows of a table, each with its reason and raw file."""
        files = sorted((self.home / "lake" / "rejected" / table).rglob("*.jsonl"))
        return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


def dbt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DBT, *arguments, "--target-path", str(Path(os.environ["HELLO_KOREA_HOME"]) / "target")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def loaded(
    recordings: Path, profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoadedRecordings]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as settings, SampleApi(recordings=recordings) as api:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("DBT_PROFILES_DIR", str(profiles))
        settings.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        for name, value in SETTINGS.items():
            settings.setenv(name, value)
        point_at(api, settings)
        pipelines = run()
        build = dbt("build")
        url = embedded_postgres.start()
        yield LoadedRecordings(home, dict(api.calls), pipelines, build, url)
        embedded_postgres.stop()


@pytest.fixture(scope="module")
def tour_and_kopis(
    loaded: LoadedRecordings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoadedRecordings]:
    """The same responses, of which only those of two sources are loaded, into another home."""
    home = tmp_path_factory.mktemp("two_sources")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("LAKE__URL", str(loaded.home / "lake"))
        settings.setenv("SOURCES__ENABLED", "tour,kopis")
        pipelines = run(only="load")
        # The unit tests are of the same code, so their proofs hold here too.
        shutil.copytree(loaded.home / "unit_tests", home / "unit_tests")
        build = dbt("build")
        url = embedded_postgres.start()
        yield LoadedRecordings(home, {}, pipelines, build, url)
        embedded_postgres.stop()


def recorded(recordings: Path, operation: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = orjson.loads(
        (recordings / "tourapi" / "KorService2" / f"{operation}.json").read_bytes()
    )
    return rows


def test_the_pipelines_and_the_build_succeed(loaded: LoadedRecordings) -> None:
    assert loaded.pipelines == (0, "")
    assert loaded.build.returncode == 0, loaded.build.stdout[-3000:]


def test_every_recorded_sight_and_cultural_place_but_clinics_is_an_attraction(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    rows = recorded(recordings, "areaBasedList2/12") + recorded(recordings, "areaBasedList2/14")
    assert len(rows) == 783 + 566
    ids = loaded.ids("select substr(place_id, 4) from attractions where place_id like 'ko-%'")
    assert ids == {row["contentid"] for row in rows if row["lclsSystm3"] != "EX050800"}
    assert loaded.rejected("tour/places") == []


def test_every_recorded_english_place_arrives_alone_or_joined_with_its_korean_row(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    file = recordings / "tourapi" / "EngService" / "detailCommon.json"
    titles = {row["contentid"]: row["title"] for row in orjson.loads(file.read_bytes())}
    assert len(titles) == 82
    (english,) = loaded.query("select count(*) from attractions where title_en is not null")
    assert english == (82,)
    botanic_park = "select title_en, place_id from attractions where title_ko = '서울식물원'"
    ((title_en, place_id),) = loaded.query(botanic_park)
    assert title_en == "Seoul Botanic Park"
    assert place_id.startswith("ko-")


def test_every_recorded_english_text_arrives_without_html(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    file = recordings / "tourapi" / "EngService" / "detailCommon.json"
    rows = {row["contentid"]: row for row in orjson.loads(file.read_bytes())}
    with_text = "select overview_en, homepage_url from attractions where overview_en is not null"
    texts = loaded.query(with_text)
    assert len(texts) == sum(bool(row["overview"]) for row in rows.values())
    assert not any("<" in text or ("&" in text and ";" in text) for text, _ in texts)
    homepages = {url for _, url in texts if url}
    assert all(url.startswith(("http://", "https://")) and "<" not in url for url in homepages)
    assert loaded.rejected("tour/place_details") == []


def test_every_recorded_stay_is_a_lodging(loaded: LoadedRecordings, recordings: Path) -> None:
    rows = recorded(recordings, "searchStay2")
    assert len(rows) == 423
    ids = loaded.ids(
        "select substr(id, 4)"
        " from (select lodging_id as id from lodgings"
        "       union select unnest(string_to_array(also_in, ', ')) from lodgings) as ids"
        " where id like 'ko-%'"
    )
    assert ids == {row["contentid"] for row in rows}


def test_every_recorded_festival_is_an_event_or_is_rejected_with_a_reason(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    rows = recorded(recordings, "searchFestival2")
    assert len(rows) == 201
    without_end = {row["contentid"] for row in rows if row["eventenddate"] == "None"}
    ids = loaded.ids(
        "select replace(id, 'tour-ko-', '')"
        " from (select event_id as id from events"
        "       union select unnest(string_to_array(also_in, ', ')) from events) as ids"
        " where id like 'tour-ko-%'"
    )
    assert ids == {row["contentid"] for row in rows} - without_end
    rejected = loaded.rejected("tour/festivals")
    assert {row["row"]["contentid"] for row in rejected} == without_end
    assert all("date is 'None', not %Y%m%d" in row["reason"] for row in rejected)
    assert all((loaded.home / "lake" / row["raw_file"]).is_file() for row in rejected)


def performances(recordings: Path) -> list[etree._Element]:
    root = etree.parse(recordings / "kopis" / "pblprfr_detail.xml").getroot()
    return list(root.iterfind("db"))


def test_every_recorded_performance_is_an_event_at_its_venue(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    recorded_pairs = {
        (f"kopis-{performance.findtext('mt20id')}", performance.findtext("mt10id"))
        for performance in performances(recordings)
    }
    assert len(recorded_pairs) == 1278
    rows = loaded.query(
        "select event_id, replace(venue_id, 'kopis-', '') from events where event_id like 'kopis-%'"
    )
    assert set(rows) == recorded_pairs
    assert loaded.rejected("kopis/performances") == []
    assert loaded.rejected("kopis/performance_details") == []


def test_prices_are_those_in_the_recorded_price_texts(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    price_texts = {
        f"kopis-{performance.findtext('mt20id')}": (
            performance.findtext("pcseguidance") or ""
        ).strip()
        for performance in performances(recordings)
    }
    rows = loaded.query(
        "select event_id, price_text, min_price_krw, max_price_krw, is_free from events"
        " where event_id like 'kopis-%'"
    )
    for event_id, text, min_price, max_price, is_free in rows:
        assert text == price_texts[event_id]
        amounts = [
            int(part.rsplit(" ", 1)[-1].removesuffix("원").replace(",", ""))
            for part in text.split(", ")
            if part.endswith("원")
        ]
        assert (is_free or False) == (text == "전석무료"), text
        if amounts:
            assert (int(min_price), int(max_price)) == (min(amounts), max(amounts)), text


def test_every_recorded_venue_arrives(loaded: LoadedRecordings, recordings: Path) -> None:
    root = etree.parse(recordings / "kopis" / "prfplc.xml").getroot()
    names = {db.findtext("mt10id"): db.findtext("fcltynm") for db in root.iterfind("db")}
    assert len(names) == 3775
    rows = loaded.query(
        "select replace(venue_id, 'kopis-', ''), name_ko from venues where venue_id like 'kopis-%'"
    )
    assert dict(rows) == {key: (name or "").strip() for key, name in names.items()}


def test_a_venue_with_a_recorded_position_has_it(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    with (recordings / "kopis" / "prfplc_detail_partial.csv").open(encoding="utf-8") as file:
        positions = {
            row["mt10id"]: (float(row["la"]), float(row["lo"])) for row in csv.DictReader(file)
        }
    rows = loaded.query("select replace(venue_id, 'kopis-', ''), latitude, longitude from venues")
    loaded_positions = {
        key: (latitude, longitude) for key, latitude, longitude in rows if key in positions
    }
    in_korea = {
        key: (latitude, longitude)
        for key, (latitude, longitude) in positions.items()
        if 33 <= latitude <= 39 and 124 <= longitude <= 132
    }
    assert len(loaded_positions) == len(positions) == 809
    assert {key: loaded_positions[key] for key in in_korea} == in_korea


def test_every_recorded_cultural_event_is_an_event_or_part_of_one(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    rows = orjson.loads((recordings / "seoul" / "culturalEventInfo.json").read_bytes())
    recorded_codes = {
        re.findall(r"cultcode=(\d+)", row["HMPG_ADDR"])[0]
        for row in rows
        if row["STRTDATE"] <= row["END_DATE"]
    }
    own = loaded.ids("select substr(event_id, 7) from events where source = 'seoul'")
    merged = loaded.ids(
        "select substr(id, 7)"
        " from (select unnest(string_to_array(also_in, ', ')) as id from events) as ids"
        " where id like 'seoul-%'"
    )
    (rejected,) = loaded.rejected("seoul/cultural_events")
    assert "not double" in rejected["reason"]
    assert len(rows) - len(recorded_codes) == 3  # that end before they start
    rejected_codes = set(re.findall(r"cultcode=(\d+)", rejected["row"]["HMPG_ADDR"]))
    assert recorded_codes - own - merged == rejected_codes
    assert own & merged == set()
    assert len(merged) == 11 + 7  # in other sources, and listed twice


def test_an_event_of_two_sources_has_overlapping_days_in_both(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    rows = orjson.loads((recordings / "seoul" / "culturalEventInfo.json").read_bytes())
    days = {
        f"seoul-{re.findall(r'cultcode=([0-9]+)', row['HMPG_ADDR'])[0]}": (
            row["STRTDATE"][:10],
            row["END_DATE"][:10],
        )
        for row in rows
    }
    merged = loaded.query(
        "select also_in, starts_on, ends_on from events"
        " where also_in like 'seoul-%' and source <> 'seoul'"
    )
    assert merged
    for record, starts_on, ends_on in merged:
        first, last = days[record]
        assert first <= str(ends_on)
        assert str(starts_on) <= last


def test_every_recorded_licence_in_operation_is_a_lodging(
    loaded: LoadedRecordings, recordings: Path
) -> None:
    rows = [
        row
        for service in ("LOCALDATA_031101", "LOCALDATA_031104")
        for row in orjson.loads((recordings / "seoul" / f"{service}.json").read_bytes())
    ]
    is_open = [row for row in rows if row["TRDSTATENM"] == "영업/정상"]
    (licensed,) = loaded.query("select count(*) from lodgings where licence_kind is not null")
    assert len(is_open) == 1444
    assert licensed == (1441,)  # three hotels hold two licences each
    (stays,) = loaded.query("select count(*) from lodgings where source = 'tour'")
    listed_twice = 2
    assert stays == (len(recorded(recordings, "searchStay2")) - listed_twice,)


def test_no_performance_or_venue_is_requested_twice(loaded: LoadedRecordings) -> None:
    assert loaded.calls["pblprfr/{id}"] == 1278
    assert loaded.calls["prfplc/{id}"] == 3775
    assert loaded.calls["prfplc"] == 38
    assert loaded.calls["KorService2/areaBasedList2"] == 2  # 1,973 rows, 1,000 a page


def test_every_text_fits_its_column_in_bytes_as_redshift_counts_them(
    loaded: LoadedRecordings,
) -> None:
    manifest = orjson.loads((loaded.home / "target" / "manifest.json").read_bytes())
    columns = [
        (f"{node['schema']}.{node['alias']}", column["name"], int(length[1]))
        for node in manifest["nodes"].values()
        if node["config"].get("contract", {}).get("enforced")
        for column in node["columns"].values()
        if (length := re.fullmatch(r"varchar\((\d+)\)", column["data_type"]))
    ]
    assert len(columns) > 300
    with duckdb.connect(str(loaded.home / "warehouse.duckdb"), read_only=True) as warehouse:
        for table, name, max_bytes in columns:
            sql = f"select {name} from {table} where strlen({name}) > {max_bytes}"
            assert warehouse.sql(sql).fetchall() == [], f"{table}.{name}"


def test_with_two_of_the_sources_their_rows_arrive_and_the_other_marts_are_empty(
    loaded: LoadedRecordings, tour_and_kopis: LoadedRecordings, recordings: Path
) -> None:
    assert tour_and_kopis.pipelines == (0, "")
    assert tour_and_kopis.build.returncode == 0, tour_and_kopis.build.stdout[-3000:]
    places = "select place_id from attractions"
    assert tour_and_kopis.ids(places) == loaded.ids(places)
    stays = tour_and_kopis.query("select source, count(*) from lodgings group by source")
    listed_twice = 2
    assert stays == [("tour", len(recorded(recordings, "searchStay2")) - listed_twice)]
    recorded_ids = {performance.findtext("mt20id") for performance in performances(recordings)}
    events = "select substr(event_id, 7) from events where source = 'kopis'"
    assert tour_and_kopis.ids(events) == recorded_ids
    sources = "select distinct source from {} order by source"
    assert tour_and_kopis.query(sources.format("events")) == [("kopis",), ("tour",)]
    venues = "select count(*) from venues where venue_id like 'kopis-%'"
    assert tour_and_kopis.query(venues) == [(3775,)]
    for table in ("weather", "fares", "exchange_rates"):
        assert tour_and_kopis.query(f"select count(*) from {table}") == [(0,)]


def test_each_matching_rule_finds_the_labelled_matches_and_nothing_wrong(
    loaded: LoadedRecordings,
) -> None:
    for result in scores(loaded.home):
        assert result.wrong == (), result.rule
        assert result.recall >= 0.97, (result.rule, result.missed)
