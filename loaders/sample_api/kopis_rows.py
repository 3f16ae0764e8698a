"""The rows that the sample KOPIS answers with: made from the fact files, or from recordings."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from loaders.sample_api.facts import EPOCH, FactRow, clock, day_of_cycle, facts, near, pick
from loaders.sample_api.service import recording

GENRES = {
    "AAAA": "연극",
    "BBBC": "무용(서양/한국무용)",
    "BBBE": "대중무용",
    "CCCA": "서양음악(클래식)",
    "CCCC": "한국음악(국악)",
    "CCCD": "대중음악",
    "EEEA": "복합",
    "EEEB": "서커스/마술",
    "GGGA": "뮤지컬",
}
STATES = {"01": "공연예정", "02": "공연중", "03": "공연완료"}

Fields = dict[str, str]


@dataclass(frozen=True)
class Performance:
    region: str
    """`signgucode`, blank where there is none."""
    district: str
    """`signgucodesub`, blank where it is not known."""
    genre: str
    state: str
    starts_on: str
    """YYYYMMDD, as requests have it."""
    ends_on: str
    changed_on: str
    """YYYYMMDD, blank where it is not known."""
    listed: bytes
    """Its `<db>` in the list."""
    detail: bytes


@dataclass(frozen=True)
class Venue:
    region: str
    district: str
    changed_on: str
    listed: bytes
    detail: bytes


@dataclass(frozen=True)
class KopisRows:
    performances: Mapping[str, Performance]
    """By `mt20id`, in the order of the list."""
    venues: Mapping[str, Venue]
    """By `mt10id`, in the order of the list."""


LIST_FIELDS = (
    *("mt20id", "prfnm", "prfpdfrom", "prfpdto", "fcltynm", "poster", "area", "genrenm"),
    *("openrun", "prfstate"),
)
VENUE_FIELDS = ("fcltynm", "mt10id", "mt13cnt", "fcltychartr", "sidonm", "gugunnm", "opende")
VENUE_DETAIL_FIELDS = (
    *("fcltynm", "mt10id", "mt13cnt", "fcltychartr", "opende", "seatscale", "telno", "relateurl"),
    *("adres", "la", "lo", "restaurant", "cafe", "store", "nolibang", "suyu", "parkbarrier"),
    *("restbarrier", "runwbarrier", "elevbarrier", "parkinglot", "sidonm", "gugunnm"),
)
FACILITIES = VENUE_DETAIL_FIELDS[11:21]


def record(fields: Mapping[str, str], nested: str = "") -> bytes:
    """One `<db>`. A blank is one space. `nested` is XML that comes last."""
    values = "".join(f"<{name}>{escape(value or ' ')}</{name}>" for name, value in fields.items())
    return f"<db>{values}{nested}</db>".encode()


def generated_rows(today: date) -> KopisRows:
    venues = [_hall_owner(number, row) for number, row in enumerate(facts("venues"))]
    performances = {
        key: performance
        for slot in range(SLOTS)
        for key, performance in _editions(slot, venues, today)
    }
    by_name = sorted(venues, key=lambda venue: venue.row["name"])
    return KopisRows(
        performances=dict(sorted(performances.items(), reverse=True)),
        venues={owner.venue_id: _venue(owner, today) for owner in by_name},
    )


@dataclass(frozen=True)
class HallOwner:
    """A venue before it is told in KOPIS's words."""

    venue_id: str
    row: FactRow
    halls: tuple[tuple[str, str], ...]
    """Name and seats of each, the seats with thousands commas."""

    @property
    def region(self) -> FactRow:
        return next(row for row in facts("regions") if row["code"] == self.row["region"])

    @property
    def district_code(self) -> str:
        name = self.row["district_name"]
        found = (row["kopis_code"] for row in facts("districts") if row["name_ko"] == name)
        return next(found, "")


def _hall_owner(number: int, row: FactRow) -> HallOwner:
    halls = (hall.partition(":") for hall in row["halls"].split("|"))
    return HallOwner(
        f"FC{1000 + 7 * number:06d}", row, tuple((name, seats) for name, _, seats in halls)
    )


def _venue(owner: HallOwner, today: date) -> Venue:
    row, venue_id = owner.row, owner.venue_id
    longitude, latitude = _where(owner)
    has_place = pick(15, venue_id, "place") > 0
    seats = sum(int(seats.replace(",", "")) for _, seats in owner.halls)
    fields = {
        "fcltynm": row["name"],
        "mt10id": venue_id,
        "mt13cnt": str(len(owner.halls)),
        "fcltychartr": row["kind"],
        "sidonm": owner.region["short_name"],
        "gugunnm": row["district_name"],
        "opende": row["opened"],
        "seatscale": str(seats),
        "telno": f"02-000-{pick(10_000, venue_id, 'phone'):04d}" if pick(3, venue_id) else "",
        "relateurl": f"http://venues.example/{venue_id}" if pick(2, venue_id, "url") else "",
        "adres": _address(owner),
        "la": f"{latitude:.15f}" if has_place else "",
        "lo": f"{longitude:.15f}" if has_place else "",
        **{name: "NY"[pick(2, venue_id, name)] for name in FACILITIES},
    }
    return Venue(
        region=row["region"],
        district=owner.district_code,
        changed_on=f"{day_of_cycle(today, 300 + pick(200, venue_id), venue_id):%Y%m%d}",
        listed=record({name: fields[name] for name in VENUE_FIELDS}),
        detail=record(
            {name: fields[name] for name in VENUE_DETAIL_FIELDS},
            f"<mt13s>{''.join(_halls(owner))}</mt13s>",
        ),
    )


def _halls(owner: HallOwner) -> Iterator[str]:
    for number, (name, seats) in enumerate(owner.halls):
        fields = {
            "prfplcnm": name,
            "mt13id": _hall_id(owner, number),
            "seatscale": seats,
            "stageorchat": "NY"[pick(2, name, "orchestra")],
            "stagepracat": "NY"[pick(2, name, "practice")],
            "stagedresat": "NY"[pick(2, name, "dressing")],
            "stageoutdrat": "Y" if "야외" in name else "N",
            "disabledseatscale": str(pick(9, name, "seats")),
            "stagearea": f"{8 + pick(10, name, 'width')}X{6 + pick(8, name, 'depth')}",
        }
        values = "".join(f"<{field}>{escape(value)}</{field}>" for field, value in fields.items())
        yield f"<mt13>{values}</mt13>"


def _hall_id(owner: HallOwner, number: int) -> str:
    return f"{owner.venue_id}-{number + 1:02d}"


def _where(owner: HallOwner) -> tuple[float, float]:
    """Longitude and latitude."""
    row = owner.row
    if row["longitude"]:
        return float(row["longitude"]), float(row["latitude"])
    home = _neighbourhood(row)
    return near(home["longitude"], home["latitude"], 250, row["name"])


def _neighbourhood(row: FactRow) -> FactRow:
    """The one that the venue names; the first of its district when it names none."""
    code = next(d["code"] for d in facts("districts") if d["name_ko"] == row["district_name"])
    own = [found for found in facts("neighbourhoods") if found["district"] == code]
    return next((found for found in own if found["name_ko"] == row["neighbourhood"]), own[0])


def _address(owner: HallOwner) -> str:
    row = owner.row
    start = f"{owner.region['name_ko']} {row['district_name']}"
    if row["longitude"]:
        return start
    home = _neighbourhood(row)["name_ko"]
    return f"{start} {home.removesuffix('동')}로 {1 + pick(180, row['name'], 'house')} ({home})"


# A slot is a stretch of the calendar that one production after the other runs in. It is as long as
# one production is listed, so that every slot shows about one on any day.
SEOUL_SLOTS = 200
SLOTS = SEOUL_SLOTS + 16
OPEN_RUNS = 6
UNKNOWN_VENUES = {
    17: "성수 팝업무대",
    61: "한강 수상무대",
    118: "폐교 운동장",
    163: "북촌 어느 한옥",
}
"""Slots whose venue is in no venue list."""
REMEMBERED = 60
"""Days for which a performance that is over is still answered."""

Listed = tuple[str, Performance]


def _editions(slot: int, owners: list[HallOwner], today: date) -> Iterator[Listed]:
    """What the slot holds that is registered, and is not long over."""
    seoul = [owner for owner in owners if owner.row["region"] == "11"]
    elsewhere = [owner for owner in owners if owner.row["region"] != "11"]
    choice = seoul if slot < SEOUL_SLOTS else elsewhere
    if slot < OPEN_RUNS:
        yield _open_run(slot, choice, today)
        return
    days = _run_days(slot)
    lead = 40 + pick(40, slot, "lead")
    period = lead + days + 6
    newest = ((today - EPOCH).days - 1 + lead) // period
    for cycle in range(newest, newest - 4, -1):
        starts_on = EPOCH + timedelta(days=cycle * period + pick(period, slot, "phase"))
        ends_on = starts_on + timedelta(days=days - 1)
        registered_on = starts_on - timedelta(days=lead)
        if registered_on < today and ends_on >= today - timedelta(days=REMEMBERED):
            run = (starts_on, ends_on)
            yield _performance(slot, cycle, choice, run, registered_on, registered_on, today)


def _run_days(slot: int) -> int:
    """Most run for a few days, some for weeks, few for months."""
    chance = pick(10, slot, "run")
    if chance < 6:
        return 1 + pick(9, slot, "days")
    return 20 + pick(40, slot, "days") if chance < 9 else 90 + pick(120, slot, "days")


def _open_run(slot: int, owners: list[HallOwner], today: date) -> Listed:
    """A run without an end: the end that is answered moves on by a quarter, a month before it."""
    starts_on = date(2014 + slot, 9, 11)
    ahead = today + timedelta(days=30)
    quarter = date(ahead.year, 3 * ((ahead.month - 1) // 3) + 1, 1)
    ends_on = (quarter + timedelta(days=100)).replace(day=1) - timedelta(days=1)
    registered_on, extended_on = starts_on - timedelta(days=60), quarter - timedelta(days=31)
    run = (starts_on, ends_on)
    return _performance(slot, 0, owners, run, registered_on, extended_on, today)


def _performance(
    slot: int,
    cycle: int,
    owners: list[HallOwner],
    run: tuple[date, date],
    registered_on: date,
    edited_on: date,
    today: date,
) -> Listed:
    """One edition as KOPIS tells it on that day."""
    starts_on, ends_on = run
    performance_id = f"PF{130_000 + cycle * SLOTS + slot}"
    owner = owners[pick(len(owners), slot, cycle, "venue")]
    hall = pick(len(owner.halls), slot, cycle, "hall")
    hall_name, seats = owner.halls[hall]
    genres = owner.row["genres"].split()
    genre = genres[pick(len(genres), slot, cycle, "genre")]
    productions = [row for row in facts("productions") if row["genre"] == genre]
    production = productions[pick(len(productions), slot, cycle, "production")]
    state, updated_at = _state(performance_id, run, edited_on, today)
    venue_name, venue_id, hall_id = owner.row["name"], owner.venue_id, _hall_id(owner, hall)
    if slot in UNKNOWN_VENUES:
        venue_name = hall_name = UNKNOWN_VENUES[slot]
        venue_id, hall_id = f"FC999{slot:03d}", ""
    poster = f"http://posters.example/PF_{performance_id}.gif"
    company = COMPANIES[pick(len(COMPANIES), production["title"])]
    is_produced = pick(10, performance_id, "produced") < 4
    fields = {
        "mt20id": performance_id,
        "prfnm": production["title"] + _tag(genre, owner),
        "prfpdfrom": f"{starts_on:%Y.%m.%d}",
        "prfpdto": f"{ends_on:%Y.%m.%d}",
        "fcltynm": venue_name,
        "poster": poster,
        "area": owner.region["name_ko"],
        "genrenm": genre,
        "openrun": "Y" if slot < OPEN_RUNS else "N",
        "prfstate": state,
    }
    detail = {
        "mt20id": performance_id,
        "mt13id": hall_id,
        "frstregdt": f"{registered_on:%Y.%m.%d}",
        "prfnm": fields["prfnm"],
        "prfpdfrom": fields["prfpdfrom"],
        "prfpdto": fields["prfpdto"],
        "fcltynm": f"{venue_name} ({hall_name})",
        "prfcast": _names(5, performance_id, "cast"),
        "prfcrew": _names(3, performance_id, "crew"),
        "prfruntime": production["runtime"],
        "prfage": production["age"],
        "entrpsnm": company if is_produced else "",
        "entrpsnmP": company if is_produced else "",
        "entrpsnmA": company if pick(6, performance_id, "agency") == 0 else "",
        "entrpsnmH": owner.row["name"] if pick(5, performance_id, "host") else "",
        "entrpsnmS": company if pick(2, performance_id, "organizer") else "",
        "pcseguidance": _prices(performance_id, int(seats.replace(",", ""))),
        "poster": poster,
        "sty": f"<{production['title']}>\n\n{hall_name}에서 만나는 {genre} 무대."
        if pick(3, performance_id, "story")
        else "",
        "area": fields["area"],
        "genrenm": genre,
        "openrun": fields["openrun"],
        "visit": "NY"[pick(15, performance_id, "visit") == 0],
        "child": "NY"["개월" in production["age"]],
        "daehakro": "NY"[owner.row["kind"] == "민간(대학로)"],
        "festival": "NY"[pick(30, performance_id, "festival") == 0],
        "musicallicense": "N",
        "musicalcreate": "NY"[genre == "뮤지컬"],
        "updatedate": updated_at,
        "prfstate": state,
        "mt10id": venue_id,
        "dtguidance": TIMES[pick(len(TIMES), slot, "times")],
    }
    performance = Performance(
        region=owner.row["region"],
        district=owner.district_code,
        genre=genre,
        state=state,
        starts_on=f"{starts_on:%Y%m%d}",
        ends_on=f"{ends_on:%Y%m%d}",
        changed_on=updated_at[:10].replace("-", ""),
        listed=record(fields),
        detail=record(detail, _images(performance_id) + _links(performance_id)),
    )
    return performance_id, performance


def _state(
    performance_id: str, run: tuple[date, date], edited_on: date, today: date
) -> tuple[str, str]:
    """The state, and when it was last changed: by hand, or by the clock just after midnight."""
    starts_on, ends_on = run
    by_hand = clock(performance_id, edited_on)
    edited = f"{edited_on} {by_hand[:2]}:{by_hand[2:4]}:{by_hand[4:]}"
    if today > ends_on:
        state, changed_on = STATES["03"], ends_on + timedelta(days=1)
    elif today >= starts_on:
        state, changed_on = STATES["02"], starts_on
    else:
        return STATES["01"], edited
    automatic = f"{changed_on} 00:00:04.{pick(1_000_000, changed_on):06d}"
    return state, max(automatic, edited)


def _tag(genre: str, owner: HallOwner) -> str:
    """Plays and musicals, which tour, have the place in their title."""
    if genre not in ("연극", "뮤지컬"):
        return ""
    if owner.row["kind"] == "민간(대학로)":
        return " [대학로]"
    district = owner.row["district_name"]
    short = district if len(district) == 2 else district[:-1]
    region = owner.region["short_name"]
    return f" [{region} {short}]" if region == "서울" else f" [{short}]"


PEOPLE = (
    *("강하람", "고은솔", "김누리", "나도윤", "박새봄", "서이안"),
    *("송가온", "신해솔", "오하늘", "윤슬기", "이다온", "정가람"),
)
COMPANIES = (
    "극단 물수제비",
    "(주)가온기획",
    "예술단 느티",
    "공연제작소 너른마당",
    "(재)한울문화재단",
)
TIMES = (
    "화요일 ~ 금요일(19:30), 토요일(15:00,19:00), 일요일(15:00)",
    "토요일 ~ 일요일(11:00,14:00,16:30)",
    "수요일(19:30)",
    "금요일(20:00), 토요일(15:00,18:00), HOL(15:00)",
    "목요일(19:30)",
)


def _names(most: int, *names: object) -> str:
    if pick(4, *names) == 0:
        return ""
    start, count = pick(len(PEOPLE), *names, "first"), 1 + pick(most, *names, "count")
    chosen = [PEOPLE[(start + nth) % len(PEOPLE)] for nth in range(count)]
    return ", ".join(chosen) + (" 등" if count == most else "")


def _prices(performance_id: str, seats: int) -> str:
    """Free text, as organizers write it: the larger the hall, the more classes of seats."""
    base = 10_000 * (2 + pick(4, performance_id, "price"))
    if pick(12, performance_id, "free") == 0:
        return "전석무료 "
    if seats < 400:
        return f"전석 {base:,}원"
    classes = ("R석", "S석") if seats < 900 else ("VIP석", "R석", "S석", "A석")
    step = 22_000 if seats >= 900 else 11_000
    top = base + step * len(classes)
    return ", ".join(f"{name} {top - step * nth:,}원" for nth, name in enumerate(classes))


def _images(performance_id: str) -> str:
    count = 1 + pick(3, performance_id, "images")
    urls = (f"http://posters.example/{performance_id}_{nth}.jpg" for nth in range(1, count + 1))
    return f"<styurls>{''.join(f'<styurl>{url}</styurl>' for url in urls)}</styurls>"


def _links(performance_id: str) -> str:
    sellers = ("표나라", "한마당티켓", "무대예매")[: 1 + pick(3, performance_id, "sellers")]
    links = (
        f"<relate><relatenm>{seller}</relatenm>"
        f"<relateurl>https://tickets.example/{nth}?id={performance_id}&amp;from=list</relateurl>"
        "</relate>"
        for nth, seller in enumerate(sellers, 1)
    )
    return f"<relates>{''.join(links)}</relates>"


def recorded_rows(folder: Path) -> KopisRows:
    """Raises RecordingError when the folder lacks a file."""
    more = _more_of_venues(recording(folder, "kopis/prfplc_detail_partial.csv"))
    venues = {
        fields["mt10id"]: _recorded_venue(fields, listed, more.get(fields["mt10id"], {}))
        for fields, listed in _records(recording(folder, "kopis/prfplc.xml"))
    }
    details = {
        fields["mt20id"]: (fields, detail)
        for fields, detail in _records(recording(folder, "kopis/pblprfr_detail.xml"))
    }
    performances = {
        fields["mt20id"]: _recorded_performance(fields, listed, *details[fields["mt20id"]], venues)
        for genre in ("CLASSIC", "MUSICAL", "THEATER")
        for fields, listed in _records(recording(folder, f"kopis/pblprfr/{genre}.xml"))
    }
    return KopisRows(dict(sorted(performances.items(), reverse=True)), venues)


def _records(path: Path) -> Iterator[tuple[Fields, bytes]]:
    """The fields of each record that hold text, and its bytes as they were answered."""
    content = path.read_bytes()
    slices = re.findall(rb"<db>.*?</db>", content, re.DOTALL)
    for element, found in zip(ElementTree.fromstring(content), slices, strict=True):
        yield {child.tag: (child.text or "").strip() for child in element}, found


def _more_of_venues(path: Path) -> dict[str, Fields]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["mt10id"]: row for row in csv.DictReader(file)}


def _recorded_venue(fields: Fields, listed: bytes, more: Fields) -> Venue:
    names = {row["short_name"]: row["code"] for row in facts("regions")}
    codes = {row["name_ko"]: row["kopis_code"] for row in facts("districts")}
    is_seoul = fields["sidonm"] == "서울"
    known = {**fields, **more}
    return Venue(
        region=names.get(fields["sidonm"], ""),
        district=codes.get(fields["gugunnm"], "") if is_seoul else "",
        changed_on="",
        listed=listed,
        detail=record({name: known.get(name, "") for name in VENUE_DETAIL_FIELDS}),
    )


def _recorded_performance(
    fields: Fields, listed: bytes, details: Fields, detail: bytes, venues: Mapping[str, Venue]
) -> Performance:
    names = {row["name_ko"]: row["code"] for row in facts("regions")}
    venue = venues.get(details["mt10id"])
    return Performance(
        region=names.get(fields["area"], ""),
        district=venue.district if venue else "",
        genre=fields["genrenm"],
        state=fields["prfstate"],
        starts_on=fields["prfpdfrom"].replace(".", ""),
        ends_on=fields["prfpdto"].replace(".", ""),
        changed_on=details["updatedate"][:10].replace("-", ""),
        listed=listed,
        detail=detail,
    )
