"""The Korea Meteorological Administration: forecasts for Seoul's districts, and observations.

Documentation: data.go.kr 15084084 (short-term forecasts), 15059468 (mid-term forecasts), 15059093
(daily observations). The response for a forecast that is not published yet is "no data"; the
forecast before it is requested then.
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
from loaders.sources.data_go_kr import (
    PAGE_SIZE,
    TotalCountPaginator,
    check_gateway_response,
    items,
)
from loaders.sources.source import (
    ApiError,
    ApiFault,
    ApiRequest,
    ExtractRequest,
    FallbackPaginator,
    Option,
    Row,
    Source,
    Table,
    code_,
    date_,
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
DAYS_UNTIL_COMPLETE = 7
"""Days after which the observations of a year are complete and checked."""
OBSERVATIONS_PAGE_SIZE = 999
COMMON_PARAMS = {"dataType": "JSON", "numOfRows": str(PAGE_SIZE)}
BASE_TIMES = ("0200", "0500", "0800", "1100", "1400", "1700", "2000", "2300")
"""KST times at which a short-term forecast is made."""
MINUTE = "%Y%m%d%H%M"
MISSING = 900
"""Values of at least this, or at most its negative, mean that there is no value."""


def grid_cell(latitude: float, longitude: float) -> tuple[int, int]:
    """Return the cell (nx, ny) of the forecasts' 5 km grid that contains a point in degrees.

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
    """Return the distinct cells of the districts, at the points by which dbt joins them."""
    with (PROJECT / "seeds" / "districts.csv").open(encoding="utf-8") as file:
        points = [(float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(file)]
    return tuple(sorted({grid_cell(*point) for point in points}))


CELLS = _cells()


class PagedFallbackPaginator(TotalCountPaginator):
    """Request with each set of parameters in turn until one has rows, then all its pages."""

    def __init__(self, *parameter_sets: dict[str, str]) -> None:
        super().__init__()
        self._fallback = FallbackPaginator(*parameter_sets)

    def init_request(self, request: Request) -> None:
        self._fallback.init_request(request)
        super().init_request(request)

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        if data:
            super().update_state(response, data)
        else:
            self._fallback.update_state(response, data)
            self._has_next_page = self._fallback.has_next_page

    def update_request(self, request: Request) -> None:
        if self.page == 1:  # no set of parameters had rows yet
            self._fallback.update_request(request)
        super().update_request(request)


def check_response(response: Response) -> None:
    """Raise ApiError unless the response is data.

    The refusal of observations of today or later is a bad request, so that it is not retried.
    """
    try:
        check_gateway_response(response)
    except ApiError as error:
        # Its code is 99, that of an unknown fault.
        if error.fault is ApiFault.DOWN and "전날 자료까지" in error.message:
            raise ApiError(ApiFault.BAD_REQUEST, error.message, response) from None
        raise


def read_short_forecasts(body: bytes) -> pa.Table:
    """Return a row per category and hour, with the least and the most of each value."""
    return text_columns([_forecast(row) for row in items(body)])


def _forecast(row: Row) -> Row:
    value = str(row.get("fcstValue") or "").strip()
    is_amount = row.get("category") in ("PCP", "SNO")
    least, most = amount_range(value) if is_amount else (value, value)
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


def amount_range(text: str) -> tuple[str | None, str | None]:
    """Return the least and the most of an amount of rain (mm) or snow (cm).

    "강수없음" (no rain), "적설없음" (no snow), "-" and an empty text are zero. "1mm 미만" is less
    than 1, "30.0~50.0mm" a range, and "50.0mm 이상" 50 or more, without a most. Any other text is
    returned as both, without spaces and units, so that the row is rejected if it is not a number.
    """
    amount = re.sub(r"[\s㎜㎝]|mm|cm", "", text)
    if amount in ("강수없음", "적설없음", "-", ""):
        return "0", "0"
    if below := re.fullmatch(r"([\d.]+)미만", amount):
        return "0", below[1]
    if above := re.fullmatch(r"([\d.]+)이상", amount):
        return above[1], None
    if between := re.fullmatch(r"([\d.]+)~([\d.]+)", amount):
        return between[1], between[2]
    return amount, amount


def _is_missing(value: str | None) -> bool:
    match = re.fullmatch(r"[-+]?(\d+)(\.\d+)?", value or "")
    return match is not None and int(match[1]) >= MISSING


_MID_FIELD = re.compile(r"(rnSt|wf|taMin|taMax)(\d+)(Am|Pm|Low|High)?")


def read_mid_forecasts(body: bytes) -> pa.Table:
    """Return a row per day ahead and half of the day: `am`, `pm`, or `day` for a full day.

    The response has one field per value, day and half, such as `rnSt4Am`. Temperatures come with
    their margins, `taMin4Low` to subtract and `taMin4High` to add.
    """
    return text_columns([row for item in items(body) for row in _mid_rows(item)])


def _mid_rows(item: Row) -> Iterator[Row]:
    rows: dict[tuple[int, str], Row] = {}
    common: Row = {}
    for field, value in item.items():
        parts = _MID_FIELD.fullmatch(field)
        if parts is None:
            common[field] = value
        elif value not in ("", None) and not _is_missing(str(value)):
            name, ahead, suffix = parts.groups(default="")
            half = suffix.lower() if suffix in ("Am", "Pm") else "day"
            row = rows.setdefault((int(ahead), half), {"ahead": ahead, "half": half})
            row[name + (suffix if suffix in ("Low", "High") else "")] = value
    for key in sorted(rows):
        yield {**common, **rows[key]}


def read_observations(body: bytes) -> pa.Table:
    """Return daily observations, with a value that means a missing one as an empty text.

    Air pressures of `MISSING` and more are real, but have no column.
    """
    return text_columns(
        [
            {field: "" if _is_missing(value) else value for field, value in row.items()}
            for row in items(body)
        ]
    )


def base_times(on: date, first: str) -> Iterator[dict[str, str]]:
    """Yield the parameters of base times, newest first: `first` of a date and the 7 before it."""
    newest = datetime.strptime(f"{on:%Y%m%d}{first}", MINUTE)
    for earlier in range(len(BASE_TIMES)):
        base = newest - timedelta(hours=3 * earlier)
        yield {"base_date": f"{base:%Y%m%d}", "base_time": f"{base:%H%M}"}


def _short_forecasts(request: ExtractRequest) -> Iterator[ApiRequest]:
    parameter_sets = tuple(base_times(request.logical_date, request.options["base_time"]))
    for nx, ny in CELLS:
        yield ApiRequest(
            path="VilageFcstInfoService_2.0/getVilageFcst",
            params=COMMON_PARAMS | {"nx": str(nx), "ny": str(ny)},
            paginator=partial(PagedFallbackPaginator, *parameter_sets),
        )


def _mid_forecasts(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the morning forecast, which starts at day 4, not at day 5 as the evening's does.

    Until it is published, the forecast of the evening before is requested.
    """
    parameter_sets = (
        {"tmFc": f"{request.logical_date:%Y%m%d}0600"},
        {"tmFc": f"{request.logical_date - timedelta(days=1):%Y%m%d}1800"},
    )
    for operation, region in (("getMidTa", SEOUL_TEMPERATURES), ("getMidLandFcst", SEOUL_LAND)):
        yield ApiRequest(
            path=f"MidFcstInfoService/{operation}",
            params=COMMON_PARAMS | {"regId": region},
            paginator=partial(FallbackPaginator, *parameter_sets),
            echo=("tmFc",),
        )


def _daily_observations(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the days before the logical date: with a later day, the API refuses all of them."""
    first = request.logical_date - timedelta(days=request.options["observation_days_back"])
    last = request.logical_date - timedelta(days=1)
    if first <= last:
        yield _observations(first, last)


def newest_january(day: date) -> date:
    """Return the first day of a date's year, or of the year before if that began just now."""
    return (day - timedelta(days=DAYS_UNTIL_COMPLETE)).replace(month=1, day=1)


def _past_observations(request: ExtractRequest) -> Iterator[ApiRequest]:
    """Request the full years before the logical date's year, a page of days at a time."""
    end = request.logical_date.replace(month=1, day=1)
    first = end.replace(year=end.year - request.options["climate_years"])
    while first < end:
        next_first = min(first + timedelta(days=OBSERVATIONS_PAGE_SIZE), end)
        yield _observations(first, next_first - timedelta(days=1))
        first = next_first


def _observations(first: date, last: date) -> ApiRequest:
    return ApiRequest(
        path="AsosDalyInfoService/getWthrDataList",
        params={
            **COMMON_PARAMS,
            "numOfRows": str(OBSERVATIONS_PAGE_SIZE),
            "dataCd": "ASOS",
            "dateCd": "DAY",
            "startDt": f"{first:%Y%m%d}",
            "endDt": f"{last:%Y%m%d}",
            "stnIds": SEOUL_STATION,
        },
        paginator=TotalCountPaginator,
    )


def _climate_years(value: str) -> int:
    if not re.fullmatch(r"\d{1,2}", value) or not 1 <= int(value) <= 30:
        raise ValueError(value)
    return int(value)


def _base_time(value: str) -> str:
    if value not in BASE_TIMES:
        raise ValueError(value)
    return value


IGNORED_OBSERVATIONS = frozenset(
    {
        *("avgLmac", "avgPa", "avgPs", "avgPv", "avgTd", "avgTs", "ddMefs", "ddMefsHrmt"),
        *("ddMesHrmt", "hr1MaxIcsr", "hr1MaxIcsrHrmt", "hr1MaxRnHrmt", "hr24SumRws"),
        *("maxInsWsHrmt", "maxInsWsWd", "maxPs", "maxPsHrmt", "maxTaHrmt", "maxWd", "maxWs"),
        *("maxWsHrmt", "maxWsWd", "mi10MaxRn", "mi10MaxRnHrmt", "minPs", "minPsHrmt", "minRhm"),
        *("minRhmHrmt", "minTaHrmt", "minTg", "n99Rn", "ssDur", "sumFogDur", "sumGsr"),
        *("sumLrgEv", "sumSmlEv"),
        # Temperatures in the ground, by depth.
        *("avgCm5Te", "avgCm10Te", "avgCm20Te", "avgCm30Te"),
        *("avgM05Te", "avgM10Te", "avgM15Te", "avgM30Te", "avgM50Te"),
    }
)

OBSERVATION_COLUMNS = (
    code_("station", "stnId", 10),
    date_("date", "tm", "%Y-%m-%d"),
    text("station_name", "stnNm", 100),
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
)

SOURCE = Source(
    name="kma",
    base_url="https://apis.data.go.kr/1360000",
    key_url="https://www.data.go.kr",
    extension="json",
    daily_allowance=10_000,
    authenticate=key_in_query("serviceKey"),
    check_response=check_response,
    operation=lambda path: path,
    options={
        # The last one with the day's lowest (06:00) and highest (15:00) temperature.
        "base_time": Option("0500", _base_time, f"expected one of {', '.join(BASE_TIMES)}"),
        "observation_days_back": Option("365", days, "expected a number of days from 0 to 3660"),
        "climate_years": Option("10", _climate_years, "expected a number of years from 1 to 30"),
    },
    tables=(
        Table(
            name="short_forecasts",
            primary_key=("nx", "ny", "base_at", "category", "forecast_at"),
            history_day="forecast_at",
            columns=(
                integer("nx", "nx"),
                integer("ny", "ny"),
                timestamp("base_at", "base_at", MINUTE),
                code_("category", "category"),
                timestamp("forecast_at", "forecast_at", MINUTE),
                text("value_text", "fcstValue"),
                number("value_min", "least"),
                number("value_max", "most"),
            ),
            requests=_short_forecasts,
            read=read_short_forecasts,
        ),
        Table(
            name="mid_forecasts",
            primary_key=("region", "issued_at", "day", "half"),
            columns=(
                code_("region", "regId", 10),
                timestamp("issued_at", "tmFc", MINUTE),
                integer("day", "ahead"),
                code_("half", "half"),
                # Temperatures and the weather come in separate responses.
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
            read=read_mid_forecasts,
        ),
        Table(
            name="daily_observations",
            primary_key=("station", "date"),
            columns=OBSERVATION_COLUMNS,
            ignored_fields=IGNORED_OBSERVATIONS,
            requests=_daily_observations,
            read=read_observations,
            answers_past=True,
        ),
        # The years before, for what is usual on a day. They are asked for once a year.
        Table(
            name="past_observations",
            primary_key=("station", "date"),
            columns=OBSERVATION_COLUMNS,
            ignored_fields=IGNORED_OBSERVATIONS,
            requests=_past_observations,
            read=read_observations,
            answers_past=True,
            kept_under=newest_january,
        ),
    ),
)
