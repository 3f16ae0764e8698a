"""The index of a details table: which keys raw holds, and which changes it still lacks.

It answers what to request without reading the past dates of raw. It grows with the keys. It can be
rebuilt from raw at any time. The functions here are on values; `kept_index` does the I/O.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import orjson

FORMAT = 1


class DamagedError(ValueError):
    """Raised when the bytes of an index are not those that were written."""


class NeedsRebuildError(Exception):
    """Raised when an index can't be brought up to date, because it has forgotten what it needs."""


@dataclass
class Index:
    """What raw holds of a list and its details. Times are in KST, ISO 8601."""

    list_days: set[date] = field(default_factory=set)
    """Dates with a complete list."""
    details_days: set[date] = field(default_factory=set)
    """Dates with complete details."""
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    """The time of the details of each key, on the two dates with the newest ones."""
    changes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By date of a list: the keys that it reports as changed, and the time of the list.

    Only what dates from the newest list on may still have to request.
    """

    @property
    def newest_list(self) -> date:
        return max(self.list_days, default=date.min)


def answered(index: Index, excluded: date) -> dict[str, str]:
    """Return the time of the newest details of each key, over all dates but one."""
    day = str(excluded)
    times = {
        key: max((at for other, at in by_day.items() if other != day), default="")
        for key, by_day in index.answers.items()
    }
    return {key: at for key, at in times.items() if at}


def due(
    index: Index,
    listed: Iterable[str],
    changes: Mapping[str, Mapping[str, str]],
    logical_date: date,
) -> tuple[str, ...]:
    """Return the listed keys whose details are missing or older than their last change, in order.

    `changes` are those of the index, or, for an older date than its newest list, those of the lists
    in `days_to_read`.
    """
    keys, known = dict.fromkeys(listed), answered(index, logical_date)
    days = {str(day) for day in days_to_read(index, logical_date)}
    changed = {
        key
        for day, by_key in changes.items()
        if day in days
        for key, listed_at in by_key.items()
        if known.get(key, "") < listed_at
    }
    wanted = (keys.keys() - known.keys()) | (keys.keys() & changed)
    return tuple(key for key in keys if key in wanted)


def days_to_read(index: Index, logical_date: date) -> list[date]:
    """Return the dates up to a date whose lists may report a change that is not requested yet.

    An API reports a change once, in the list of the following day. So they go back to the last day
    whose details are complete.
    """
    complete = last_before(index.details_days, logical_date) or date.min
    return sorted(day for day in index.list_days if complete < day <= logical_date)


def last_before(days: Iterable[date], before: date) -> date | None:
    """Return the last of some dates before another."""
    return max((day for day in days if day < before), default=None)


def set_list(index: Index, day: date, changes: dict[str, str]) -> None:
    """Record a complete list: the keys that it reports as changed, with its time.

    Raise NeedsRebuildError for a second list of an older date than the newest.
    """
    if day in index.list_days and day < index.newest_list:
        raise NeedsRebuildError
    index.list_days.add(day)
    index.changes[str(day)] = changes


def set_details(index: Index, day: date, times: Mapping[str, str], is_complete: bool) -> None:
    """Record the details of a date: the time of each key.

    Raise NeedsRebuildError if they lack what was recorded of the date before.
    """
    name = str(day)
    for key, by_day in index.answers.items():
        if name in by_day and times.get(key, "") < by_day[name]:
            raise NeedsRebuildError
    for key, at in times.items():
        by_day = index.answers.get(key, {}) | {name: at}
        newest = sorted(by_day, key=lambda other: (by_day[other], other), reverse=True)[:2]
        index.answers[key] = {other: by_day[other] for other in newest}
    if is_complete:
        index.details_days.add(day)


def forget(index: Index) -> None:
    """Remove the changes that no date from the newest list on has to request."""
    newest = index.newest_list
    known = answered(index, newest)
    days = {str(day) for day in days_to_read(index, newest)}
    later: dict[str, str] = {}
    kept: dict[str, dict[str, str]] = {}
    for day in sorted(index.changes.keys() & days, reverse=True):
        keys = {
            key: at
            for key, at in index.changes[day].items()
            if known.get(key, "") < at and later.get(key, "") < at
        }
        if keys:
            kept[day] = keys
        if day < str(newest):  # the newest list may still be replaced
            later |= keys
    index.changes = kept


def to_bytes(index: Index) -> bytes:
    """Return an index as JSON after a line with its checksum."""
    content = orjson.dumps(
        {
            "format": FORMAT,
            "list_days": _ranges(index.list_days),
            "details_days": _ranges(index.details_days),
            "answers": index.answers,
            "changes": index.changes,
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def from_bytes(data: bytes) -> Index:
    """Return the index of `to_bytes`. Raise DamagedError."""
    checksum, _, content = data.partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise DamagedError("its checksum is wrong")
    fields = orjson.loads(content)
    if fields["format"] != FORMAT:
        raise DamagedError(f"it has the format {fields['format']}: expected {FORMAT}")
    return Index(
        _days(fields["list_days"]),
        _days(fields["details_days"]),
        fields["answers"],
        fields["changes"],
    )


def _ranges(days: set[date]) -> list[list[str]]:
    """Return dates as ranges, each of its first and its last one."""
    ranges: list[list[date]] = []
    for day in sorted(days):
        if ranges and ranges[-1][1] + timedelta(days=1) == day:
            ranges[-1][1] = day
        else:
            ranges.append([day, day])
    return [[str(first), str(last)] for first, last in ranges]


def _days(ranges: list[list[str]]) -> set[date]:
    return {
        date.fromisoformat(first) + timedelta(days=number)
        for first, last in ranges
        for number in range((date.fromisoformat(last) - date.fromisoformat(first)).days + 1)
    }
