"""The Korea Meteorological Administration: forecasts for Seoul's districts, and observations.

Documentation: data.go.kr 15084084 (short-term forecasts), 15059468 (mid-term forecasts), 15059093
(daily observations). A forecast that is not out yet is answered by "no data": the one before it is
asked for then.
"""

import csv
import math
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial

import pyarrow as pa
from requests import Request, Response

from loaders.settings import PROJECT
from loaders.sources.data_go_kr import PAGE_SIZE, TotalCountPaginator, check_pages, items
from loaders.sources.source import (
    ApiError,
    ApiFault,
    ApiRequest,
    ExtractRequest,
    FirstWithRows,
    Option,
    Row,
    Source,
    Table,
    day,
    days,
    integer,
    key_in_query,
    number,
    optional,
    text,
    text_columns,
    timestamp,
)

SEOUL_TEMPERATURES, SEOUL_LAND = "11B10101", "11B00000"
"""Regions of the mid-term forecasts: Seoul; Seoul, Incheon and Gyeonggi."""
SEOUL_STATION = "108"
OBSERVATIONS_A_PAGE = 999
PAGE = {"dataType": "JSON", "numOfRows": str(PAGE_SIZE)}
BASE_TIMES = ("0200", "0500", "0800", "1100", "1400", "1700", "2000", "2300")
MISSING = 900
"""From here on, and below its negative, a value says that there is none."""


def grid_cell(latitude: float, longitude: float) -> tuple[int, int]:
    """The cell (nx, ny) of the forecasts' 5 km grid that a point in degrees lies in.

    Lambert conformal conic, with the constants of the documentation of 15084084.
    """
    radius = 6371.00877 / 5.0  # of the Earth, in cells
    first, second = math.radians(30.0), math.radians(60.0)
    longitude_0, latitude_0 = math.radians(126.0), math.radians(38.0)
    x_0, y_0 = 43, 136

    def stretch(angle: float) -> float:
        return math.tan(math.pi / 4 + angle / 2)

    sn = math.log(math.cos(first) / math.cos(second)) / math.log(stretch(second) / stretch(first))
    sf = stretch(first) ** sn * math.cos(first) / sn
    ra = radius * sf / stretch(math.radians(latitude)) ** sn
    ro = radius * sf / stretch(latitude_0) ** sn
    theta = sn * (math.radians(longitude) - longitude_0)
    return (
        math.floor(ra * math.sin(theta) + x_0 + 0.5),
        math.floor(ro - ra * math.cos(theta) + y_0 + 0.5),
    )


def _cells() -> tuple[tuple[int, int], ...]:
    """The distinct cells of the districts, by the points that dbt joins them by."""
    with (PROJECT / "seeds" / "districts.csv").open(encoding="utf-8") as file:
        points = [(float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(file)]
    return tuple(sorted({grid_cell(*point) for point in points}))


CELLS = _cells()


class EarlierPages(TotalCountPaginator):
    """Asks with one set of parameters after the other until one has rows, then for its pages."""

    def __init__(self, *steps: dict[str, str]) -> None:
        super().__init__()
        self._earlier = FirstWithRows(*steps)

    def init_request(self, request: Request) -> None:
        self._earlier.init_request(request)
        super().init_request(request)

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        if data:
            super().update_state(response, data)
        else:
            self._earlier.update_state(response, data)
            self._has_next_page = self._earlier.has_next_page

    def update_request(self, request: Request) -> None:
        if self.page == 1:  # no step had rows yet
            self._earlier.update_request(request)
        super().update_request(request)


def check_response(response: Response) -> None:
    try:
        check_pages(response)
    except ApiError as error:
        # Observations of today or later are refused under the code of an unknown fault.
        if error.fault is ApiFault.DOWN and "전날 자료까지" in error.message:
            raise ApiError(ApiFault.BAD_REQUEST, error.message, response) from None
        raise


def read_short(body: bytes) -> pa.Table:
    """Forecast values, one row per category and hour, the amounts among them as ranges."""
    return text_columns([_forecast(row) for row in items(body)])


def _forecast(row: Row) -> Row:
    value = str(row.get("fcstValue") or "").strip()
    least, most = amount(value) if row.get("category") in ("PCP", "SNO") else (value, value)
    if _is_missing(least):
        least = most = None
    return {
        "nx": row.get("nx"),
        "ny": row.get("ny"),
        "category": row.get("category"),
        "base_at": f"{row.get('baseDate') or ''}{row.get('baseTime') or ''}",
        "forecast_at": f"{row.get('fcstDate') or ''}{row.get('fcstTime') or ''}",
        "fcstValue": value,
        "least": least,
        "most": most,
    }


def amount(said: str) -> tuple[str | None, str | None]:
    """The least and the most of an amount of rain (mm) or snow (cm), an open end as None.

    "강수없음" is none, as are "-" and nothing at all; "1mm 미만" is less than 1, "30.0~50.0mm" a
    range, "50.0mm 이상" 50 or more. What is none of these is given back: the row is rejected by it.
    """
    plain = re.sub(r"[\s㎜㎝]|mm|cm", "", said)
    if plain in ("강수없음", "적설없음", "-", ""):
        return "0", "0"
    if below := re.fullmatch(r"([\d.]+)미만", plain):
        return "0", below[1]
    if above := re.fullmatch(r"([\d.]+)이상", plain):
        return above[1], None
    if between := re.fullmatch(r"([\d.]+)~([\d.]+)", plain):
        return between[1], between[2]
    return plain, plain


def _is_missing(value: str | None) -> bool:
    found = re.fullmatch(r"[-+]?(\d+)(\.\d+)?", value or "")
    return found is not None and int(found[1]) >= MISSING


_MID_FIELD = re.compile(r"(rnSt|wf|taMin|taMax)(\d+)(Am|Pm|Low|High)?")


def read_mid(body: bytes) -> pa.Table:
    """One row per day ahead and half of it (`am`, `pm`, or `day` where it is told whole).

    The answer has a field for each. Temperatures come with what may be taken off or added.
    """
    return text_columns([row for item in items(body) for row in _mid_rows(item)])


def _mid_rows(item: Row) -> Iterator[Row]:
    rows: dict[tuple[int, str], Row] = {}
    same: Row = {}
    for field, value in item.items():
        parts = _MID_FIELD.fullmatch(field)
        if parts is None:
            same[field] = value
        elif value not in ("", None) and not _is_missing(str(value)):
            name, ahead, suffix = parts.groups(default="")
            half = suffix.lower() if suffix in ("Am", "Pm") else "day"
            row = rows.setdefault((int(ahead), half), {"ahead": ahead, "half": half})
            row[name + (suffix if suffix in ("Low", "High") else "")] = value
    for key in sorted(rows):
        yield {**same, **rows[key]}


def read_observations(body: bytes) -> pa.Table:
    """Days of observations. An air pressure is as high as what means missing, but has no column."""
    return text_columns(
        [
            {field: "" if _is_missing(value) else value for field, value in row.items()}
            for row in items(body)
        ]
    )


def base_times(on: date, first: str) -> Iterator[dict[str, str]]:
    """The base time of a day, then those before it, for a day."""
    start = datetime.strptime(f"{on:%Y%m%d}{first}", "%Y%m%d%H%M")
    for step in range(len(BASE_TIMES)):
        at = start - timedelta(hours=3 * step)
        yield {"base_date": f"{at:%Y%m%d}", "base_time": f"{at:%H%M}"}


def _short_forecasts(request: ExtractRequest) -> Iterator[ApiRequest]:
    steps = tuple(base_times(request.logical_date, request.options["base_time"]))
    for nx, ny in CELLS:
        yield ApiRequest(
            path="VilageFcstInfoService_2.0/getVilageFcst",
            params=PAGE | {"nx": str(nx), "ny": str(ny)},
            paginator=partial(EarlierPages, *steps),
        )


def _mid_forecasts(request: ExtractRequest) -> Iterator[ApiRequest]:
    """The morning's, which reaches back to day 4; while it is not out, the evening's before it."""
    steps = (
        {"tmFc": f"{request.logical_date:%Y%m%d}0600"},
        {"tmFc": f"{request.logical_date - timedelta(days=1):%Y%m%d}1800"},
    )
    for operation, region in (("getMidTa", SEOUL_TEMPERATURES), ("getMidLandFcst", SEOUL_LAND)):
        yield ApiRequest(
            path=f"MidFcstInfoService/{operation}",
            params=PAGE | {"regId": region},
            paginator=partial(FirstWithRows, *steps),
            echo=("tmFc",),
        )


def _daily_observations(request: ExtractRequest) -> Iterator[ApiRequest]:
    """To the day before at the latest: a later one is refused with all the others."""
    first = request.logical_date - timedelta(days=request.options["observation_days_back"])
    last = request.logical_date - timedelta(days=1)
    if first <= last:
        yield ApiRequest(
            path="AsosDalyInfoService/getWthrDataList",
            params={
                **PAGE,
                "numOfRows": str(OBSERVATIONS_A_PAGE),
                "dataCd": "ASOS",
                "dateCd": "DAY",
                "startDt": f"{first:%Y%m%d}",
                "endDt": f"{last:%Y%m%d}",
                "stnIds": SEOUL_STATION,
            },
            paginator=TotalCountPaginator,
        )


def _base_time(value: str) -> str:
    if value not in BASE_TIMES:
        raise ValueError(value)
    return value


MINUTE = "%Y%m%d%H%M"
OTHER_OBSERVATIONS = frozenset(
    {
        *("avgLmac", "avgPa", "avgPs", "avgPv", "avgTd", "avgTs", "ddMefs", "ddMefsHrmt"),
        *("ddMesHrmt", "hr1MaxIcsr", "hr1MaxIcsrHrmt", "hr1MaxRnHrmt", "hr24SumRws"),
        *("maxInsWsHrmt", "maxInsWsWd", "maxPs", "maxPsHrmt", "maxTaHrmt", "maxWd", "maxWs"),
        *("maxWsHrmt", "maxWsWd", "mi10MaxRn", "mi10MaxRnHrmt", "minPs", "minPsHrmt", "minRhm"),
        *("minRhmHrmt", "minTaHrmt", "minTg", "n99Rn", "ssDur", "sumFogDur", "sumGsr"),
        *("sumLrgEv", "sumSmlEv"),
        # In the ground, by depth.
        *("avgCm5Te", "avgCm10Te", "avgCm20Te", "avgCm30Te"),
        *("avgM05Te", "avgM10Te", "avgM15Te", "avgM30Te", "avgM50Te"),
    }
)

SOURCE = Source(
    name="kma",
    base_url="https://apis.data.go.kr/1360000",
    extension="json",
    daily_allowance=10_000,
    authenticate=key_in_query("serviceKey"),
    check_response=check_response,
    operation=lambda path: path,
    options={
        # The last one that still tells the day's lowest (06:00) and highest (15:00) temperature.
        "base_time": Option("0500", _base_time, f"expected one of {', '.join(BASE_TIMES)}"),
        "observation_days_back": Option("365", days, "expected whole days from 0 to 3660"),
    },
    tables=(
        Table(
            name="short_forecasts",
            primary_key=("nx", "ny", "base_at", "category", "forecast_at"),
            columns=(
                integer("nx", "nx"),
                integer("ny", "ny"),
                timestamp("base_at", "base_at", MINUTE),
                text("category", "category"),
                timestamp("forecast_at", "forecast_at", MINUTE),
                text("value_text", "fcstValue"),
                number("value_min", "least"),
                number("value_max", "most"),
            ),
            requests=_short_forecasts,
            read=read_short,
        ),
        Table(
            name="mid_forecasts",
            primary_key=("region", "issued_at", "day", "half"),
            columns=(
                text("region", "regId"),
                timestamp("issued_at", "tmFc", MINUTE),
                integer("day", "ahead"),
                text("half", "half"),
                # Temperatures and the weather come in answers of their own.
                *(
                    optional(column)
                    for column in (
                        number("low_temperature", "taMin"),
                        number("low_temperature_less", "taMinLow"),
                        number("low_temperature_more", "taMinHigh"),
                        number("high_temperature", "taMax"),
                        number("high_temperature_less", "taMaxLow"),
                        number("high_temperature_more", "taMaxHigh"),
                        integer("rain_chance", "rnSt"),
                        text("weather", "wf"),
                    )
                ),
            ),
            requests=_mid_forecasts,
            read=read_mid,
        ),
        Table(
            name="daily_observations",
            primary_key=("station", "date"),
            columns=(
                text("station", "stnId"),
                day("date", "tm", "%Y-%m-%d"),
                text("station_name", "stnNm"),
                number("mean_temperature", "avgTa"),
                number("low_temperature", "minTa"),
                number("high_temperature", "maxTa"),
                number("rain_mm", "sumRn"),
                number("most_rain_in_an_hour_mm", "hr1MaxRn"),
                number("rain_hours", "sumRnDur"),
                number("new_snow_cm", "sumDpthFhsc"),
                number("most_snow_cm", "ddMes"),
                number("mean_wind", "avgWs"),
                number("strongest_gust", "maxInsWs"),
                number("mean_humidity", "avgRhm"),
                number("sunshine_hours", "sumSsHr"),
                number("mean_cloud", "avgTca"),
                text("phenomena", "iscs"),
            ),
            ignored_fields=OTHER_OBSERVATIONS,
            requests=_daily_observations,
            read=read_observations,
            answers_past=True,
        ),
    ),
)
