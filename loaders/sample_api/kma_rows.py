"""The weather that the sample of the Korea Meteorological Administration forecasts and observes.

Fields, units and texts come from the API's documentation and from responses recorded from 2022 to
2026. The weather is invented. It is a function of the date, so that a forecast and the observation
that follows it agree. Monthly means are close to those of Seoul.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from loaders.sample_api.facts import pick
from loaders.sample_api.service import recorded_file

Item = dict[str, Any]

MEAN_TEMPERATURES = (-2.0, 0.7, 6.1, 12.6, 18.2, 22.7, 25.3, 26.1, 21.6, 15.0, 7.5, 0.2)
"""Degrees Celsius by month, January first."""
RAIN_DAYS = (6, 6, 7, 8, 8, 10, 16, 14, 9, 6, 9, 8)
"""Days with rain or snow in a month of thirty days, January first."""
SKY_WORDS = {1: "맑음", 3: "구름많음", 4: "흐림"}
PRECIPITATION_WORDS = {1: "비", 2: "비/눈", 3: "눈"}
MISSING = "-999"


@dataclass(frozen=True)
class Weather:
    """Weather of one day in Seoul. Temperatures in degrees Celsius, humidity in %, wind in m/s."""

    low: float
    high: float
    sky: int
    """1 clear, 3 mostly cloudy, 4 overcast."""
    precipitation_type: int
    """0 none, 1 rain, 2 rain and snow, 3 snow."""
    precipitation_mm: float
    precipitation_hour: int
    """Hour in which precipitation begins. It lasts six hours."""
    humidity: int
    wind: float


@dataclass(frozen=True)
class KmaRows:
    """Recorded rows. Everything that was not recorded is generated on request."""

    mid: dict[tuple[str, str], Item] = field(default_factory=dict)
    """Mid-term forecasts by operation and time of issue."""
    observations: list[Item] | None = None


def weather_on(day: date) -> Weather:
    month = day.month - 1
    mean = _usual_temperature(day) + (pick(81, day, "mean") - 40) / 10
    is_wet = pick(30, day, "rain") < RAIN_DAYS[month]
    return Weather(
        low=round(mean - 3 - pick(30, day, "low") / 10, 1),
        high=round(mean + 3 + pick(40, day, "high") / 10, 1),
        sky=4 if is_wet else (1, 1, 3, 4)[pick(4, day, "sky")],
        precipitation_type=_precipitation_type(mean) if is_wet else 0,
        precipitation_mm=_precipitation_mm(day) if is_wet else 0.0,
        precipitation_hour=pick(18, day, "from"),
        humidity=(75 if is_wet else 50) + pick(20, day, "humidity"),
        wind=round(1 + pick(40, day, "wind") / 10, 1),
    )


def _usual_temperature(day: date) -> float:
    """Return the mean of the date, between those of the two nearest months' middles."""
    months, share = divmod(day.month - 1 + (day.day - 15) / 30, 1)
    before, after = (MEAN_TEMPERATURES[(int(months) + offset) % 12] for offset in (0, 1))
    return before + (after - before) * share


def _precipitation_type(mean_temperature: float) -> int:
    if mean_temperature > 3:
        return 1
    return 2 if mean_temperature > 1 else 3


def _precipitation_mm(day: date) -> float:
    """Return the day's precipitation. Some days of the rainy season have a downpour."""
    if day.month in (7, 8) and pick(6, day, "downpour") == 0:
        return 240.0 + 120 * pick(2, day, "more")
    return (1 + pick(600, day, "mm")) / 10


def short_forecast(nx: int, ny: int, base: datetime) -> list[Item]:
    """Return a grid cell's forecast from the hour after the base time to the end of day three."""
    last = datetime.combine(base.date() + timedelta(days=3), time(23))
    hours = int((last - base).total_seconds() // 3600)
    return [
        {
            "baseDate": f"{base:%Y%m%d}",
            "baseTime": f"{base:%H%M}",
            "category": category,
            "fcstDate": f"{at:%Y%m%d}",
            "fcstTime": f"{at:%H%M}",
            "fcstValue": value,
            "nx": nx,
            "ny": ny,
        }
        for at in (base + timedelta(hours=hour) for hour in range(1, hours + 1))
        for category, value in _hourly_values(nx, ny, at)
    ]


def _hourly_values(nx: int, ny: int, at: datetime) -> Iterator[tuple[str, str]]:
    """Yield category and value of one forecast hour."""
    weather = weather_on(at.date())
    cell_offset = ((nx + ny) % 3 - 1) * 0.5  # neighbouring cells differ
    swing = math.cos((at.hour - 15) / 24 * 2 * math.pi)
    mean, half_range = (weather.low + weather.high) / 2, (weather.high - weather.low) / 2
    temperature = mean + half_range * swing + cell_offset
    start = weather.precipitation_hour
    is_wet = weather.precipitation_type and start <= at.hour < start + 6
    amount = weather.precipitation_mm / 6 if is_wet else 0.0
    is_snow = weather.precipitation_type == 3
    direction = pick(360, at.date(), at.hour // 6)
    yield "TMP", f"{temperature:.0f}"
    yield "UUU", f"{-weather.wind * math.sin(math.radians(direction)):.1f}"
    yield "VVV", f"{-weather.wind * math.cos(math.radians(direction)):.1f}"
    yield "VEC", str(direction)
    yield "WSD", f"{weather.wind:.1f}"
    yield "SKY", str(weather.sky)
    yield "PTY", str(weather.precipitation_type if is_wet else 0)
    yield "POP", str(60 + pick(5, at) * 10 if is_wet else pick(3, at) * 10)
    yield "WAV", MISSING  # wave height: Seoul has no sea
    yield "PCP", _rain_text(0.0 if is_snow else amount)
    yield "REH", str(weather.humidity)
    yield "SNO", _snow_text(amount / 10 if is_snow else 0.0)
    if at.hour == 6:
        yield "TMN", f"{weather.low + cell_offset:.1f}"
    if at.hour == 15:
        yield "TMX", f"{weather.high + cell_offset:.1f}"


def _rain_text(mm: float) -> str:
    if mm == 0:
        return "강수없음"
    if mm < 1:
        return "1mm 미만"
    if mm < 30:
        return f"{mm:.1f}mm"
    return "30.0~50.0mm" if mm < 50 else "50.0mm 이상"


def _snow_text(cm: float) -> str:
    if cm == 0:
        return "적설없음"
    if cm < 0.5:
        return "0.5cm 미만"
    return f"{cm:.1f}cm" if cm < 5 else "5.0cm 이상"


def mid_temperatures(region: str, issued_at: datetime) -> Item:
    """Return a region's minimum and maximum temperatures of the days ahead, in one wide item."""
    item: Item = {"regId": region}
    for ahead, day in _days_ahead(issued_at):
        weather, margin = weather_on(day), 1 if ahead < 8 else 2
        for name, value in (("taMin", round(weather.low)), ("taMax", round(weather.high))):
            item |= {f"{name}{ahead}": value}
            item |= {f"{name}{ahead}Low": margin, f"{name}{ahead}High": margin}
    return item


def mid_land(region: str, issued_at: datetime) -> Item:
    """Return a region's weather of the days ahead, in one wide item.

    Days up to the seventh have a morning and an afternoon, later days one value.
    """
    item: Item = {"regId": region}
    for ahead, day in _days_ahead(issued_at):
        weather = weather_on(day)
        text = SKY_WORDS[weather.sky]
        if weather.precipitation_type:
            text = f"흐리고 {PRECIPITATION_WORDS[weather.precipitation_type]}"
        for half in ("Am", "Pm") if ahead < 8 else ("",):
            item[f"rnSt{ahead}{half}"] = 80 if weather.precipitation_type else 10
            item[f"wf{ahead}{half}"] = text
    return item


def _days_ahead(issued_at: datetime) -> Iterator[tuple[int, date]]:
    """Yield offset and date of each forecast day, up to the tenth.

    The morning forecast begins with the fourth day, the evening forecast with the fifth.
    """
    for ahead in range(4 if issued_at.hour == 6 else 5, 11):
        yield ahead, issued_at.date() + timedelta(days=ahead)


def observation(day: date) -> Item:
    """Return one day's observation of the station in Seoul. What did not occur is blank."""
    weather = weather_on(day)
    is_wet, is_snow = bool(weather.precipitation_type), weather.precipitation_type == 3
    item = dict.fromkeys(OBSERVATION_FIELDS, "")
    return item | {
        "stnId": "108",
        "stnNm": "서울",
        "tm": f"{day}",
        "avgTa": f"{(weather.low + weather.high) / 2:.1f}",
        "minTa": f"{weather.low:.1f}",
        "minTaHrmt": "0612",
        "maxTa": f"{weather.high:.1f}",
        "maxTaHrmt": "1504",
        "sumRn": f"{weather.precipitation_mm:.1f}" if is_wet else "",
        "sumRnDur": "6.00" if is_wet else "",
        "hr1MaxRn": f"{weather.precipitation_mm / 6:.1f}" if is_wet else "",
        "sumDpthFhsc": f"{weather.precipitation_mm / 10:.1f}" if is_snow else "",
        "ddMes": f"{weather.precipitation_mm / 10:.1f}" if is_snow else "",
        "avgWs": f"{weather.wind:.1f}",
        "maxInsWs": f"{weather.wind * 2.5:.1f}",
        "avgRhm": f"{weather.humidity:.1f}",
        "sumSsHr": f"{(9.0, 5.0, 1.0)[(1, 3, 4).index(weather.sky)]:.1f}",
        "avgTca": f"{(1.4, 6.0, 9.5)[(1, 3, 4).index(weather.sky)]:.1f}",
    }


OBSERVATION_FIELDS = (
    *("stnId", "stnNm", "tm", "avgTa", "minTa", "minTaHrmt", "maxTa", "maxTaHrmt", "mi10MaxRn"),
    *("mi10MaxRnHrmt", "hr1MaxRn", "hr1MaxRnHrmt", "sumRnDur", "sumRn", "maxInsWs", "maxInsWsWd"),
    *("maxInsWsHrmt", "maxWs", "maxWsWd", "maxWsHrmt", "avgWs", "hr24SumRws", "maxWd", "avgTd"),
    *("minRhm", "minRhmHrmt", "avgRhm", "avgPv", "avgPa", "maxPs", "maxPsHrmt", "minPs"),
    *("minPsHrmt", "avgPs", "ssDur", "sumSsHr", "hr1MaxIcsrHrmt", "hr1MaxIcsr", "sumGsr"),
    *("ddMefs", "ddMefsHrmt", "ddMes", "ddMesHrmt", "sumDpthFhsc", "avgTca", "avgLmac", "avgTs"),
    *("minTg", "avgCm5Te", "avgCm10Te", "avgCm20Te", "avgCm30Te", "avgM05Te", "avgM10Te"),
    *("avgM15Te", "avgM30Te", "avgM50Te", "sumLrgEv", "sumSmlEv", "n99Rn", "iscs", "sumFogDur"),
)


def generated_rows(today: date) -> KmaRows:
    """Return no rows: the weather is computed from the date of each request."""
    return KmaRows()


def recorded_rows(folder: Path) -> KmaRows:
    mid = {
        (operation, issued_at): _items(
            recorded_file(folder, f"kma/mid/{operation}_{region}_{issued_at}.json")
        )[0]
        for operation, region in (("getMidTa", "11B10101"), ("getMidLandFcst", "11B00000"))
        for issued_at in ("202610040600", "202610041800")
    }
    days = json.loads(
        recorded_file(folder, "kma/asos/daebong_asos_daily_filtered.json").read_bytes()
    )
    first_day = _items(recorded_file(folder, "kma/asos/getWthrDataList_108_2022-01-01.json"))
    return KmaRows(mid, [*first_day, *days])


def _items(file: Path) -> list[Item]:
    items: list[Item] = json.loads(file.read_bytes())["response"]["body"]["items"]["item"]
    return items
