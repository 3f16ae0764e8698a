"""Seoul Open Data: its quirks over real HTTP, and its recorded rows into staging."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from support.pipelines import bodies, outcomes, query, run
from support.project import TODAY, point_at

from loaders.pipeline import stage
from loaders.sample_api import SampleApi
from loaders.sample_api.seoul import ERRORS
from loaders.sample_api.seoul_rows import EVENTS, HOMESTAYS, HOTELS, SPACES, STAYS, generated_rows
from loaders.sources import SOURCES, seoul
from loaders.sources.source import ApiFault

SECRET = "5a4b3c2d1e5a4b3c2d1e5a4b3c2d1e"
"""What a key of the plaza looks like."""


def said(home: Path, table: str) -> str:
    return " ".join(outcomes(home)[f"seoul.{table}"]["errors"])


def ask(api: SampleApi, path: str) -> Any:
    return requests.get(f"{api.url}/seoul/{path}", timeout=10).json()


def body(service: str, rows: list[dict[str, Any]], total: int | None = None) -> bytes:
    held = {"list_total_count": len(rows) if total is None else total}
    result = {"CODE": "INFO-000", "MESSAGE": "정상 처리되었습니다"}
    return orjson.dumps({service: {**held, "RESULT": result, "row": rows}})


def staging(table: str, rows: list[dict[str, Any]]) -> stage.Staged:
    """What becomes of the rows of one answer."""
    answer = body("any", rows)
    page = ("raw/file", {"service": HOTELS}, answer.__bytes__)
    return stage.stage(SOURCES["seoul"].table(table), [page], TODAY)


def staged(table: str, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The same rows typed, and those that are rejected."""
    result = staging(table, rows)
    return result.rows.to_pylist(), result.rejected


def test_every_row_of_the_plaza_reaches_the_warehouse(api: SampleApi, home: Path) -> None:
    assert run("seoul") == (0, "")
    rows = generated_rows(TODAY)
    codes = {re.findall(r"cultcode=(\d+)", row["HMPG_ADDR"])[0] for row in rows[EVENTS]}
    events = query(home, "select event_code from staging_seoul.cultural_events")
    assert {code for (code,) in events} == codes
    assert len(events) == len(rows[EVENTS]) > 600
    spaces = query(home, "select count(distinct space_no) from staging_seoul.cultural_spaces")
    assert spaces == [(len(rows[SPACES]),)]
    lodgings = dict(query(home, "select service, count(*) from staging_seoul.lodgings group by 1"))
    assert lodgings == {service: len(rows[service]) for service in (HOTELS, STAYS, HOMESTAYS)}
    assert api.calls == Counter((EVENTS, SPACES, HOTELS, STAYS, HOMESTAYS))


def test_pages_are_asked_from_one_and_by_both_ends(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seoul, "PAGE_SIZE", 100)
    assert run("seoul", table="cultural_events") == (0, "")
    names = [it.rpartition("/")[2].split(".")[2:4] for it in bodies("seoul/cultural_events")]
    count = len(generated_rows(TODAY)[EVENTS])
    asked = sorted((int(first), int(last)) for first, last in names)
    assert asked == [(first, first + 99) for first in range(1, count + 1, 100)]
    rows = query(home, "select count(distinct event_code) from staging_seoul.cultural_events")
    assert rows == [(count,)]


def test_a_page_in_the_middle_that_is_empty_does_not_end_the_list(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seoul, "PAGE_SIZE", 100)
    api.fail(EVENTS, error="no_data", after=2)
    assert run("seoul", table="cultural_events")[0] == 1
    assert "a page without the rows that it should have" in said(home, "cultural_events")
    api.clear_faults()
    before = api.calls[EVENTS]
    assert run("seoul", table="cultural_events") == (0, "")
    pages = -(-len(generated_rows(TODAY)[EVENTS]) // 100)
    assert api.calls[EVENTS] - before == pages - 2  # the first two are kept


def test_no_data_is_an_empty_table(api: SampleApi, home: Path) -> None:
    api.fail(SPACES, error="no_data")
    assert run("seoul", table="cultural_spaces") == (0, "")
    assert query(home, "select count(*) from staging_seoul.cultural_spaces") == [(0,)]


@pytest.mark.parametrize(
    ("error", "fault", "words"),
    [
        ("bad_key", ApiFault.BAD_KEY, "code INFO-100"),
        ("xml_bad_key", ApiFault.BAD_KEY, "check SOURCES__SEOUL__SERVICE_KEY"),
        ("missing_value", ApiFault.BAD_REQUEST, "code ERROR-300"),
        ("bad_type", ApiFault.BAD_REQUEST, "code ERROR-301"),
        ("no_service", ApiFault.GONE, "code ERROR-310"),
        ("bad_start", ApiFault.BAD_REQUEST, "code ERROR-331"),
        ("bad_end", ApiFault.BAD_REQUEST, "code ERROR-332"),
        ("not_whole", ApiFault.BAD_REQUEST, "code ERROR-333"),
        ("backwards", ApiFault.BAD_REQUEST, "code ERROR-334"),
        ("sample_limit", ApiFault.BAD_KEY, "use one of your own, of data.seoul.go.kr"),
        ("too_many_rows", ApiFault.BAD_REQUEST, "a call may ask for 1000 rows"),
        ("server", ApiFault.DOWN, "code ERROR-500"),
        ("database", ApiFault.DOWN, "code ERROR-600"),
        ("sql", ApiFault.DOWN, "code ERROR-601"),
        ("quota", ApiFault.QUOTA_SPENT, "HTTP 429"),
    ],
)
def test_an_error_under_http_200_is_no_data_and_is_named(
    api: SampleApi, home: Path, error: str, fault: ApiFault, words: str
) -> None:
    api.fail(SPACES, error=error)
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert fault.value in said(home, "cultural_spaces")
    assert words in said(home, "cultural_spaces")
    assert bodies("seoul/cultural_spaces") == []
    assert api.calls[SPACES] == (5 if fault.is_transient else 1)


def test_every_documented_error_of_the_plaza_is_known() -> None:
    codes = {code for it in ERRORS.values() for code in re.findall(rb"(?:INFO|ERROR)-\d+", it.body)}
    assert {code.decode() for code in codes} == {*seoul.FAULTS, seoul.NO_DATA}


@pytest.mark.parametrize(
    "odd",
    [
        "<html>maintenance</html>",
        "[]",
        '{"culturalSpaceInfo":{"RESULT":{"CODE":"INFO-000"},"list_total_count":"?","row":[]}}',
        '{"culturalSpaceInfo":{"RESULT":{"CODE":"INFO-000"},"list_total_count":7,"row":[]}}',
    ],
)
def test_an_odd_answer_is_not_kept(api: SampleApi, home: Path, odd: str) -> None:
    api.fail(SPACES, body=odd)
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert ApiFault.UNREADABLE.value in said(home, "cultural_spaces")
    assert bodies("seoul/cultural_spaces") == []


@pytest.mark.parametrize("is_accepted", [True, False])
def test_the_key_in_the_path_is_nowhere_but_in_the_call(
    api: SampleApi,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    is_accepted: bool,
) -> None:
    if is_accepted:
        monkeypatch.setattr("loaders.sample_api.seoul.KEY", SECRET)
    monkeypatch.setenv("SOURCES__SEOUL__SERVICE_KEY", SECRET)
    moved = f"{api.url}/seoul/{SECRET}/json/{SPACES}/1/1000/"
    api.fail(SPACES, status=301, headers={"Location": moved}, times=1)
    assert run("seoul")[0] == 1
    assert bool(bodies("seoul/cultural_events")) == is_accepted
    assert "the address has moved" in said(home, "cultural_spaces")
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in "".join(capfd.readouterr())


def test_an_answer_that_repeats_the_key_is_not_kept(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SEOUL__SERVICE_KEY", SECRET)
    api.fail(SPACES, body=body(SPACES, [{"NUM": "1", "FAC_NAME": f"key {SECRET}"}]))
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert "it repeats the key" in said(home, "cultural_spaces")


def test_each_service_has_an_allowance_of_its_own(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SEOUL__DAILY_ALLOWANCE", "1")
    assert run("seoul") == (0, "")
    made = api.calls.copy()
    assert run("seoul", refresh=True)[0] == 1
    assert "SOURCES__SEOUL__DAILY_ALLOWANCE" in said(home, "lodgings")
    assert api.calls == made


def test_a_point_is_told_by_its_range_whichever_field_holds_it(api: SampleApi, home: Path) -> None:
    told = generated_rows(TODAY)
    swapped = [row for row in told[EVENTS] if row["LAT"].startswith("12")]
    assert 20 < len(swapped) < len(told[EVENTS]) / 2
    run("seoul")
    for table in ("cultural_events", "cultural_spaces"):
        ends = query(
            home,
            "select min(latitude), max(latitude), min(longitude), max(longitude)"
            f" from staging_seoul.{table}",
        )
        south, north, west, east = ends[0]
        assert 37.4 < south < north < 37.8
        assert 126.7 < west < east < 127.3


def test_a_point_that_is_no_number_rejects_its_row_and_a_blank_one_does_not() -> None:
    page = "https://x/view.do?cultcode={}&menuNo=1"
    rows, rejected = staged(
        "cultural_events",
        [
            {"HMPG_ADDR": page.format(1), "LAT": "37.5~2", "LOT": "126.9"},
            {"HMPG_ADDR": page.format(2), "LAT": "126.9", "LOT": "37.5~2"},
            {"HMPG_ADDR": page.format(3), "LAT": "", "LOT": " "},
            {"HMPG_ADDR": page.format(4), "LAT": "126.9", "LOT": "37.5"},
            {"HMPG_ADDR": "https://x/view.do?menuNo=1", "LAT": "37.5", "LOT": "126.9"},
        ],
    )
    points = {row["event_code"]: (row["latitude"], row["longitude"]) for row in rows}
    assert points == {"3": (None, None), "4": (37.5, 126.9)}
    assert [it["reason"] for it in rejected] == [
        "latitude: latitude is '37.5~2', not double",
        "latitude: latitude is '37.5~2', not double",
        "no event_code",
    ]


def test_fields_that_came_in_2026_may_be_missing_and_are_read_when_there() -> None:
    row = {**generated_rows(TODAY)[EVENTS][0], "PRO_TIME": "14:00"}
    before = {field: row[field] for field in row if field not in ("INQUIRY", "PRO_TIME")}
    for answered, time in ((row, "14:00"), (before, None)):
        read = staging("cultural_events", [answered])
        assert (read.missing_fields, read.new_fields) == ({}, {})
        assert read.rows["time_text"].to_pylist() == [time]


def test_descriptions_are_text_and_titles_in_angle_brackets_stay(
    api: SampleApi, home: Path
) -> None:
    run("seoul", table="cultural_spaces")
    texts = query(home, "select description from staging_seoul.cultural_spaces")
    for (text,) in texts:
        first, second = text.splitlines()
        assert first.endswith("이다.")
        assert second == "누구나 <미리 알리지 않고> 들를 수 있다."
    page = "https://x/view.do?cultcode={}"
    rows, _ = staged(
        "cultural_events",
        [
            {"HMPG_ADDR": page.format(1), "PROGRAM": "<SECOND STAGE: 둘째> 공연"},
            {"HMPG_ADDR": page.format(2), "PROGRAM": "<html lang="},
            {"HMPG_ADDR": page.format(3), "PROGRAM": "<p>첫째&nbsp;마당</p>둘째"},
        ],
    )
    assert [it["program"] for it in rows] == ["<SECOND STAGE: 둘째> 공연", None, "첫째 마당\n둘째"]


def test_closed_lodgings_are_staged_with_their_state(api: SampleApi, home: Path) -> None:
    run("seoul", table="lodgings")
    states = dict(
        query(
            home,
            "select trading_state_name, count(*) from staging_seoul.lodgings"
            " where (closed_on is null) = (trading_state in ('1', '01')) group by 1",
        )
    )
    assert set(states) == {"영업/정상", "폐업"}
    assert sum(states.values()) == sum(
        len(generated_rows(TODAY)[service]) for service in (HOTELS, STAYS, HOMESTAYS)
    )
    (named,) = query(home, "select count(name_en), count(*) from staging_seoul.lodgings")
    assert 100 < named[0] < named[1]


def test_a_licence_is_told_by_its_authority_and_its_number() -> None:
    rows, rejected = staged(
        "lodgings",
        [
            {"OPNSFTEAMCODE": "3000000", "MGTNO": "CDFI1", "BPLCNM": "가"},
            {"OPNSFTEAMCODE": "3010000", "MGTNO": "CDFI1", "BPLCNM": "나"},
            {"OPNSFTEAMCODE": "3010000", "MGTNO": "", "BPLCNM": "다"},
        ],
    )
    assert {row["licence_no"]: row["name"] for row in rows} == {
        "3000000-CDFI1": "가",
        "3010000-CDFI1": "나",
    }
    assert [it["reason"] for it in rejected] == ["no licence_no"]


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Between two points in Seoul, longitude first."""
    return math.hypot((one[0] - other[0]) * 88_200, (one[1] - other[1]) * 111_000)


@pytest.mark.parametrize(
    ("x", "y", "longitude", "latitude"),
    [
        ("208589.363343145  ", "445455.90405262  ", 127.0981, 37.5112),  # Lotte Hotel World
        ("205130.591678902", "445590.096837802", 127.0587, 37.5126),  # the hotel north of COEX
    ],
)
def test_a_hotel_stands_where_it_does_in_seoul(
    x: str, y: str, longitude: float, latitude: float
) -> None:
    row = {"OPNSFTEAMCODE": "1", "MGTNO": "1", "X": x, "Y": y}
    ((found,), _) = staged("lodgings", [row])
    assert metres((found["longitude"], found["latitude"]), (longitude, latitude)) < 50


def test_a_lodging_without_a_point_has_none_and_an_odd_one_is_rejected() -> None:
    rows, rejected = staged(
        "lodgings",
        [
            {"OPNSFTEAMCODE": "1", "MGTNO": "1", "X": "  ", "Y": ""},
            {"OPNSFTEAMCODE": "1", "MGTNO": "2", "X": "이십만", "Y": "450000"},
        ],
    )
    assert [(row["licence_no"], row["latitude"]) for row in rows] == [("1-1", None)]
    assert "is '450000'" not in rejected[0]["reason"]
    assert "이십만" in rejected[0]["reason"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"wrong/json/{EVENTS}/1/5/", "INFO-100"),
        (f"sample/xml/{EVENTS}/1/5/", "ERROR-301"),
        ("sample/json/culturalEvents/1/5/", "ERROR-310"),
        (f"sample/json/{EVENTS}/", "ERROR-300"),
        (f"sample/json/{EVENTS}/0/5/", "ERROR-333"),
        (f"sample/json/{EVENTS}/9/5/", "ERROR-334"),
        (f"sample/json/{EVENTS}/1/1001/", "ERROR-336"),
        (f"sample/json/{EVENTS}/900000/900001/", "INFO-200"),
    ],
)
def test_the_sample_plaza_refuses_as_the_real_one_does(
    api: SampleApi, path: str, code: str
) -> None:
    assert ask(api, path)["RESULT"]["CODE"] == code


def test_the_sample_plaza_counts_all_rows_and_answers_those_asked_for(api: SampleApi) -> None:
    answer = ask(api, f"sample/json/{EVENTS}/3/7/")[EVENTS]
    rows = generated_rows(TODAY)[EVENTS]
    assert answer["list_total_count"] == len(rows)
    assert answer["row"] == rows[2:7]
    assert min(row["END_DATE"] for row in rows) < "2026-09" < "2027" < rows[0]["STRTDATE"]


@pytest.fixture
def recorded(
    recordings: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[dict[str, str]]]:
    """The recorded rows as they stand in their files, loaded as of the day after they came."""
    monkeypatch.setenv("HELLO_KOREA_TODAY", "2025-08-31")
    with SampleApi(recordings=recordings) as api:
        point_at(api, monkeypatch)
        assert run("seoul") == (0, "")
    return {
        service: orjson.loads((recordings / "seoul" / f"{service}.json").read_bytes())
        for service in (EVENTS, SPACES, HOTELS, HOMESTAYS)
    }


def test_every_recorded_row_is_staged_or_rejected_with_a_reason(
    recorded: dict[str, list[dict[str, str]]], home: Path
) -> None:
    assert [len(rows) for rows in recorded.values()] == [2500, 500, 825, 800]
    codes = {re.findall(r"cultcode=(\d+)", row["HMPG_ADDR"])[0] for row in recorded[EVENTS]}
    rejected = [
        orjson.loads(line)
        for file in (home / "lake/rejected/seoul").rglob("*.jsonl")
        for line in file.read_bytes().splitlines()
    ]
    (odd,) = [row for row in recorded[EVENTS] if "~" in row["LAT"]]
    assert [(it["row"]["HMPG_ADDR"], it["reason"]) for it in rejected] == [
        (odd["HMPG_ADDR"], f"latitude: latitude is '{odd['LAT']}', not double")
    ]
    staged_codes = {
        code for (code,) in query(home, "select event_code from staging_seoul.cultural_events")
    }
    assert len(codes) == 2500
    assert codes - staged_codes == set(re.findall(r"cultcode=(\d+)", odd["HMPG_ADDR"]))
    spaces = {key for (key,) in query(home, "select space_no from staging_seoul.cultural_spaces")}
    assert spaces == {row["NUM"] for row in recorded[SPACES]}
    for service in (HOTELS, HOMESTAYS):
        licences = query(
            home, f"select licence_no from staging_seoul.lodgings where service = '{service}'"
        )
        assert {key for (key,) in licences} == {
            f"{row['OPNSFTEAMCODE']}-{row['MGTNO']}" for row in recorded[service]
        }
        assert len(licences) == len(recorded[service])


def test_recorded_days_points_and_texts_are_those_of_the_rows(
    recorded: dict[str, list[dict[str, str]]], home: Path
) -> None:
    told = {re.findall(r"cultcode=(\d+)", row["HMPG_ADDR"])[0]: row for row in recorded[EVENTS]}
    rows = query(
        home,
        "select event_code, starts_on, ends_on, title, latitude, longitude"
        " from staging_seoul.cultural_events",
    )
    for code, starts_on, ends_on, title, latitude, longitude in rows:
        row = told[code]
        assert (f"{starts_on}", f"{ends_on}") == (row["STRTDATE"][:10], row["END_DATE"][:10])
        assert title == row["TITLE"].strip()
        point = {float(row[name]) for name in ("LAT", "LOT") if row[name]}
        assert {latitude, longitude} - {None} == point
        assert latitude is None or latitude < 39 < 124 < longitude
    texts = query(home, "select description from staging_seoul.cultural_spaces")
    tags = re.compile(r"</?(div|span|p|br|table|td)\b|&nbsp;|style=")
    assert [text for (text,) in texts if text and tags.search(text)] == []
    assert sum(text is not None for (text,) in texts) > 480
    assert outcomes(home)["seoul.cultural_events"]["rejected"] == 1


def test_recorded_hotels_stand_where_tourapi_has_them(
    recorded: dict[str, list[dict[str, str]]], recordings: Path, home: Path
) -> None:
    file = recordings / "tourapi/KorService2/searchStay2.json"
    stays = {
        row["title"].replace(" ", ""): (float(row["mapx"]), float(row["mapy"]))
        for row in orjson.loads(file.read_bytes())
    }
    rows = query(
        home,
        "select replace(name, ' ', ''), longitude, latitude from staging_seoul.lodgings"
        f" where service = '{HOTELS}' and longitude is not null and trading_state = '01'",
    )
    apart = sorted(metres((x, y), stays[name]) for name, x, y in rows if name in stays)
    assert len(apart) > 50
    assert apart[len(apart) // 2] < 15
    (president,) = [metres((x, y), stays[name]) for name, x, y in rows if name == "프레지던트호텔"]
    assert president < 50
