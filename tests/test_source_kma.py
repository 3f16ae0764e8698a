"""Weather: the agency's quirks over real HTTP, and its recorded responses in the warehouse."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from support.pipelines import query, run, table_results
from support.project import ENOUGH_SECONDS, PROJECT, TODAY, point_at

from loaders.sample_api import SampleApi
from loaders.sources import SOURCES, kma
from loaders.sources.source import ApiError, ApiFault, ApiRequest, ExtractRequest

pytestmark = pytest.mark.usefixtures("staging_tables")

SHORT = "VilageFcstInfoService_2.0/getVilageFcst"
MID = "MidFcstInfoService/getMidTa"
LAND = "MidFcstInfoService/getMidLandFcst"
DAILY = "AsosDalyInfoService/getWthrDataList"
YESTERDAY = TODAY - timedelta(days=1)


def get(api: SampleApi, operation: str, **params: str | int) -> requests.Response:
    common: dict[str, str | int] = {
        "serviceKey": "sample",
        "dataType": "JSON",
        "numOfRows": 999,
    }
    url = f"{api.url}/kma/{operation}"
    return requests.get(url, params={**common, **params}, timeout=ENOUGH_SECONDS)


def params_while_empty(api_request: ApiRequest) -> list[dict[str, str]]:
    """The parameters of each call of a request while no response has rows."""
    paginator, params = api_request.paginator(), []
    request = requests.Request(params=dict(api_request.params))
    paginator.init_request(request)
    while True:
        params.append({key: str(value) for key, value in request.params.items()})
        paginator.update_state(requests.Response(), [])
        if not paginator.has_next_page:
            return params
        paginator.update_request(request)


def extract_request(**options: object) -> ExtractRequest:
    defaults = {
        name: option.convert(option.default) for name, option in SOURCES["kma"].options.items()
    }
    return ExtractRequest(TODAY, defaults | options)


@pytest.mark.parametrize(
    ("latitude", "longitude", "cell"),
    [
        (37.5665, 126.9780, (60, 127)),  # Seoul City Hall
        (37.5172, 127.0473, (61, 126)),  # Gangnam
        (35.1796, 129.0756, (98, 76)),  # Busan
        (33.4996, 126.5312, (53, 38)),  # Jeju
    ],
)
def test_points_have_the_grid_cells_that_the_agency_publishes(
    latitude: float, longitude: float, cell: tuple[int, int]
) -> None:
    assert kma.grid_cell(latitude, longitude) == cell


def test_dbt_joins_districts_by_the_cells_of_the_requested_forecasts() -> None:
    with (PROJECT / "seeds" / "districts.csv").open(encoding="utf-8") as file:
        districts = list(csv.DictReader(file))
    assert len(districts) == 25
    for district in districts:
        cell = kma.grid_cell(float(district["latitude"]), float(district["longitude"]))
        assert (int(district["grid_x"]), int(district["grid_y"])) == cell
        assert cell in kma.CELLS


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("강수없음", "0", "0"),
        ("적설없음", "0", "0"),
        ("-", "0", "0"),
        ("1mm 미만", "0", "1"),
        ("0.5cm 미만", "0", "0.5"),
        ("1.0mm", "1.0", "1.0"),
        ("30.0~50.0mm", "30.0", "50.0"),
        ("50.0mm 이상", "50.0", None),
        ("5.0cm 이상", "5.0", None),
    ],
)
def test_an_amount_in_words_becomes_a_range(text: str, least: str, most: str | None) -> None:
    assert kma.amount_range(text) == (least, most)


def test_an_unpublished_base_time_falls_back_to_the_ones_of_the_day_before_it() -> None:
    (first, *_) = SOURCES["kma"].table("short_forecasts").requests(extract_request())
    names = ("base_date", "base_time", "pageNo")
    requested = [tuple(params[name] for name in names) for params in params_while_empty(first)]
    today, yesterday = f"{TODAY:%Y%m%d}", f"{YESTERDAY:%Y%m%d}"
    assert requested == [
        *((today, time, "1") for time in ("0500", "0200")),
        *((yesterday, time, "1") for time in ("2300", "2000", "1700", "1400", "1100", "0800")),
    ]


def test_the_mid_term_forecast_falls_back_to_the_evening_before() -> None:
    for request in SOURCES["kma"].table("mid_forecasts").requests(extract_request()):
        issued = [params["tmFc"] for params in params_while_empty(request)]
        assert issued == [f"{TODAY:%Y%m%d}0600", f"{YESTERDAY:%Y%m%d}1800"]


@pytest.fixture
def before_dawn(api: SampleApi) -> SampleApi:
    """The newest forecast is not published yet, whatever the hour of the test."""
    no_data = '{"response":{"header":{"resultCode":"03","resultMsg":"NO_DATA"}}}'
    api.fail(SHORT, body=no_data, times=1)
    return api


def test_no_data_without_a_body_is_kept_and_the_forecast_before_it_is_loaded(
    before_dawn: SampleApi, home: Path
) -> None:
    assert run("kma", table="short_forecasts") == (0, "")
    cells = query(home, "select distinct nx, ny from staging_kma.short_forecasts order by 1, 2")
    assert cells == [tuple(cell) for cell in kma.CELLS]
    result = table_results(home)["kma.short_forecasts"]
    assert result["rejected"] == 0
    calls = before_dawn.calls[SHORT]
    assert calls == result["calls"] == result["pages"]
    assert run("kma", table="short_forecasts") == (0, "")
    assert before_dawn.calls[SHORT] == calls


def test_a_forecast_of_several_pages_is_loaded_completely(api: SampleApi, home: Path) -> None:
    assert run("kma", table="short_forecasts") == (0, "")
    hours = query(
        home,
        "select nx, ny, count(*) filter (category = 'TMP'), count(*) filter (category = 'REH')"
        " from staging_kma.short_forecasts group by 1, 2",
    )
    assert len(hours) == len(kma.CELLS)
    assert all(temperatures == humidities >= 66 for _, _, temperatures, humidities in hours)
    extremes = query(
        home,
        "select distinct category, hour(forecast_at) from staging_kma.short_forecasts"
        " where category in ('TMN', 'TMX') order by 1",
    )
    assert extremes == [("TMN", 6), ("TMX", 15)]


def test_values_of_nine_hundred_and_beyond_are_missing(api: SampleApi, home: Path) -> None:
    assert run("kma", table="short_forecasts") == (0, "")
    waves = "select distinct value_text, value_min, value_max from staging_kma.short_forecasts"
    assert query(home, f"{waves} where category = 'WAV'") == [("-999", None, None)]


def test_an_unreadable_amount_is_rejected_with_a_reason(api: SampleApi, home: Path) -> None:
    forecasts = (
        get(api, SHORT, nx=60, ny=127, **base).json() for base in kma.base_times(TODAY, "0200")
    )
    published = next(forecast for forecast in forecasts if "body" in forecast["response"])
    body = published["response"]["body"]
    item = body["items"]["item"][0] | {"category": "PCP", "fcstValue": "많음"}
    body |= {"items": {"item": [item]}, "totalCount": 1}
    api.fail(SHORT, body=json.dumps(published), times=1)
    assert run("kma", table="short_forecasts") == (0, "")
    assert table_results(home)["kma.short_forecasts"]["rejected"] == 1
    (file,) = (home / "lake" / "rejected" / "kma").rglob("rows.jsonl")
    assert "least is '많음'" in orjson.loads(file.read_bytes())["reason"]


def test_a_wide_mid_term_response_becomes_one_row_per_half_of_a_day(
    api: SampleApi, home: Path
) -> None:
    assert run("kma", table="mid_forecasts") == (0, "")
    rows = query(
        home,
        "select region, day, half, low_temperature is not null, rain_chance is not null,"
        " hour(issued_at) from staging_kma.mid_forecasts order by all",
    )
    first = 4 if rows[0][5] == 6 else 5
    land = [
        *((day, half) for day in range(first, 8) for half in ("am", "pm")),
        *((day, "day") for day in (8, 9, 10)),
    ]
    assert [row[1:5] for row in rows if row[0] == kma.SEOUL_LAND] == [
        (*key, False, True) for key in land
    ]
    assert [row[1:5] for row in rows if row[0] == kma.SEOUL_TEMPERATURES] == [
        (day, "day", True, False) for day in range(first, 11)
    ]


def test_an_unpublished_base_time_does_not_count_as_a_list_that_changed(
    api: SampleApi, home: Path
) -> None:
    api.fail(SHORT, error="no_data", times=1)
    assert run("kma", table="short_forecasts") == (0, "")
    result = table_results(home)["kma.short_forecasts"]
    assert result["loaded"]
    assert result["notes"] == []


def test_observations_end_yesterday_and_take_several_pages(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KMA__OBSERVATION_DAYS_BACK", "1500")
    assert run("kma", table="daily_observations") == (0, "")
    assert query(
        home, "select min(date), max(date), count(*) from staging_kma.daily_observations"
    ) == [(TODAY - timedelta(days=1500), YESTERDAY, 1500)]
    assert api.calls[DAILY] == 2


def test_ten_years_of_observations_are_asked_for_once_a_year(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "past_observations"
    assert run("kma", table=table, date="2025-11-20..2025-11-22") == (0, "")
    assert api.calls[DAILY] == 4
    kept = "select min(date), max(date), count(*) from staging_kma.past_observations"
    assert query(home, kept) == [(date(2015, 1, 1), date(2024, 12, 31), 3653)]
    assert query(
        home,
        "select count(*) from staging_kma.past_observations where strftime(date, '%m%d') = '0229'",
    ) == [(3,)]
    # A year's last days are checked in the first days of the next.
    assert run("kma", table=table, date="2026-01-07") == (0, "")
    assert api.calls[DAILY] == 4
    assert run("kma", table=table, date="2026-01-08") == (0, "")
    assert api.calls[DAILY] == 8
    assert run("kma", table=table) == (0, "")
    assert api.calls[DAILY] == 8
    monkeypatch.setenv("SOURCES__KMA__CLIMATE_YEARS", "1")
    assert run("kma", table=table, refresh=True) == (0, "")
    assert api.calls[DAILY] == 9
    newest = f"{kept} where logical_date = '2026-01-01'"
    assert query(home, newest) == [(date(2025, 1, 1), date(2025, 12, 31), 365)]


def test_the_calls_for_past_years_are_planned(
    api: SampleApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("kma", table="past_observations", plan=True)
    assert re.search(r"past_observations +2026-01-01 +at least 4 ", capsys.readouterr().out)
    run("kma", table="past_observations")
    run("kma", table="past_observations", plan=True)
    assert re.search(r"past_observations +2026-01-01 +0 .*kept", capsys.readouterr().out)
    assert api.calls[DAILY] == 4


@pytest.mark.parametrize("years", ["0", "31", "ten"])
def test_a_wrong_number_of_years_is_reported(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch, years: str
) -> None:
    monkeypatch.setenv("SOURCES__KMA__CLIMATE_YEARS", years)
    code, message = run("kma", plan=True)
    assert code == 2
    expected = f"SOURCES__KMA__CLIMATE_YEARS is '{years}': expected a number of years from 1 to 30"
    assert expected in message


def test_observations_are_available_for_a_past_date(api: SampleApi, home: Path) -> None:
    assert run("kma", date="2026-11-01") == (0, "")
    newest = query(home, "select max(date) from staging_kma.daily_observations")
    assert newest == [(date(2026, 10, 31),)]
    assert (
        "does not answer for a past date" in table_results(home)["kma.short_forecasts"]["notes"][0]
    )


def test_a_request_for_todays_observations_is_refused_for_good(api: SampleApi) -> None:
    period = {"startDt": f"{YESTERDAY:%Y%m%d}", "endDt": f"{TODAY:%Y%m%d}"}
    response = get(api, DAILY, dataCd="ASOS", dateCd="DAY", stnIds="108", **period)
    with pytest.raises(ApiError, match="전날 자료까지") as raised:
        kma.check_response(response)
    assert raised.value.fault is ApiFault.BAD_REQUEST


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ("bad_key", ApiFault.BAD_KEY),
        ("retired", ApiFault.GONE),
        ("quota", ApiFault.QUOTA_SPENT),
        ("quota_envelope_200", ApiFault.QUOTA_SPENT),
        ("rate_limit", ApiFault.BUSY),
        ("forwarding", ApiFault.DOWN),
        ("legacy_quota", ApiFault.QUOTA_SPENT),
        ("legacy_timeout", ApiFault.DOWN),
        ("database", ApiFault.DOWN),
        ("invalid", ApiFault.BAD_REQUEST),
        ("not_yet_observed", ApiFault.BAD_REQUEST),
    ],
)
def test_each_form_of_error_has_its_fault(api: SampleApi, error: str, fault: ApiFault) -> None:
    api.fail(DAILY, error=error)
    with pytest.raises(ApiError) as raised:
        kma.check_response(get(api, DAILY))
    assert raised.value.fault is fault


def test_a_wrong_base_time_is_reported_with_the_valid_ones(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KMA__BASE_TIME", "0600")
    code, message = run("kma")
    assert code == 2
    assert message.startswith("SOURCES__KMA__BASE_TIME is '0600': expected one of 0200, 0500")


@pytest.fixture
def recorded(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleApi]:
    monkeypatch.setenv("HELLO_KOREA_TODAY", "2026-10-04")
    with SampleApi(recordings=recordings, today=date(2026, 10, 4)) as api:
        point_at(api, monkeypatch)
        yield api


def single_item(file: Path) -> dict[str, Any]:
    (item,) = json.loads(file.read_bytes())["response"]["body"]["items"]["item"]
    return dict(item)


def test_recorded_mid_term_forecasts_arrive(
    recorded: SampleApi, home: Path, recordings: Path
) -> None:
    assert run("kma", table="mid_forecasts") == (0, "")
    assert table_results(home)["kma.mid_forecasts"]["rejected"] == 0
    assert table_results(home)["kma.mid_forecasts"]["notes"] == []
    item = single_item(recordings / "kma/mid/getMidTa_11B10101_202610040600.json")
    rows = query(
        home,
        "select day, low_temperature, low_temperature_less, high_temperature,"
        f" high_temperature_more, region, half, strftime(issued_at, '{kma.MINUTE}')"
        f" from staging_kma.mid_forecasts where region = '{kma.SEOUL_TEMPERATURES}' order by day",
    )
    assert rows == [
        (
            *(day, item[f"taMin{day}"], item[f"taMin{day}Low"]),
            *(item[f"taMax{day}"], item[f"taMax{day}High"]),
            *(item["regId"], "day", "202610040600"),
        )
        for day in range(4, 11)
    ]
    item = single_item(recordings / "kma/mid/getMidLandFcst_11B00000_202610040600.json")
    rows = query(
        home,
        "select day, half, rain_chance, weather from staging_kma.mid_forecasts"
        f" where region = '{kma.SEOUL_LAND}' order by day, half",
    )
    suffixes = {"am": "Am", "pm": "Pm", "day": ""}
    assert len(rows) == 11
    for day, half, chance, weather in rows:
        assert chance == item[f"rnSt{day}{suffixes[half]}"]
        assert weather == item[f"wf{day}{suffixes[half]}"]


def test_every_recorded_observation_of_seoul_arrives(
    recorded: SampleApi, home: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KMA__OBSERVATION_DAYS_BACK", "1800")
    assert run("kma", table="daily_observations") == (0, "")
    assert table_results(home)["kma.daily_observations"]["rejected"] == 0
    days = json.loads((recordings / "kma/asos/daebong_asos_daily_filtered.json").read_bytes())
    seoul = sorted(day["tm"] for day in days if day["stnId"] == "108")
    arrived = query(
        home, "select cast(date as text) from staging_kma.daily_observations order by 1"
    )
    assert [day for (day,) in arrived] == ["2022-01-01", *seoul]
    assert len(seoul) == 50
    (day,) = query(
        home,
        "select low_temperature, rain_mm, mean_humidity, sunshine_hours, mean_cloud"
        " from staging_kma.daily_observations where date = '2022-01-01'",
    )
    assert day == (-10.2, None, 46.3, 9.0, 1.4)
