"""How large the usage logs are, and which of their rows belong to which date. Values only.

Rows are numbered through: an id tells the row's place in the whole log, so that a date's ids are
known without the dates before it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate

FULL_SIZE = {
    "users": 4_000_000,
    "sessions": 4_000_000,
    "searches": 130_000_000,
    "clicks": 400_000_000,
    "purchases": 20_000_000,
}
"""Rows at scale 1."""
VERSION = 1
"""Of the generator: a change of the rows that it makes is a new one."""
PARENTS = {"searches": "sessions", "clicks": "searches", "purchases": "clicks"}
"""What a row of a table belongs to. A date's rows belong to rows of the same date."""
PART_CLICKS = 5_000_000
"""At most, of one part of a date: what one process holds in memory."""
WEEKDAYS = (10, 10, 10, 11, 13, 15, 14)
"""How much comes on a Monday, …, Sunday."""
MONTHS = (8, 8, 10, 12, 11, 10, 11, 11, 11, 13, 10, 9)
"""How much comes on a day of January, …, December."""


@dataclass(frozen=True)
class Logs:
    """The settings that the rows are a function of."""

    seed: int
    scale: float
    """Of `FULL_SIZE`."""
    first_date: date
    """In KST. Half of the users signed up before."""
    days: int
    """Over which the size is spread. The days after them go on as large."""
    heavy_users: int
    heavy_share: float
    """Of the sessions, and so of all that is in them: those of the heavy users."""
    zipf: float
    """The exponent: how much more the first airport and item are wanted than the next ones."""

    @property
    def made_of(self) -> str:
        """A digest of all that the rows come of: with another one they may be others."""
        return hashlib.sha256(f"{VERSION} {self}".encode()).hexdigest()[:16]

    def total(self, table: str) -> int:
        return round(FULL_SIZE[table] * self.scale)

    def ids(self, table: str, on: date) -> range:
        """Of the rows of a date, beginning at 1 on the first."""
        begun, whole = self._cumulated(on)
        total = self.total(table)
        if table == "users":
            before = self.signed_up_before(self.first_date)
            first = before + (total - before) * begun[0] // whole if begun[0] else 0
            return range(1 + first, 1 + before + (total - before) * begun[1] // whole)
        ids = range(1 + total * begun[0] // whole, 1 + total * begun[1] // whole)
        if table in PARENTS and not self.ids(PARENTS[table], on):
            return range(ids.start, ids.start)
        return ids

    def signed_up_before(self, on: date) -> int:
        """The users that the sessions of a date can have."""
        if on <= self.first_date:
            return self.total("users") // 2
        return self.ids("users", on).start - 1

    def parts(self, on: date) -> int:
        """Into how many parts a date's rows fall, by its size alone."""
        return max(1, -(-len(self.ids("clicks", on)) // PART_CLICKS))

    def ids_of_part(self, table: str, on: date, part: int) -> range:
        ids, parts = self.ids(table, on), self.parts(on)
        return ids[len(ids) * part // parts : len(ids) * (part + 1) // parts]

    def dates(self, until: date) -> Iterator[date]:
        """From the first."""
        for day in range((until - self.first_date).days + 1):
            yield self.first_date + timedelta(days=day)

    def _cumulated(self, on: date) -> tuple[tuple[int, int], int]:
        """What came before a date and up to its end, in parts of what comes in all of `days`."""
        day = (on - self.first_date).days
        weights = _cumulated_weights(self.first_date, max(self.days, day + 1))
        return (weights[day], weights[day + 1]), weights[self.days]


@lru_cache
def _cumulated_weights(first_date: date, days: int) -> list[int]:
    on = [first_date + timedelta(days=day) for day in range(days)]
    return [0, *accumulate(WEEKDAYS[it.weekday()] * MONTHS[it.month - 1] for it in on)]
