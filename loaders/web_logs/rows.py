"""The rows of a part of a date, a function of the settings, the table, the date and the part alone.

The same bits come out on every machine: the random ones from a bit generator, whose stream numpy
does not change, and from there whole numbers and tables, no logarithm or root of this machine's.
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

from loaders.web_logs.logs import FULL_SIZE, Logs

Whole = NDArray[np.int64]
Bits = NDArray[np.uint16]

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
DAY = 86_400_000
"""Milliseconds, as all times here. They are KST without a zone, as everywhere in stage."""
BITS = 1 << 16

COUNTRIES = {
    **{"JP": 26, "CN": 24, "TW": 11, "US": 9, "HK": 6, "TH": 5, "VN": 5, "PH": 4, "SG": 3, "MY": 3},
    **{"ID": 3, "AU": 2, "GB": 2, "DE": 2, "FR": 2, "CA": 2, "IN": 1, "RU": 1, "MN": 1, "KZ": 1},
}
AGE_GROUPS = {"18-24": 21, "25-34": 34, "35-44": 21, "45-54": 13, "55-64": 8, "65+": 3}
HOURS = (3, 2, 1, 1, 1, 1, 2, 4, 6, 7, 8, 8, 9, 9, 9, 9, 9, 9, 10, 12, 14, 14, 11, 6)
"""How many sessions begin from 0 to 1 o'clock, …"""
ANONYMOUS = 0.3
"""Of the searches: made by someone who has not signed in."""

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
"""`logical_date` is the date on which the session began, in KST, and `load_id` a number of what the
rows come of, so that a date that is made differently is seen to be another."""


@dataclass(frozen=True)
class Sessions:
    ids: Whole
    users: Whole
    started_at: Whole
    channels: NDArray[np.int8]


@dataclass(frozen=True)
class Searches:
    ids: Whole
    session: Whole
    """The place of its session in `Sessions`, ascending."""
    searched_at: Whole
    topics: NDArray[np.int8]
    airports: NDArray[np.int8]
    anonymous: NDArray[np.bool_]


@dataclass(frozen=True)
class Clicks:
    ids: Whole
    search: Whole
    """The place of its search in `Searches`, ascending."""
    items: NDArray[np.int32]
    clicked_at: Whole


def users(logs: Logs, on: date) -> pa.Table:
    """Those who signed up on a date; on the first one also all who did in the years before."""
    ids = logs.ids("users", on)
    country, age_group, time = _bits(logs, "users", on, 0, 3, len(ids))
    before = max(0, logs.signed_up_before(on) + 1 - ids.start)
    years = 5 * 365 * DAY
    long_ago = np.arange(before, dtype=np.int64) * years // max(1, before) - years
    signed_up_at = np.concatenate([long_ago, _in_the_day(time[before:])])
    return _table(
        "users",
        logs,
        on,
        user_id=_ids(ids),
        country_code=_named(_drawn(COUNTRIES, country), list(COUNTRIES)),
        age_group=_named(_drawn(AGE_GROUPS, age_group), list(AGE_GROUPS)),
        signed_up_at=_times(on, signed_up_at),
    )


def logs_of_part(logs: Logs, on: date, part: int) -> dict[str, pa.Table]:
    """The sessions of a part with all that is in them, by table."""
    sessions = _sessions(logs, on, part)
    searches = _searches(logs, on, part, sessions)
    clicks = _clicks(logs, on, part, searches)
    users_of_searches = sessions.users[searches.session]
    return {
        "sessions": _table(
            "sessions",
            logs,
            on,
            session_id=sessions.ids,
            user_id=sessions.users,
            channel=_named(sessions.channels, list(channels())),
            started_at=_times(on, sessions.started_at),
        ),
        "searches": _table(
            "searches",
            logs,
            on,
            search_id=searches.ids,
            session_id=sessions.ids[searches.session],
            user_id=pa.array(users_of_searches, mask=searches.anonymous),
            topic=_named(searches.topics, [it.code for it in topics()]),
            airport_code=_named(searches.airports, airports(), searches.topics != 0),
            searched_at=_times(on, searches.searched_at),
        ),
        "clicks": _table(
            "clicks",
            logs,
            on,
            click_id=clicks.ids,
            search_id=searches.ids[clicks.search],
            session_id=sessions.ids[searches.session][clicks.search],
            user_id=users_of_searches[clicks.search],
            item_id=clicks.items,
            clicked_at=_times(on, clicks.clicked_at),
        ),
        "purchases": _purchases(logs, on, part, sessions, searches, clicks),
    }


def _sessions(logs: Logs, on: date, part: int) -> Sessions:
    ids, whole_day = logs.ids_of_part("sessions", on, part), logs.ids("sessions", on)
    heavy, who, more, time, channel = _bits(logs, "sessions", on, part, 5, len(ids))
    others = logs.signed_up_before(on) - logs.heavy_users
    number = (who.astype(np.int64) << 16) | more
    is_heavy = heavy < round(logs.heavy_share * BITS)
    users = np.where(
        is_heavy,
        1 + (number * logs.heavy_users >> 32),
        1 + logs.heavy_users + (number * others >> 32),
    )
    started_at = _in_the_day(time, ids.start - whole_day.start, len(whole_day))
    return Sessions(_ids(ids), users, started_at, _drawn(channels(), channel))


def _searches(logs: Logs, on: date, part: int, sessions: Sessions) -> Searches:
    ids = logs.ids_of_part("searches", on, part)
    (many,) = _bits(logs, "sessions", on, part, 1, len(sessions.ids), draw=1)
    time, topic, airport, anonymous = _bits(logs, "searches", on, part, 4, len(ids))
    session, place = _shared_out(len(ids), _weights()[many])
    # 30 seconds and up to 29 more between two.
    searched_at = sessions.started_at[session] + place * 59_000 + _up_to(29_000, time)
    return Searches(
        _ids(ids),
        session,
        searched_at,
        _drawn({it.code: it.share for it in topics()}, topic),
        _ranks(len(airports()), logs.zipf)[airport].astype(np.int8),
        anonymous < round(ANONYMOUS * BITS),
    )


def _clicks(logs: Logs, on: date, part: int, searches: Searches) -> Clicks:
    ids = logs.ids_of_part("clicks", on, part)
    (many,) = _bits(logs, "searches", on, part, 1, len(searches.ids), draw=1)
    item, time = _bits(logs, "clicks", on, part, 2, len(ids))
    search, place = _shared_out(len(ids), _weights()[many])
    clicked_at = searches.searched_at[search] + 1_000 + place * 5_000 + _up_to(4_000, time)
    drawn = _items(logs.zipf)
    flights = searches.topics == 0
    topic = np.maximum(searches.topics.astype(np.int32) - 1, 0) << 16
    items = drawn[topic[search] | item]
    np.copyto(items, (1 + searches.airports.astype(np.int32))[search], where=flights[search])
    return Clicks(_ids(ids), search, items, clicked_at)


def _purchases(
    logs: Logs, on: date, part: int, sessions: Sessions, searches: Searches, clicks: Clicks
) -> pa.Table:
    ids = logs.ids_of_part("purchases", on, part)[: len(clicks.ids)]
    pick, amount, time = _bits(logs, "purchases", on, part, 3, len(ids))
    # One click out of each of as many equal pieces.
    click = _stratified(pick, 0, len(ids), len(clicks.ids))
    search = clicks.search[click]
    session = searches.session[search]
    prices = np.array([it.price for it in topics()], np.int64)[searches.topics[search]]
    amounts = prices * (BITS // 2 + amount.astype(np.int64)) // BITS // 100 * 100
    return _table(
        "purchases",
        logs,
        on,
        purchase_id=_ids(ids),
        click_id=clicks.ids[click],
        session_id=sessions.ids[session],
        user_id=sessions.users[session],
        amount_krw=amounts.astype(np.int32),
        purchased_at=_times(on, clicks.clicked_at[click] + 20_000 + _up_to(2 * 3_600_000, time)),
    )


@dataclass(frozen=True)
class Topic:
    """What one can search for, and how many items of it there are to click on."""

    code: str
    share: int
    first_item: int
    items: int
    price: int
    """In won, of what is bought most often; others cost from half of it to one and a half."""


@lru_cache
def topics() -> list[Topic]:
    """Those of the seed; the first are flights, of which each airport abroad is one item."""
    return [
        Topic(
            it["topic_code"],
            int(it["search_share"]),
            int(it["first_item_id"]),
            int(it["item_count"]),
            int(it["usual_price_krw"]),
        )
        for it in _seed("topics")
    ]


@lru_cache
def channels() -> dict[str, int]:
    """The channels of the seed, and how many sessions come through each."""
    return {it["channel_code"]: int(it["session_share"]) for it in _seed("channels")}


@lru_cache
def airports() -> list[str]:
    """The codes of those abroad, in the order of their items."""
    abroad = [it for it in _seed("airports") if it["item_id"]]
    return [it["airport_code"] for it in sorted(abroad, key=lambda it: int(it["item_id"]))]


def _seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _bits(
    logs: Logs, table: str, on: date, part: int, columns: int, rows: int, draw: int = 0
) -> Bits:
    """Random numbers of 16 bits: a row of `rows` of them for each column."""
    key = [logs.seed, list(FULL_SIZE).index(table), on.toordinal(), part, draw]
    words = np.random.SFC64(np.random.SeedSequence(key)).random_raw(-(-columns * rows // 4))
    return words.astype("<u8").view("<u2")[: columns * rows].reshape(columns, rows)


def _ids(ids: range) -> Whole:
    return np.arange(ids.start, ids.stop, dtype=np.int64)


def _up_to(most: int, bits: Bits) -> Whole:
    return bits.astype(np.int64) * most >> 16


def _stratified(bits: Bits, first: int, of: int, into: int) -> Whole:
    """Ascending places below `into` of the rows `first`, … of `of`: a random one in each piece."""
    exact = ((np.arange(first, first + len(bits), dtype=np.int64) << 16) | bits) * into
    return exact // (max(1, of) << 16)


def _in_the_day(bits: Bits, first: int = 0, of: int = 0) -> Whole:
    """Ascending times of a day of which some hours have more than others."""
    steps = np.cumsum([0, *HOURS])
    place = _stratified(bits, first, of or len(bits), int(steps[-1]) * BITS)
    hour = np.searchsorted(steps * BITS, place, side="right") - 1
    into_the_hour = place - steps[hour] * BITS
    lengths = np.array(HOURS, np.int64)[hour] * BITS
    times: Whole = hour * 3_600_000 + into_the_hour * 3_600_000 // lengths
    return times


def _shared_out(rows: int, weights: Whole) -> tuple[Whole, Whole]:
    """Which parent each row has, in proportion to the parents' weights, and its place there."""
    if not len(weights):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.cumsum(weights).astype(np.float64)
    ends = np.floor(ends * (rows / ends[-1])).astype(np.int64)
    ends[-1] = rows
    counts = np.diff(ends, prepend=0)
    parent = np.repeat(np.arange(len(weights), dtype=np.int64), counts)
    place = np.arange(rows, dtype=np.int64) - np.repeat(ends - counts, counts)
    return parent, place


@lru_cache
def _weights() -> Whole:
    """How much each of 2 ** 16 parents has: a few much, many little."""
    place = np.arange(1, BITS + 1, dtype=np.int64)
    return 40 + BITS * 60 // place.clip(2_000)


@lru_cache
def _shares(weights: tuple[int, ...]) -> NDArray[np.int32]:
    """For each of 2 ** 16 random numbers, which weight it falls on."""
    ends = list(np.cumsum(np.array(weights, object)))
    bounds = [end * BITS // ends[-1] for end in ends]
    return np.repeat(np.arange(len(weights), dtype=np.int32), np.diff([0, *bounds]))


def _drawn(weights: dict[str, int], bits: Bits) -> NDArray[np.int8]:
    return _shares(tuple(weights.values())).astype(np.int8)[bits]


@lru_cache
def _ranks(many: int, exponent: float) -> NDArray[np.int32]:
    """For each of 2 ** 16 random numbers a rank from 0, the lower the more often: Zipf's law."""
    power = Decimal(repr(exponent))
    return _shares(tuple(int(Decimal(2**40) / Decimal(it) ** power) for it in range(1, many + 1)))


@lru_cache
def _items(exponent: float) -> NDArray[np.int32]:
    """The items of each topic after flights, 2 ** 16 of each to draw from. The flights come before,
    numbered from 1 as `airports` has them."""
    drawn = [it.first_item + _ranks(it.items, exponent) for it in topics()[1:]]
    return np.concatenate(drawn)


def _named(index: NDArray[Any], names: Sequence[str], null: Any = None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=null), pa.array(names))


def _times(on: date, milliseconds: Whole) -> pa.Array:
    midnight = datetime.combine(on, datetime.min.time(), UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return pa.array(milliseconds + midnight // timedelta(milliseconds=1)).cast(pa.timestamp("ms"))


def _table(name: str, logs: Logs, on: date, **columns: Any) -> pa.Table:
    """Columns as `SCHEMAS` has them, but for names, which stay dictionaries to be written fast."""
    same = np.zeros(len(next(iter(columns.values()))), np.int8)
    made_of = pa.array([int(logs.made_of[:7], 16)], pa.int32())
    columns["logical_date"] = pa.DictionaryArray.from_arrays(same, pa.array([on]))
    columns["load_id"] = pa.DictionaryArray.from_arrays(same, made_of)
    return pa.table({it: columns[it] for it in SCHEMAS[name].names})
