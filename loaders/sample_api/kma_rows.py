"""The weather that the sample of the Korea Meteorological Administration tells of.

Fields, units and texts are those of the API's documentation and of answers recorded in 2022 to
2026. What is made up is the weather: a function of the day, so that a forecast and the observation
that follows it agree. Monthly means are about those of Seoul.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from loaders.sample_api.facts import pick
from loaders.sample_api.service import recording

Item = dict[str, Any]

MEAN_TEMPERATURES = (-2.0, 0.7, 6.1, 12.6, 18.2, 22.7, 25.3, 26.1, 21.6, 15.0, 7.5, 0.2)
RAIN_DAYS = (6, 6, 7, 8, 8, 10, 16, 14, 9, 6, 9, 8)
"""Of a month of thirty days, January first."""
MID_WORDS = {1: "맑음", 3: "구름많음", 4: "흐림"}
RAIN_WORDS = {1: "비", 2: "비/눈", 3: "눈"}
MISSING = "-999"


@dataclass(frozen=True)
class Weather:
    """Of one day in Seoul."""

    low: float
    high: float
    sky: int
    """1 clear, 3 mostly cloudy, 4 overcast."""
    rain_kind: int
    """0 none, 1 rain, 2 rain and snow, 3 snow."""
    rain_mm: float
    rain_from: int
    """The hour from which it rains, for six hours."""
    humidity: int
    wind: float


@dataclass(frozen=True)
class KmaRows:
    """What was recorded; what is asked beyond it is generated."""

    mid: dict[tuple[str, str], Item] = field(default_factory=dict)
    """By operation and time of issue."""
    observations: list[Item] | None = None


def weather(on: date) -> Weather:
    month = on.month - 1
    mean = MEAN_TEMPERATURES[month] + (pick(81, on, "mean") - 40) / 10
    rains = pick(30, on, "rain") < RAIN_DAYS[month]
    rain_kind = 0 if not rains else 1 if mean > 3 else 2 if mean > 1 else 3
    return Weather(
        low=round(mean - 3 - pick(30, on, "low") / 10, 1),
        high=round(mean + 3 + pick(40, on, "high") / 10, 1),
        sky=4 if rains else (1, 1, 3, 4)[pick(4, on, "sky")],
        rain_kind=rain_kind,
        rain_mm=_rain_of_day(on) if rains else 0.0,
        rain_from=pick(18, on, "from"),
        humidity=(75 if rains else 50) + pick(20, on, "humidity"),
        wind=round(1 + pick(40, on, "wind") / 10, 1),
    )


def _rain_of_day(on: date) -> float:
    """In mm. Some days of the rainy season have a downpour."""
    if on.month in (7, 8) and pick(6, on, "downpour") == 0:
        return 240.0 + 120 * pick(2, on, "more")
    return (1 + pick(600, on, "mm")) / 10


def short_forecast(nx: int, ny: int, base: datetime) -> list[Item]:
    """From the hour after the base time to the end of the third day after it."""
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
        for category, value in _hour(nx, ny, at)
    ]


def _hour(nx: int, ny: int, at: datetime) -> Iterator[tuple[str, str]]:
    day = weather(at.date())
    warmer = ((nx + ny) % 3 - 1) * 0.5  # one cell from the next
    swing = math.cos((at.hour - 15) / 24 * 2 * math.pi)
    temperature = (day.low + day.high) / 2 + (day.high - day.low) / 2 * swing + warmer
    rains = day.rain_kind and day.rain_from <= at.hour < day.rain_from + 6
    amount = day.rain_mm / 6 if rains else 0.0
    direction = pick(360, at.date(), at.hour // 6)
    yield "TMP", f"{temperature:.0f}"
    yield "UUU", f"{-day.wind * math.sin(math.radians(direction)):.1f}"
    yield "VVV", f"{-day.wind * math.cos(math.radians(direction)):.1f}"
    yield "VEC", str(direction)
    yield "WSD", f"{day.wind:.1f}"
    yield "SKY", str(day.sky)
    yield "PTY", str(day.rain_kind if rains else 0)
    yield "POP", str(60 + pick(5, at) * 10 if rains else pick(3, at) * 10)
    yield "WAV", MISSING  # waves, and there is no sea
    yield "PCP", _rain(amount if day.rain_kind != 3 else 0.0)
    yield "REH", str(day.humidity)
    yield "SNO", _snow(amount / 10 if day.rain_kind == 3 else 0.0)
    if at.hour == 6:
        yield "TMN", f"{day.low + warmer:.1f}"
    if at.hour == 15:
        yield "TMX", f"{day.high + warmer:.1f}"


def _rain(mm: float) -> str:
    if mm == 0:
        return "강수없음"
    if mm < 1:
        return "1mm 미만"
    if mm < 30:
        return f"{mm:.1f}mm"
    return "30.0~50.0mm" if mm < 50 else "50.0mm 이상"


def _snow(cm: float) -> str:
    if cm == 0:
        return "적설없음"
    if cm < 0.5:
        return "0.5cm 미만"
    return f"{cm:.1f}cm" if cm < 5 else "5.0cm 이상"


def mid_temperatures(region: str, issued: datetime) -> Item:
    item: Item = {"regId": region}
    for ahead, on in _days_ahead(issued):
        day, width = weather(on), 1 if ahead < 8 else 2
        for name, value in (("taMin", round(day.low)), ("taMax", round(day.high))):
            item |= {f"{name}{ahead}": value}
            item |= {f"{name}{ahead}Low": width, f"{name}{ahead}High": width}
    return item


def mid_land(region: str, issued: datetime) -> Item:
    item: Item = {"regId": region}
    for ahead, on in _days_ahead(issued):
        day = weather(on)
        word = MID_WORDS[day.sky]
        if day.rain_kind:
            word = f"흐리고 {RAIN_WORDS[day.rain_kind]}"
        for half in ("Am", "Pm") if ahead < 8 else ("",):
            item[f"rnSt{ahead}{half}"] = 80 if day.rain_kind else 10
            item[f"wf{ahead}{half}"] = word
    return item


def _days_ahead(issued: datetime) -> Iterator[tuple[int, date]]:
    """The morning's forecast begins with the fourth day, the evening's with the fifth."""
    for ahead in range(4 if issued.hour == 6 else 5, 11):
        yield ahead, issued.date() + timedelta(days=ahead)


def observation(on: date) -> Item:
    """One day of the station in Seoul; what there was none of is blank."""
    day = weather(on)
    snows = day.rain_kind == 3
    item = dict.fromkeys(OBSERVATION_FIELDS, "")
    return item | {
        "stnId": "108",
        "stnNm": "서울",
        "tm": f"{on}",
        "avgTa": f"{(day.low + day.high) / 2:.1f}",
        "minTa": f"{day.low:.1f}",
        "minTaHrmt": "0612",
        "maxTa": f"{day.high:.1f}",
        "maxTaHrmt": "1504",
        "sumRn": f"{day.rain_mm:.1f}" if day.rain_kind else "",
        "sumRnDur": "6.00" if day.rain_kind else "",
        "hr1MaxRn": f"{day.rain_mm / 6:.1f}" if day.rain_kind else "",
        "sumDpthFhsc": f"{day.rain_mm / 10:.1f}" if snows else "",
        "ddMes": f"{day.rain_mm / 10:.1f}" if snows else "",
        "avgWs": f"{day.wind:.1f}",
        "maxInsWs": f"{day.wind * 2.5:.1f}",
        "avgRhm": f"{day.humidity:.1f}",
        "sumSsHr": f"{(9.0, 5.0, 1.0)[(1, 3, 4).index(day.sky)]:.1f}",
        "avgTca": f"{(1.4, 6.0, 9.5)[(1, 3, 4).index(day.sky)]:.1f}",
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
    """Nothing is kept: the weather is a function of the day."""
    return KmaRows()


def recorded_rows(folder: Path) -> KmaRows:
    mid = {
        (operation, issued): _items(
            recording(folder, f"kma/mid/{operation}_{region}_{issued}.json")
        )
        for operation, region in (("getMidTa", "11B10101"), ("getMidLandFcst", "11B00000"))
        for issued in ("202610040600", "202610041800")
    }
    days = json.loads(recording(folder, "kma/asos/daebong_asos_daily_filtered.json").read_bytes())
    one = _items(recording(folder, "kma/asos/getWthrDataList_108_2022-01-01.json"))
    return KmaRows({key: items[0] for key, items in mid.items()}, [*one, *days])


def _items(file: Path) -> list[Item]:
    items: list[Item] = json.loads(file.read_bytes())["response"]["body"]["items"]["item"]
    return items
