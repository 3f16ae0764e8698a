"""The small fact files that the sample rows are made from, and how they become rows.

District codes, names of places and where they lie are facts; all sentences are this project's own.
Rows are functions of the files and a date: what looks like chance is a hash of the row's name, and
what changes over time is counted in cycles from a fixed day, so a row is the same tomorrow.
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
    """The rows of `<name>.csv`."""
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def pick(below: int, *names: object) -> int:
    """A number from 0 to `below` - 1 that depends on the names alone."""
    return crc32("|".join(map(str, names)).encode()) % below


def day_of_cycle(today: date, period: int, *names: object) -> date:
    """The last day before `today` on which a cycle of `period` days began."""
    yesterday = (today - EPOCH).days - 1
    phase = pick(period, *names, "phase")
    return EPOCH + timedelta(days=yesterday - (yesterday - phase) % period)


def clock(*names: object) -> str:
    """A time in office hours, HHMMSS."""
    hour, minute, second = 9 + pick(9, *names, "h"), pick(60, *names, "m"), pick(60, *names, "s")
    return f"{hour:02d}{minute:02d}{second:02d}"


def near(longitude: str, latitude: str, metres: int, *names: object) -> tuple[float, float]:
    """Longitude and latitude of a point at most `metres` away (WGS84)."""
    angle = math.radians(pick(360, *names, "angle"))
    distance = metres * (1 + pick(100, *names, "distance")) / 100
    north = distance * math.sin(angle) / 111_000
    east = distance * math.cos(angle) / (111_000 * math.cos(math.radians(float(latitude))))
    return float(longitude) + east, float(latitude) + north
