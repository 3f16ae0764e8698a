"""Seoul Open Data: the API's quirks over real HTTP, and the recorded rows in staging."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from support.pipelines import bodies, query, run, table_results
from support.project import ENOUGH_SECONDS, TODAY, point_at

from loaders.pipeline import stage
from loaders.sample_api import SampleApi
from loaders.sample_api.seoul import ERRORS
from loaders.sample_api.seoul_rows import EVENTS, HOMESTAYS, HOTELS, SPACES, STAYS, generated_rows
from loaders.sources import SOURCES, seoul
from loaders.sources.source import ApiFault

pytestmark = pytest.mark.usefixtures("staging_tables")

SECRET = "5a4b3c2d1e5a4b3c2d1e5a4b3c2d1e"
"""A key in the plaza's format."""


def errors(home: Path, table: str) -> str:
    return " ".join(table_results(home)[f"seoul.{table}"]["errors"])


def get(api: SampleApi, path: str) -> Any:
    return requests.get(f"{api.url}/seoul/{path}", timeout=ENOUGH_SECONDS).json()


def body(service: str, rows: list[dict[str, Any]], total: int | None = None) -> bytes:
    total_count = len(rows) if total is None else total
    result = {"CODE": "INFO-000", "MESSAGE": "정상 처리되었습니다"}
    return orjson.dumps({service: {"list_total_count": total_count, "RESULT": result, "row": rows}})


def stage_rows(table: str, rows: list[dict[str, Any]]) -> stage.Staged:
    """Stage a page with these rows."""
    staged_table = SOURCES["seoul"].table(table)
    parsed = staged_table.read(body("any", rows))
    return stage.stage(staged_table, [("file", {"service": HOTELS}, lambda: parsed)], TODAY)


def staged_and_rejected(
    table: str, rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """The rows of `stage_rows` that are staged, and those that are rejected."""
    result = stage_rows(table, rows)
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


def test_pages_are_requested_from_row_one_by_their_first_and_last_row(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seoul, "PAGE_SIZE", 100)
    assert run("seoul", table="cultural_events") == (0, "")
    names = [key.rpartition("/")[2].split(".")[2:4] for key in bodies("seoul/cultural_events")]
    count = len(generated_rows(TODAY)[EVENTS])
    requested = sorted((int(first), int(last)) for first, last in names)
    assert requested == [(first, first + 99) for first in range(1, count + 1, 100)]
    rows = query(home, "select count(distinct event_code) from staging_seoul.cultural_events")
    assert rows == [(count,)]


def test_an_empty_page_in_the_middle_does_not_end_the_list(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seoul, "PAGE_SIZE", 100)
    api.fail(EVENTS, error="no_data", after=2)
    assert run("seoul", table="cultural_events")[0] == 1
    assert "a page without the rows that it should have" in errors(home, "cultural_events")
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
    ("error", "fault", "message"),
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
        ("sample_limit", ApiFault.BAD_KEY, "use your own, from data.seoul.go.kr"),
        ("too_many_rows", ApiFault.BAD_REQUEST, "a call may request at most 1000 rows"),
        ("server", ApiFault.DOWN, "code ERROR-500"),
        ("database", ApiFault.DOWN, "code ERROR-600"),
        ("sql", ApiFault.DOWN, "code ERROR-601"),
        ("quota", ApiFault.QUOTA_SPENT, "HTTP 429"),
    ],
)
def test_an_error_with_http_200_is_named_and_not_kept(
    api: SampleApi, home: Path, error: str, fault: ApiFault, message: str
) -> None:
    api.fail(SPACES, error=error)
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert fault.value in errors(home, "cultural_spaces")
    assert message in errors(home, "cultural_spaces")
    assert bodies("seoul/cultural_spaces") == []
    assert api.calls[SPACES] == (5 if fault.is_transient else 1)


def test_every_documented_error_of_the_plaza_is_known() -> None:
    codes = {
        code for error in ERRORS.values() for code in re.findall(rb"(?:INFO|ERROR)-\d+", error.body)
    }
    assert {code.decode() for code in codes} == {*seoul.FAULTS, seoul.NO_DATA}


@pytest.mark.parametrize(
    "malformed",
    [
        "<html>maintenance</html>",
        "[]",
        '{"culturalSpaceInfo":{"RESULT":{"CODE":"INFO-000"},"list_total_count":"?","row":[]}}',
        '{"culturalSpaceInfo":{"RESULT":{"CODE":"INFO-000"},"list_total_count":7,"row":[]}}',
    ],
)
def test_a_malformed_response_is_not_kept(api: SampleApi, home: Path, malformed: str) -> None:
    api.fail(SPACES, body=malformed)
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert ApiFault.UNREADABLE.value in errors(home, "cultural_spaces")
    assert bodies("seoul/cultural_spaces") == []


def test_a_list_with_fewer_rows_than_its_total_is_not_complete(api: SampleApi, home: Path) -> None:
    rows = generated_rows(TODAY)[SPACES]
    api.fail(SPACES, body=body(SPACES, rows, total=900))
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert f"{len(rows)} rows of a list of 900" in errors(home, "cultural_spaces")
    assert len(bodies("seoul/cultural_spaces")) == 1


@pytest.mark.parametrize("is_accepted", [True, False])
def test_the_key_in_the_path_is_neither_stored_nor_printed(
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
    assert "the address has moved" in errors(home, "cultural_spaces")
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in "".join(capfd.readouterr())


def test_a_response_that_repeats_the_key_is_not_kept(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SEOUL__SERVICE_KEY", SECRET)
    api.fail(SPACES, body=body(SPACES, [{"NUM": "1", "FAC_NAME": f"key {SECRET}"}]))
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert "it contains the key" in errors(home, "cultural_spaces")


def test_a_response_that_repeats_the_key_escaped_is_not_kept(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SEOUL__SERVICE_KEY", SECRET)
    escaped = SECRET.replace(SECRET[0], f"%{ord(SECRET[0]):02x}")
    api.fail(SPACES, body=body(SPACES, [{"NUM": "1", "FAC_NAME": f"key {escaped}"}]))
    assert run("seoul", table="cultural_spaces")[0] == 1
    assert "it contains the key" in errors(home, "cultural_spaces")
    assert bodies("seoul/cultural_spaces") == []


def test_each_service_has_its_own_allowance(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SEOUL__DAILY_ALLOWANCE", "1")
    assert run("seoul") == (0, "")
    calls = api.calls.copy()
    assert run("seoul", refresh=True)[0] == 1
    assert "SOURCES__SEOUL__DAILY_ALLOWANCE" in errors(home, "lodgings")
    assert api.calls == calls


def test_latitude_and_longitude_are_recognised_in_either_field(api: SampleApi, home: Path) -> None:
    events = generated_rows(TODAY)[EVENTS]
    swapped = [event for event in events if event["LAT"].startswith("12")]
    assert 20 < len(swapped) < len(events) / 2
    run("seoul")
    for table in ("cultural_events", "cultural_spaces"):
        ((south, north, west, east),) = query(
            home,
            "select min(latitude), max(latitude), min(longitude), max(longitude)"
            f" from staging_seoul.{table}",
        )
        assert 37.4 < south < north < 37.8
        assert 126.7 < west < east < 127.3


def test_a_point_that_is_not_a_number_rejects_its_row_and_a_blank_one_does_not() -> None:
    page = "https://x/view.do?cultcode={}&menuNo=1"
    rows, rejected = staged_and_rejected(
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
    assert [rejection["reason"] for rejection in rejected] == [
        "latitude: latitude is '37.5~2', not double",
        "latitude: latitude is '37.5~2', not double",
        "no event_code",
    ]


def test_fields_added_in_2026_are_read_and_may_be_missing() -> None:
    new = {**generated_rows(TODAY)[EVENTS][0], "PRO_TIME": "14:00"}
    old = {field: new[field] for field in new if field not in ("INQUIRY", "PRO_TIME")}
    for event, time in ((new, "14:00"), (old, None)):
        staged = stage_rows("cultural_events", [event])
        assert (staged.missing_fields, staged.new_fields) == ({}, {})
        assert staged.rows["time_text"].to_pylist() == [time]


def test_html_becomes_text_and_titles_in_angle_brackets_stay(api: SampleApi, home: Path) -> None:
    run("seoul", table="cultural_spaces")
    texts = query(home, "select description from staging_seoul.cultural_spaces")
    for (text,) in texts:
        first, second = text.splitlines()
        assert first.endswith("이다.")
        assert second == "누구나 <미리 알리지 않고> 들를 수 있다."
    page = "https://x/view.do?cultcode={}"
    rows, _ = staged_and_rejected(
        "cultural_events",
        [
            {"HMPG_ADDR": page.format(1), "PROGRAM": "<SECOND STAGE: 둘째> 공연"},
            {"HMPG_ADDR": page.format(2), "PROGRAM": "<html lang="},
            {"HMPG_ADDR": page.format(3), "PROGRAM": "<p>첫째&nbsp;마당</p>둘째"},
        ],
    )
    assert [row["program"] for row in rows] == [
        "<SECOND STAGE: 둘째> 공연",
        None,
        "첫째 마당\n둘째",
    ]


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
    ((with_english_name, count),) = query(
        home, "select count(name_en), count(*) from staging_seoul.lodgings"
    )
    assert 100 < with_english_name < count


def test_a_licence_is_identified_by_its_authority_and_number() -> None:
    rows, rejected = staged_and_rejected(
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
    assert [rejection["reason"] for rejection in rejected] == ["no licence_no"]


def metres(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Distance between two points in Seoul, longitude first."""
    return math.hypot((first[0] - second[0]) * 88_200, (first[1] - second[1]) * 111_000)


@pytest.mark.parametrize(
    ("x", "y", "longitude", "latitude"),
    [
        ("208589.363343145  ", "445455.90405262  ", 127.0981, 37.5112),  # Lotte Hotel World
        ("205130.591678902", "445590.096837802", 127.0587, 37.5126),  # the hotel north of COEX
    ],
)
def test_the_coordinates_of_a_hotel_are_converted_to_its_position(
    x: str, y: str, longitude: float, latitude: float
) -> None:
    row = {"OPNSFTEAMCODE": "1", "MGTNO": "1", "X": x, "Y": y}
    ((hotel,), _) = staged_and_rejected("lodgings", [row])
    assert metres((hotel["longitude"], hotel["latitude"]), (longitude, latitude)) < 50


def test_a_lodging_may_lack_a_point_and_an_unreadable_point_is_rejected() -> None:
    rows, rejected = staged_and_rejected(
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
    assert get(api, path)["RESULT"]["CODE"] == code


def test_the_sample_plaza_counts_all_rows_and_returns_the_requested_ones(api: SampleApi) -> None:
    response = get(api, f"sample/json/{EVENTS}/3/7/")[EVENTS]
    rows = generated_rows(TODAY)[EVENTS]
    assert response["list_total_count"] == len(rows)
    assert response["row"] == rows[2:7]
    assert min(row["END_DATE"] for row in rows) < "2026-09" < "2027" < rows[0]["STRTDATE"]


@pytest.fixture
def recorded(
    recordings: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[dict[str, str]]]:
    """The recorded rows by service, after a run on the day after they were recorded."""
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
    (unreadable,) = [row for row in recorded[EVENTS] if "~" in row["LAT"]]
    assert [(rejection["row"]["HMPG_ADDR"], rejection["reason"]) for rejection in rejected] == [
        (unreadable["HMPG_ADDR"], f"latitude: latitude is '{unreadable['LAT']}', not double")
    ]
    staged_codes = {
        code for (code,) in query(home, "select event_code from staging_seoul.cultural_events")
    }
    assert len(codes) == 2500
    assert codes - staged_codes == set(re.findall(r"cultcode=(\d+)", unreadable["HMPG_ADDR"]))
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


def test_recorded_dates_points_and_texts_arrive_unchanged_but_for_html(
    recorded: dict[str, list[dict[str, str]]], home: Path
) -> None:
    recorded_events = {
        re.findall(r"cultcode=(\d+)", row["HMPG_ADDR"])[0]: row for row in recorded[EVENTS]
    }
    rows = query(
        home,
        "select event_code, starts_on, ends_on, title, latitude, longitude"
        " from staging_seoul.cultural_events",
    )
    for code, starts_on, ends_on, title, latitude, longitude in rows:
        row = recorded_events[code]
        assert (f"{starts_on}", f"{ends_on}") == (row["STRTDATE"][:10], row["END_DATE"][:10])
        assert title == row["TITLE"].strip()
        point = {float(row[name]) for name in ("LAT", "LOT") if row[name]}
        assert {latitude, longitude} - {None} == point
        assert latitude is None or latitude < 39 < 124 < longitude
    texts = query(home, "select description from staging_seoul.cultural_spaces")
    tags = re.compile(r"</?(div|span|p|br|table|td)\b|&nbsp;|style=")
    assert [text for (text,) in texts if text and tags.search(text)] == []
    assert sum(text is not None for (text,) in texts) > 480
    assert table_results(home)["seoul.cultural_events"]["rejected"] == 1


def test_recorded_hotels_have_the_positions_of_tourapi(
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
    distances = sorted(metres((x, y), stays[name]) for name, x, y in rows if name in stays)
    assert len(distances) > 50
    assert distances[len(distances) // 2] < 15
    (president,) = [metres((x, y), stays[name]) for name, x, y in rows if name == "프레지던트호텔"]
    assert president < 50
