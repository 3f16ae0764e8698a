"""The size of the usage logs, and which of their rows belong to which date. Values only.

Rows are numbered consecutively over all dates. A date's ids follow from the configuration, without
the rows of the dates before it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import accumulate

FULL_SIZE = {
    "users": 4_000_000,
    "sessions": 4_000_000,
    "searches": 130_000_000,
    "clicks": 400_000_000,
    "purchases": 20_000_000,
}
"""Number of rows at scale 1."""
VERSION = 1
"""Version of the generator. Increase it with any change of the generated rows."""
PARENTS = {"searches": "sessions", "clicks": "searches", "purchases": "clicks"}
"""The table whose rows a table's rows belong to. Both rows have the same date."""
PART_CLICKS = 5_000_000
"""Maximum clicks of one part of a date, which a process holds in memory."""
WEEKDAYS = (10, 10, 10, 11, 13, 15, 14)
"""Relative volume of Monday to Sunday."""
MONTHS = (8, 8, 10, 12, 11, 10, 11, 11, 11, 13, 10, 9)
"""Relative volume of a day in January to December."""


@dataclass(frozen=True)
class LogsConfig:
    """The settings that determine the rows."""

    seed: int
    scale: float
    """Factor of `FULL_SIZE`."""
    first_date: date
    """In KST. Half of the users signed up before it."""
    days: int
    """Number of days over which the size is spread. Later days have the same volume."""
    heavy_users: int
    heavy_share: float
    """Share of the sessions, with all their rows, that belongs to the heavy users."""
    zipf: float
    """Exponent of Zipf's law: how much more popular the first airport and item are than the
    next."""

    @cached_property
    def configuration_id(self) -> str:
        """Digest of everything that determines the rows. It is part of file names."""
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        # Existing lakes depend on the exact text, also on the name at its start.
        text = f"{VERSION} Logs({values})"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def total(self, table: str) -> int:
        """Return the number of rows over all of `days`."""
        return round(FULL_SIZE[table] * self.scale)

    def ids(self, table: str, day: date) -> range:
        """Return the ids of a date's rows. They begin at 1 on the first date."""
        (before, after), all_days = self._cumulated_weights(day)
        total = self.total(table)
        if table == "users":
            older = self.signed_up_before(self.first_date)
            first = older + (total - older) * before // all_days if before else 0
            return range(1 + first, 1 + older + (total - older) * after // all_days)
        ids = range(1 + total * before // all_days, 1 + total * after // all_days)
        if table in PARENTS and not self.ids(PARENTS[table], day):
            return range(ids.start, ids.start)
        return ids

    def signed_up_before(self, day: date) -> int:
        """Return the number of users that a date's sessions can belong to."""
        if day <= self.first_date:
            return self.total("users") // 2
        return self.ids("users", day).start - 1

    def part_count(self, day: date) -> int:
        """Return the number of parts of a date, which depends on its size only."""
        return max(1, -(-len(self.ids("clicks", day)) // PART_CLICKS))

    def ids_of_part(self, table: str, day: date, part: int) -> range:
        ids, count = self.ids(table, day), self.part_count(day)
        return ids[len(ids) * part // count : len(ids) * (part + 1) // count]

    def dates(self, until: date) -> Iterator[date]:
        """Yield the dates from the first to `until`."""
        for index in range((until - self.first_date).days + 1):
            yield self.first_date + timedelta(days=index)

    def _cumulated_weights(self, day: date) -> tuple[tuple[int, int], int]:
        """Return the weight of all days before a date and up to its end, and that of all `days`."""
        index = (day - self.first_date).days
        # The next power of two, so that later dates share a list.
        weights = _cumulated_weights(self.first_date, max(self.days, 1 << (index + 1).bit_length()))
        return (weights[index], weights[index + 1]), weights[self.days]


@lru_cache
def _cumulated_weights(first_date: date, days: int) -> list[int]:
    dates = [first_date + timedelta(days=index) for index in range(days)]
    weights = (WEEKDAYS[day.weekday()] * MONTHS[day.month - 1] for day in dates)
    return [0, *accumulate(weights)]
