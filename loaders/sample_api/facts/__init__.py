"""The small fact files from which the sample rows are generated, and the helpers that do it.

District codes, place names and coordinates are facts. All sentences are written for this project.
Rows are a function of the files and a date: apparent randomness is a hash of the row's name, and
changes over time follow cycles counted from a fixed date, so a row is the same the next day.
"""

import csv
import math
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from zlib import crc32

EPOCH = date(2010, 1, 1)
FactRow = dict[str, str]


@cache
def facts(name: str) -> tuple[FactRow, ...]:
    """Return the rows of `<name>.csv`."""
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def pick(below: int, *names: object) -> int:
    """Return a number from 0 to `below` - 1: a hash of the names."""
    return crc32("|".join(map(str, names)).encode()) % below


def last_cycle_start(today: date, period: int, *names: object) -> date:
    """Return the last date before `today` on which a cycle of `period` days began.

    The names determine the phase of the cycle.
    """
    yesterday = (today - EPOCH).days - 1
    phase = pick(period, *names, "phase")
    return EPOCH + timedelta(days=yesterday - (yesterday - phase) % period)


def office_time(*names: object) -> str:
    """Return a time in office hours (09:00:00 to 17:59:59) as HHMMSS."""
    hour, minute, second = 9 + pick(9, *names, "h"), pick(60, *names, "m"), pick(60, *names, "s")
    return f"{hour:02d}{minute:02d}{second:02d}"


def near(longitude: str, latitude: str, metres: int, *names: object) -> tuple[float, float]:
    """Return longitude and latitude (WGS84) of a point at most `metres` away."""
    angle = math.radians(pick(360, *names, "angle"))
    distance = metres * (1 + pick(100, *names, "distance")) / 100
    north = distance * math.sin(angle) / 111_000
    east = distance * math.cos(angle) / (111_000 * math.cos(math.radians(float(latitude))))
    return float(longitude) + east, float(latitude) + north
