"""The rows of a part of a date. They depend on the configuration, the table, the date and the part.

They are identical on every machine: numpy guarantees the stream of the bit generator, and the rest
is integer arithmetic and lookup tables, without a logarithm or root of the machine's own library.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loaders.web_logs.config import FULL_SIZE, LogsConfig

Integers = NDArray[np.int64]
RandomBits = NDArray[np.uint16]
"""Random numbers of 16 bits each."""

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
DAY = 86_400_000
"""A day in milliseconds, the unit of all times here. They are in KST, without a zone as in all of
stage."""
RANDOM_RANGE = 1 << 16
"""Number of different random numbers."""

COUNTRIES = {
    **{"JP": 26, "CN": 24, "TW": 11, "US": 9, "HK": 6, "TH": 5, "VN": 5, "PH": 4, "SG": 3, "MY": 3},
    **{"ID": 3, "AU": 2, "GB": 2, "DE": 2, "FR": 2, "CA": 2, "IN": 1, "RU": 1, "MN": 1, "KZ": 1},
}
"""Relative number of users by country."""
AGE_GROUPS = {"18-24": 21, "25-34": 34, "35-44": 21, "45-54": 13, "55-64": 8, "65+": 3}
"""Relative number of users by age group."""
HOURS = (3, 2, 1, 1, 1, 1, 2, 4, 6, 7, 8, 8, 9, 9, 9, 9, 9, 9, 10, 12, 14, 14, 11, 6)
"""Relative number of sessions that begin in each hour of the day."""
ANONYMOUS_SHARE = 0.3
"""Share of the searches by users who have not signed in."""

SCHEMAS = {
    "users": pa.schema(
        [
            ("user_id", pa.int64()),
            ("country_code", pa.string()),
            ("age_group", pa.string()),
            ("signed_up_at", pa.timestamp("ms")),
            ("logical_date", pa.date32()),
            ("load_id", pa.int32()),
        ]
    ),
    "sessions": pa.schema(
        [
            ("session_id", pa.int64()),
            ("user_id", pa.int64()),
            ("channel", pa.string()),
            ("started_at", pa.timestamp("ms")),
            ("logical_date", pa.date32()),
            ("load_id", pa.int32()),
        ]
    ),
    "searches": pa.schema(
        [
            ("search_id", pa.int64()),
            ("session_id", pa.int64()),
            ("user_id", pa.int64()),
            ("topic", pa.string()),
            ("airport_code", pa.string()),
            ("searched_at", pa.timestamp("ms")),
            ("logical_date", pa.date32()),
            ("load_id", pa.int32()),
        ]
    ),
    "clicks": pa.schema(
        [
            ("click_id", pa.int64()),
            ("search_id", pa.int64()),
            ("session_id", pa.int64()),
            ("user_id", pa.int64()),
            ("item_id", pa.int32()),
            ("clicked_at", pa.timestamp("ms")),
            ("logical_date", pa.date32()),
            ("load_id", pa.int32()),
        ]
    ),
    "purchases": pa.schema(
        [
            ("purchase_id", pa.int64()),
            ("click_id", pa.int64()),
            ("session_id", pa.int64()),
            ("user_id", pa.int64()),
            ("amount_krw", pa.int32()),
            ("purchased_at", pa.timestamp("ms")),
            ("logical_date", pa.date32()),
            ("load_id", pa.int32()),
        ]
    ),
}
"""`logical_date` is the KST date on which the session began. `load_id` is a number of the
configuration, by which a date that was generated differently is recognised as changed."""


@dataclass(frozen=True)
class Sessions:
    """The columns of a part's sessions."""

    ids: Integers
    users: Integers
    started_at: Integers
    channels: NDArray[np.int8]


@dataclass(frozen=True)
class Searches:
    """The columns of a part's searches."""

    ids: Integers
    session: Integers
    """Index of the session in `Sessions`, ascending."""
    searched_at: Integers
    topics: NDArray[np.int8]
    airports: NDArray[np.int8]
    anonymous: NDArray[np.bool_]


@dataclass(frozen=True)
class Clicks:
    """The columns of a part's clicks."""

    ids: Integers
    search: Integers
    """Index of the search in `Searches`, ascending."""
    items: NDArray[np.int32]
    clicked_at: Integers


def users(config: LogsConfig, day: date) -> pa.Table:
    """Return the users who signed up on a date.

    The first date also has those who signed up in the five years before it.
    """
    ids = config.ids("users", day)
    country, age_group, time = _random(config, "users", day, 0, 3, len(ids))
    older = max(0, config.signed_up_before(day) + 1 - ids.start)
    years = 5 * 365 * DAY
    in_years_before = np.arange(older, dtype=np.int64) * years // max(1, older) - years
    signed_up_at = np.concatenate([in_years_before, _times_of_day(time[older:])])
    return _table(
        "users",
        config,
        day,
        user_id=_ids(ids),
        country_code=_texts(_draw(COUNTRIES, country), list(COUNTRIES)),
        age_group=_texts(_draw(AGE_GROUPS, age_group), list(AGE_GROUPS)),
        signed_up_at=_timestamps(day, signed_up_at),
    )


def tables_of_part(config: LogsConfig, day: date, part: int) -> dict[str, pa.Table]:
    """Return the tables of a part, except users: its sessions and all rows that belong to them."""
    sessions = _sessions(config, day, part)
    searches = _searches(config, day, part, sessions)
    clicks = _clicks(config, day, part, searches)
    users_of_searches = sessions.users[searches.session]
    return {
        "sessions": _table(
            "sessions",
            config,
            day,
            session_id=sessions.ids,
            user_id=sessions.users,
            channel=_texts(sessions.channels, list(channels())),
            started_at=_timestamps(day, sessions.started_at),
        ),
        "searches": _table(
            "searches",
            config,
            day,
            search_id=searches.ids,
            session_id=sessions.ids[searches.session],
            user_id=pa.array(users_of_searches, mask=searches.anonymous),
            topic=_texts(searches.topics, [topic.code for topic in topics()]),
            airport_code=_texts(searches.airports, airports(), searches.topics != 0),
            searched_at=_timestamps(day, searches.searched_at),
        ),
        "clicks": _table(
            "clicks",
            config,
            day,
            click_id=clicks.ids,
            search_id=searches.ids[clicks.search],
            session_id=sessions.ids[searches.session][clicks.search],
            user_id=users_of_searches[clicks.search],
            item_id=clicks.items,
            clicked_at=_timestamps(day, clicks.clicked_at),
        ),
        "purchases": _purchases(config, day, part, sessions, searches, clicks),
    }


def _sessions(config: LogsConfig, day: date, part: int) -> Sessions:
    ids, ids_of_day = config.ids_of_part("sessions", day, part), config.ids("sessions", day)
    heavy, high, low, time, channel = _random(config, "sessions", day, part, 5, len(ids))
    others = config.signed_up_before(day) - config.heavy_users
    number = (high.astype(np.int64) << 16) | low
    is_heavy = heavy < round(config.heavy_share * RANDOM_RANGE)
    users = np.where(
        is_heavy,
        1 + (number * config.heavy_users >> 32),
        1 + config.heavy_users + (number * others >> 32),
    )
    started_at = _times_of_day(time, ids.start - ids_of_day.start, len(ids_of_day))
    return Sessions(_ids(ids), users, started_at, _draw(channels(), channel))


def _searches(config: LogsConfig, day: date, part: int, sessions: Sessions) -> Searches:
    ids = config.ids_of_part("searches", day, part)
    (volume,) = _random(config, "sessions", day, part, 1, len(sessions.ids), draw=1)
    time, topic, airport, anonymous = _random(config, "searches", day, part, 4, len(ids))
    session, position = _assign_parents(len(ids), _parent_weights()[volume])
    # A session's searches follow each other after 30 to 88 seconds.
    searched_at = sessions.started_at[session] + position * 59_000 + _up_to(29_000, time)
    return Searches(
        _ids(ids),
        session,
        searched_at,
        _draw({topic.code: topic.share for topic in topics()}, topic),
        _zipf_ranks(len(airports()), config.zipf)[airport].astype(np.int8),
        anonymous < round(ANONYMOUS_SHARE * RANDOM_RANGE),
    )


def _clicks(config: LogsConfig, day: date, part: int, searches: Searches) -> Clicks:
    ids = config.ids_of_part("clicks", day, part)
    (volume,) = _random(config, "searches", day, part, 1, len(searches.ids), draw=1)
    item, time = _random(config, "clicks", day, part, 2, len(ids))
    search, position = _assign_parents(len(ids), _parent_weights()[volume])
    clicked_at = searches.searched_at[search] + 1_000 + position * 5_000 + _up_to(4_000, time)
    items_by_random = _items(config.zipf)
    is_flight = searches.topics == 0
    topic_offset = np.maximum(searches.topics.astype(np.int32) - 1, 0) << 16
    items = items_by_random[topic_offset[search] | item]
    flight_items = 1 + searches.airports.astype(np.int32)
    np.copyto(items, flight_items[search], where=is_flight[search])
    return Clicks(_ids(ids), search, items, clicked_at)


def _purchases(
    config: LogsConfig,
    day: date,
    part: int,
    sessions: Sessions,
    searches: Searches,
    clicks: Clicks,
) -> pa.Table:
    ids = config.ids_of_part("purchases", day, part)[: len(clicks.ids)]
    pick, amount, time = _random(config, "purchases", day, part, 3, len(ids))
    # The clicks are divided into as many equal pieces, and one click of each leads to a purchase.
    click = _stratified(pick, 0, len(ids), len(clicks.ids))
    search = clicks.search[click]
    session = searches.session[search]
    prices = np.array([topic.price for topic in topics()], np.int64)[searches.topics[search]]
    amounts = prices * (RANDOM_RANGE // 2 + amount.astype(np.int64)) // RANDOM_RANGE // 100 * 100
    purchased_at = clicks.clicked_at[click] + 20_000 + _up_to(2 * 3_600_000, time)
    return _table(
        "purchases",
        config,
        day,
        purchase_id=_ids(ids),
        click_id=clicks.ids[click],
        session_id=sessions.ids[session],
        user_id=sessions.users[session],
        amount_krw=amounts.astype(np.int32),
        purchased_at=_timestamps(day, purchased_at),
    )


@dataclass(frozen=True)
class Topic:
    """A topic of searches, and the range of its items that can be clicked."""

    code: str
    share: int
    first_item: int
    item_count: int
    price: int
    """Usual price in won. Purchases cost from half of it to one and a half times as much."""


@lru_cache
def topics() -> list[Topic]:
    """Return the topics of the seed. The first is flights, whose items are the airports abroad."""
    return [
        Topic(
            row["topic_code"],
            int(row["search_share"]),
            int(row["first_item_id"]),
            int(row["item_count"]),
            int(row["usual_price_krw"]),
        )
        for row in _read_seed("topics")
    ]


@lru_cache
def channels() -> dict[str, int]:
    """Return the channels of the seed with their relative number of sessions."""
    return {row["channel_code"]: int(row["session_share"]) for row in _read_seed("channels")}


@lru_cache
def airports() -> list[str]:
    """Return the codes of the airports abroad, ordered by item id."""
    abroad = [row for row in _read_seed("airports") if row["item_id"]]
    return [row["airport_code"] for row in sorted(abroad, key=lambda row: int(row["item_id"]))]


def _read_seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _random(
    config: LogsConfig, table: str, day: date, part: int, columns: int, rows: int, draw: int = 0
) -> RandomBits:
    """Return random numbers of the shape (columns, rows). Each `draw` of a table is different."""
    key = [config.seed, list(FULL_SIZE).index(table), day.toordinal(), part, draw]
    words = np.random.SFC64(np.random.SeedSequence(key)).random_raw(-(-columns * rows // 4))
    return words.astype("<u8").view("<u2")[: columns * rows].reshape(columns, rows)


def _ids(ids: range) -> Integers:
    return np.arange(ids.start, ids.stop, dtype=np.int64)


def _up_to(limit: int, bits: RandomBits) -> Integers:
    """Scale random numbers to integers from 0 to below `limit`."""
    return bits.astype(np.int64) * limit >> 16


def _stratified(bits: RandomBits, first: int, count: int, limit: int) -> Integers:
    """Return ascending integers below `limit`, one at random in each of `count` equal pieces.

    The result covers the pieces from number `first`, as many as there are random numbers.
    """
    pieces = np.arange(first, first + len(bits), dtype=np.int64)
    return ((pieces << 16) | bits) * limit // (max(1, count) << 16)


def _times_of_day(bits: RandomBits, first: int = 0, count: int = 0) -> Integers:
    """Return ascending times of a day, distributed over the hours as `HOURS`.

    They are those from number `first` of the `count` times of the day, by default of all.
    """
    bounds = np.cumsum([0, *HOURS])
    place = _stratified(bits, first, count or len(bits), int(bounds[-1]) * RANDOM_RANGE)
    hour = np.searchsorted(bounds * RANDOM_RANGE, place, side="right") - 1
    within_hour = place - bounds[hour] * RANDOM_RANGE
    lengths = np.array(HOURS, np.int64)[hour] * RANDOM_RANGE
    times: Integers = hour * 3_600_000 + within_hour * 3_600_000 // lengths
    return times


def _assign_parents(rows: int, weights: Integers) -> tuple[Integers, Integers]:
    """Distribute rows over parents in proportion to the parents' weights.

    Return the parent's index of each row, ascending, and the row's position within its parent.
    """
    if not len(weights):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.cumsum(weights).astype(np.float64)
    ends = np.floor(ends * (rows / ends[-1])).astype(np.int64)
    ends[-1] = rows
    counts = np.diff(ends, prepend=0)
    parent = np.repeat(np.arange(len(weights), dtype=np.int64), counts)
    position = np.arange(rows, dtype=np.int64) - np.repeat(ends - counts, counts)
    return parent, position


@lru_cache
def _parent_weights() -> Integers:
    """Return a parent's weight for each random number: high for a few, low for most."""
    rank = np.arange(1, RANDOM_RANGE + 1, dtype=np.int64)
    return 40 + RANDOM_RANGE * 60 // rank.clip(2_000)


@lru_cache
def _choices(weights: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the index of the weight that each random number selects."""
    ends = list(np.cumsum(np.array(weights, object)))
    bounds = [end * RANDOM_RANGE // ends[-1] for end in ends]
    return np.repeat(np.arange(len(weights), dtype=np.int32), np.diff([0, *bounds]))


def _draw(weights: dict[str, int], bits: RandomBits) -> NDArray[np.int8]:
    """Draw indexes of the weights, in proportion to them."""
    return _choices(tuple(weights.values())).astype(np.int8)[bits]


@lru_cache
def _zipf_ranks(count: int, exponent: float) -> NDArray[np.int32]:
    """Return a rank from 0 for each random number, distributed by Zipf's law over `count` ranks."""
    power = Decimal(repr(exponent))
    ranks = range(1, count + 1)
    return _choices(tuple(int(Decimal(2**40) / Decimal(rank) ** power) for rank in ranks))


@lru_cache
def _items(exponent: float) -> NDArray[np.int32]:
    """Return an item for each random number, for each topic after flights in turn.

    The items of flights are numbered from 1, in the order of `airports`.
    """
    return np.concatenate(
        [topic.first_item + _zipf_ranks(topic.item_count, exponent) for topic in topics()[1:]]
    )


def _texts(index: NDArray[Any], texts: Sequence[str], mask: Any = None) -> pa.DictionaryArray:
    """Return the text of each index, with null where `mask` is true."""
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=mask), pa.array(texts))


def _timestamps(day: date, milliseconds: Integers) -> pa.Array:
    """Convert milliseconds since the midnight of a date."""
    midnight = datetime.combine(day, datetime.min.time(), UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return pa.array(milliseconds + midnight // timedelta(milliseconds=1)).cast(pa.timestamp("ms"))


def _table(name: str, config: LogsConfig, day: date, **columns: Any) -> pa.Table:
    """Return a table with the columns of `SCHEMAS`.

    Texts, dates and load ids are dictionaries, which are written faster.
    """
    first_entry = np.zeros(len(next(iter(columns.values()))), np.int8)
    load_id = pa.array([int(config.configuration_id[:7], 16)], pa.int32())
    columns["logical_date"] = pa.DictionaryArray.from_arrays(first_entry, pa.array([day]))
    columns["load_id"] = pa.DictionaryArray.from_arrays(first_entry, load_id)
    return pa.table({column: columns[column] for column in SCHEMAS[name].names})
