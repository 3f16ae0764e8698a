"""The rows of the sample KOPIS: generated from the fact files, or read from recordings."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from loaders.sample_api.facts import (
    EPOCH,
    FactRow,
    facts,
    last_cycle_start,
    near,
    office_time,
    pick,
)
from loaders.sample_api.service import recorded_file

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
UPCOMING, RUNNING, COMPLETED = "공연예정", "공연중", "공연완료"
STATES = {"01": UPCOMING, "02": RUNNING, "03": COMPLETED}
SEOUL = "11"

Fields = dict[str, str]


@dataclass(frozen=True)
class PerformanceRecord:
    """A performance as KOPIS serves it, with the fields that requests filter by."""

    region: str
    """`signgucode`, blank where the performance has none."""
    district: str
    """`signgucodesub`, blank where unknown."""
    genre: str
    state: str
    starts_on: str
    """YYYYMMDD, as in requests."""
    ends_on: str
    """YYYYMMDD."""
    changed_on: str
    """YYYYMMDD, blank where unknown."""
    list_xml: bytes
    """`<db>` element of the list."""
    detail_xml: bytes
    """`<db>` element of the detail."""


@dataclass(frozen=True)
class VenueRecord:
    """A venue as KOPIS serves it. Its fields mean the same as in PerformanceRecord."""

    region: str
    district: str
    changed_on: str
    list_xml: bytes
    detail_xml: bytes


@dataclass(frozen=True)
class KopisRows:
    performances: Mapping[str, PerformanceRecord]
    """By `mt20id`, in list order."""
    venues: Mapping[str, VenueRecord]
    """By `mt10id`, in list order."""


VENUE_LIST_FIELDS = ("fcltynm", "mt10id", "mt13cnt", "fcltychartr", "sidonm", "gugunnm", "opende")
VENUE_DETAIL_FIELDS = (
    *("fcltynm", "mt10id", "mt13cnt", "fcltychartr", "opende", "seatscale", "telno", "relateurl"),
    *("adres", "la", "lo", "restaurant", "cafe", "store", "nolibang", "suyu", "parkbarrier"),
    *("restbarrier", "runwbarrier", "elevbarrier", "parkinglot", "sidonm", "gugunnm"),
)
FACILITIES = VENUE_DETAIL_FIELDS[11:21]


def db_element(fields: Mapping[str, str], nested_xml: str = "") -> bytes:
    """Return one `<db>` element, ending with `nested_xml`. A blank value becomes one space."""
    values = "".join(f"<{name}>{escape(value or ' ')}</{name}>" for name, value in fields.items())
    return f"<db>{values}{nested_xml}</db>".encode()


def generated_rows(today: date) -> KopisRows:
    venues = [_venue(number, row) for number, row in enumerate(facts("venues"))]
    performances = {
        performance.performance_id: _performance_record(performance)
        for slot in range(SLOTS)
        for performance in _performances(slot, venues, today)
    }
    by_name = sorted(venues, key=lambda venue: venue.row["name"])
    return KopisRows(
        performances=dict(sorted(performances.items(), reverse=True)),
        venues={venue.venue_id: _venue_record(venue, today) for venue in by_name},
    )


@dataclass(frozen=True)
class Venue:
    venue_id: str
    row: FactRow
    halls: tuple[tuple[str, str], ...]
    """Name and seats of each hall, the seats with thousands commas."""

    @property
    def region(self) -> FactRow:
        return next(row for row in facts("regions") if row["code"] == self.row["region"])

    @property
    def district_code(self) -> str:
        """KOPIS code of a district in Seoul, else blank."""
        name = self.row["district_name"]
        codes = (row["kopis_code"] for row in facts("districts") if row["name_ko"] == name)
        return next(codes, "")

    @property
    def is_in_daehangno(self) -> bool:
        return self.row["kind"] == "민간(대학로)"

    def hall_id(self, index: int) -> str:
        return f"{self.venue_id}-{index + 1:02d}"


def _venue(number: int, row: FactRow) -> Venue:
    halls = (hall.partition(":") for hall in row["halls"].split("|"))
    return Venue(
        f"FC{1000 + 7 * number:06d}", row, tuple((name, seats) for name, _, seats in halls)
    )


def _venue_record(venue: Venue, today: date) -> VenueRecord:
    row, venue_id = venue.row, venue.venue_id
    longitude, latitude = _coordinates(venue)
    has_coordinates = pick(15, venue_id, "place") > 0
    seats = sum(_seat_count(seats) for _, seats in venue.halls)
    fields = {
        "fcltynm": row["name"],
        "mt10id": venue_id,
        "mt13cnt": str(len(venue.halls)),
        "fcltychartr": row["kind"],
        "sidonm": venue.region["short_name"],
        "gugunnm": row["district_name"],
        "opende": row["opened"],
        "seatscale": str(seats),
        "telno": f"02-000-{pick(10_000, venue_id, 'phone'):04d}" if pick(3, venue_id) else "",
        "relateurl": f"http://venues.example/{venue_id}" if pick(2, venue_id, "url") else "",
        "adres": _address(venue),
        "la": f"{latitude:.15f}" if has_coordinates else "",
        "lo": f"{longitude:.15f}" if has_coordinates else "",
        **{name: "NY"[pick(2, venue_id, name)] for name in FACILITIES},
    }
    return VenueRecord(
        region=row["region"],
        district=venue.district_code,
        changed_on=f"{last_cycle_start(today, 300 + pick(200, venue_id), venue_id):%Y%m%d}",
        list_xml=db_element({name: fields[name] for name in VENUE_LIST_FIELDS}),
        detail_xml=db_element(
            {name: fields[name] for name in VENUE_DETAIL_FIELDS},
            f"<mt13s>{''.join(_halls_xml(venue))}</mt13s>",
        ),
    )


def _seat_count(text: str) -> int:
    return int(text.replace(",", ""))


def _halls_xml(venue: Venue) -> Iterator[str]:
    for index, (name, seats) in enumerate(venue.halls):
        fields = {
            "prfplcnm": name,
            "mt13id": venue.hall_id(index),
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


def _coordinates(venue: Venue) -> tuple[float, float]:
    """Return longitude and latitude."""
    row = venue.row
    if row["longitude"]:
        return float(row["longitude"]), float(row["latitude"])
    neighbourhood = _neighbourhood(row)
    return near(neighbourhood["longitude"], neighbourhood["latitude"], 250, row["name"])


def _neighbourhood(row: FactRow) -> FactRow:
    """Return the neighbourhood that the venue names, else the first of its district."""
    district = next(
        district["code"]
        for district in facts("districts")
        if district["name_ko"] == row["district_name"]
    )
    candidates = [
        neighbourhood
        for neighbourhood in facts("neighbourhoods")
        if neighbourhood["district"] == district
    ]
    named = (
        neighbourhood
        for neighbourhood in candidates
        if neighbourhood["name_ko"] == row["neighbourhood"]
    )
    return next(named, candidates[0])


def _address(venue: Venue) -> str:
    row = venue.row
    district = f"{venue.region['name_ko']} {row['district_name']}"
    if row["longitude"]:
        return district
    name = _neighbourhood(row)["name_ko"]
    return f"{district} {name.removesuffix('동')}로 {1 + pick(180, row['name'], 'house')} ({name})"


# A slot is a lane of the calendar in which productions run one after the other. Its period covers
# the time from registration to six days after the run, so that every slot shows about one
# production on any day.
SEOUL_SLOTS = 200
SLOTS = SEOUL_SLOTS + 16
OPEN_RUNS = 6
"""Number of slots, from the first, with one open-ended production each."""
UNKNOWN_VENUES = {
    17: "성수 팝업무대",
    61: "한강 수상무대",
    118: "폐교 운동장",
    163: "북촌 어느 한옥",
}
"""Slots whose venue is missing from the venue list."""
LISTED_DAYS = 60
"""Days for which a completed performance stays in the list."""


@dataclass(frozen=True)
class Performance:
    """One run of a production, with its state on the day of the request."""

    performance_id: str
    slot: int
    production: FactRow
    venue: Venue
    venue_id: str
    """Id of the venue. Of an unknown venue, an id that is missing from the venue list."""
    venue_name: str
    hall_id: str
    """Blank for an unknown venue."""
    hall_name: str
    seats: int
    starts_on: date
    ends_on: date
    registered_on: date
    state: str
    updated_at: str
    """`YYYY-MM-DD HH:MM:SS`, with microseconds for an automatic change."""


def _performances(slot: int, venues: list[Venue], today: date) -> Iterator[Performance]:
    """Yield the slot's performances that are registered and not completed for too long."""
    is_seoul = slot < SEOUL_SLOTS
    candidates = [venue for venue in venues if (venue.row["region"] == SEOUL) == is_seoul]
    if slot < OPEN_RUNS:
        yield _open_run(slot, candidates, today)
        return
    days = _run_days(slot)
    lead = 40 + pick(40, slot, "lead")
    period = lead + days + 6
    newest = ((today - EPOCH).days - 1 + lead) // period
    for cycle in range(newest, newest - 4, -1):
        starts_on = EPOCH + timedelta(days=cycle * period + pick(period, slot, "phase"))
        ends_on = starts_on + timedelta(days=days - 1)
        registered_on = starts_on - timedelta(days=lead)
        if registered_on < today and ends_on >= today - timedelta(days=LISTED_DAYS):
            run = (starts_on, ends_on)
            yield _performance(slot, cycle, candidates, run, registered_on, registered_on, today)


def _run_days(slot: int) -> int:
    """Return the length of a run: mostly a few days, sometimes weeks, rarely months."""
    chance = pick(10, slot, "run")
    if chance < 6:
        return 1 + pick(9, slot, "days")
    return 20 + pick(40, slot, "days") if chance < 9 else 90 + pick(120, slot, "days")


def _open_run(slot: int, venues: list[Venue], today: date) -> Performance:
    """Return a run without an end.

    Its listed end is extended by a quarter, one month before each quarter begins.
    """
    starts_on = date(2014 + slot, 9, 11)
    in_30_days = today + timedelta(days=30)
    quarter = date(in_30_days.year, 3 * ((in_30_days.month - 1) // 3) + 1, 1)
    ends_on = (quarter + timedelta(days=100)).replace(day=1) - timedelta(days=1)
    registered_on, extended_on = starts_on - timedelta(days=60), quarter - timedelta(days=31)
    run = (starts_on, ends_on)
    return _performance(slot, 0, venues, run, registered_on, extended_on, today)


def _performance(
    slot: int,
    cycle: int,
    venues: list[Venue],
    run: tuple[date, date],
    registered_on: date,
    edited_on: date,
    today: date,
) -> Performance:
    """Return the run of a slot's cycle at one of the venues."""
    performance_id = f"PF{130_000 + cycle * SLOTS + slot}"
    venue = venues[pick(len(venues), slot, cycle, "venue")]
    hall = pick(len(venue.halls), slot, cycle, "hall")
    hall_name, seats = venue.halls[hall]
    genres = venue.row["genres"].split()
    genre = genres[pick(len(genres), slot, cycle, "genre")]
    productions = [row for row in facts("productions") if row["genre"] == genre]
    state, updated_at = _state(performance_id, run, edited_on, today)
    unknown_venue = UNKNOWN_VENUES.get(slot)
    return Performance(
        performance_id=performance_id,
        slot=slot,
        production=productions[pick(len(productions), slot, cycle, "production")],
        venue=venue,
        venue_id=f"FC999{slot:03d}" if unknown_venue else venue.venue_id,
        venue_name=unknown_venue or venue.row["name"],
        hall_id="" if unknown_venue else venue.hall_id(hall),
        hall_name=unknown_venue or hall_name,
        seats=_seat_count(seats),
        starts_on=run[0],
        ends_on=run[1],
        registered_on=registered_on,
        state=state,
        updated_at=updated_at,
    )


def _state(
    performance_id: str, run: tuple[date, date], edited_on: date, today: date
) -> tuple[str, str]:
    """Return the state and the time of the last change.

    A change is manual (in office hours) or automatic (just after midnight).
    """
    starts_on, ends_on = run
    time = office_time(performance_id, edited_on)
    edited_at = f"{edited_on} {time[:2]}:{time[2:4]}:{time[4:]}"
    if today > ends_on:
        state, changed_on = COMPLETED, ends_on + timedelta(days=1)
    elif today >= starts_on:
        state, changed_on = RUNNING, starts_on
    else:
        return UPCOMING, edited_at
    changed_at = f"{changed_on} 00:00:04.{pick(1_000_000, changed_on):06d}"
    return state, max(changed_at, edited_at)


def _performance_record(performance: Performance) -> PerformanceRecord:
    return PerformanceRecord(
        region=performance.venue.row["region"],
        district=performance.venue.district_code,
        genre=performance.production["genre"],
        state=performance.state,
        starts_on=f"{performance.starts_on:%Y%m%d}",
        ends_on=f"{performance.ends_on:%Y%m%d}",
        changed_on=performance.updated_at[:10].replace("-", ""),
        list_xml=db_element(_list_fields(performance)),
        detail_xml=db_element(
            _detail_fields(performance),
            _images_xml(performance.performance_id) + _links_xml(performance.performance_id),
        ),
    )


def _list_fields(performance: Performance) -> Fields:
    production, venue = performance.production, performance.venue
    return {
        "mt20id": performance.performance_id,
        "prfnm": production["title"] + _title_suffix(production["genre"], venue),
        "prfpdfrom": f"{performance.starts_on:%Y.%m.%d}",
        "prfpdto": f"{performance.ends_on:%Y.%m.%d}",
        "fcltynm": performance.venue_name,
        "poster": f"http://posters.example/PF_{performance.performance_id}.gif",
        "area": venue.region["name_ko"],
        "genrenm": production["genre"],
        "openrun": "Y" if performance.slot < OPEN_RUNS else "N",
        "prfstate": performance.state,
    }


def _detail_fields(performance: Performance) -> Fields:
    performance_id, production = performance.performance_id, performance.production
    venue, listed = performance.venue, _list_fields(performance)
    company = COMPANIES[pick(len(COMPANIES), production["title"])]
    has_producer = pick(10, performance_id, "produced") < 4
    story = (
        f"<{production['title']}>\n\n{performance.hall_name}에서 만나는 {listed['genrenm']} 무대."
    )
    return {
        "mt20id": performance_id,
        "mt13id": performance.hall_id,
        "frstregdt": f"{performance.registered_on:%Y.%m.%d}",
        "prfnm": listed["prfnm"],
        "prfpdfrom": listed["prfpdfrom"],
        "prfpdto": listed["prfpdto"],
        "fcltynm": f"{performance.venue_name} ({performance.hall_name})",
        "prfcast": _people(5, performance_id, "cast"),
        "prfcrew": _people(3, performance_id, "crew"),
        "prfruntime": production["runtime"],
        "prfage": production["age"],
        "entrpsnm": company if has_producer else "",
        "entrpsnmP": company if has_producer else "",
        "entrpsnmA": company if pick(6, performance_id, "agency") == 0 else "",
        "entrpsnmH": venue.row["name"] if pick(5, performance_id, "host") else "",
        "entrpsnmS": company if pick(2, performance_id, "organizer") else "",
        "pcseguidance": _prices(performance_id, performance.seats),
        "poster": listed["poster"],
        "sty": story if pick(3, performance_id, "story") else "",
        "area": listed["area"],
        "genrenm": listed["genrenm"],
        "openrun": listed["openrun"],
        "visit": "NY"[pick(15, performance_id, "visit") == 0],
        "child": "NY"["개월" in production["age"]],
        "daehakro": "NY"[venue.is_in_daehangno],
        "festival": "NY"[pick(30, performance_id, "festival") == 0],
        "musicallicense": "N",
        "musicalcreate": "NY"[listed["genrenm"] == "뮤지컬"],
        "updatedate": performance.updated_at,
        "prfstate": performance.state,
        "mt10id": performance.venue_id,
        "dtguidance": TIMES[pick(len(TIMES), performance.slot, "times")],
    }


def _title_suffix(genre: str, venue: Venue) -> str:
    """Return the place in brackets for plays and musicals, which tour."""
    if genre not in ("연극", "뮤지컬"):
        return ""
    if venue.is_in_daehangno:
        return " [대학로]"
    district = venue.row["district_name"]
    short_name = district if len(district) == 2 else district[:-1]
    region = venue.region["short_name"]
    return f" [{region} {short_name}]" if region == "서울" else f" [{short_name}]"


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


def _people(max_count: int, *names: object) -> str:
    """Return up to `max_count` people, or blank. A full list ends in "and others"."""
    if pick(4, *names) == 0:
        return ""
    first, count = pick(len(PEOPLE), *names, "first"), 1 + pick(max_count, *names, "count")
    people = [PEOPLE[(first + offset) % len(PEOPLE)] for offset in range(count)]
    return ", ".join(people) + (" 등" if count == max_count else "")


def _prices(performance_id: str, seats: int) -> str:
    """Return prices as free text, as organizers write it. A larger hall has more seat classes."""
    base = 10_000 * (2 + pick(4, performance_id, "price"))
    if pick(12, performance_id, "free") == 0:
        return "전석무료 "
    if seats < 400:
        return f"전석 {base:,}원"
    classes = ("R석", "S석") if seats < 900 else ("VIP석", "R석", "S석", "A석")
    step = 22_000 if seats >= 900 else 11_000
    top = base + step * len(classes)
    return ", ".join(f"{name} {top - step * rank:,}원" for rank, name in enumerate(classes))


def _images_xml(performance_id: str) -> str:
    count = 1 + pick(3, performance_id, "images")
    urls = (f"http://posters.example/{performance_id}_{n}.jpg" for n in range(1, count + 1))
    return f"<styurls>{''.join(f'<styurl>{url}</styurl>' for url in urls)}</styurls>"


def _links_xml(performance_id: str) -> str:
    sellers = ("표나라", "한마당티켓", "무대예매")[: 1 + pick(3, performance_id, "sellers")]
    links = (
        f"<relate><relatenm>{seller}</relatenm>"
        f"<relateurl>https://tickets.example/{n}?id={performance_id}&amp;from=list</relateurl>"
        "</relate>"
        for n, seller in enumerate(sellers, 1)
    )
    return f"<relates>{''.join(links)}</relates>"


def recorded_rows(folder: Path) -> KopisRows:
    """Return the recorded rows. Raises RecordingError when the folder lacks a file."""
    extra_fields = _venue_extra_fields(recorded_file(folder, "kopis/prfplc_detail_partial.csv"))
    venues = {
        fields["mt10id"]: _recorded_venue(fields, xml, extra_fields.get(fields["mt10id"], {}))
        for fields, xml in _recorded_elements(recorded_file(folder, "kopis/prfplc.xml"))
    }
    details = {
        fields["mt20id"]: (fields, xml)
        for fields, xml in _recorded_elements(recorded_file(folder, "kopis/pblprfr_detail.xml"))
    }
    performances = {
        fields["mt20id"]: _recorded_performance(fields, xml, *details[fields["mt20id"]], venues)
        for genre in ("CLASSIC", "MUSICAL", "THEATER")
        for fields, xml in _recorded_elements(recorded_file(folder, f"kopis/pblprfr/{genre}.xml"))
    }
    return KopisRows(dict(sorted(performances.items(), reverse=True)), venues)


def _recorded_elements(path: Path) -> Iterator[tuple[Fields, bytes]]:
    """Yield the text fields of each `<db>` element, and its bytes as recorded."""
    content = path.read_bytes()
    slices = re.findall(rb"<db>.*?</db>", content, re.DOTALL)
    for element, xml in zip(ElementTree.fromstring(content), slices, strict=True):
        yield {child.tag: (child.text or "").strip() for child in element}, xml


def _venue_extra_fields(path: Path) -> dict[str, Fields]:
    """Return further detail fields of venues, by venue id."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["mt10id"]: row for row in csv.DictReader(file)}


def _recorded_venue(listed: Fields, list_xml: bytes, extra_fields: Fields) -> VenueRecord:
    regions = {row["short_name"]: row["code"] for row in facts("regions")}
    districts = {row["name_ko"]: row["kopis_code"] for row in facts("districts")}
    is_seoul = listed["sidonm"] == "서울"
    fields = {**listed, **extra_fields}
    return VenueRecord(
        region=regions.get(listed["sidonm"], ""),
        district=districts.get(listed["gugunnm"], "") if is_seoul else "",
        changed_on="",
        list_xml=list_xml,
        detail_xml=db_element({name: fields.get(name, "") for name in VENUE_DETAIL_FIELDS}),
    )


def _recorded_performance(
    listed: Fields,
    list_xml: bytes,
    detail: Fields,
    detail_xml: bytes,
    venues: Mapping[str, VenueRecord],
) -> PerformanceRecord:
    regions = {row["name_ko"]: row["code"] for row in facts("regions")}
    venue = venues.get(detail["mt10id"])
    return PerformanceRecord(
        region=regions.get(listed["area"], ""),
        district=venue.district if venue else "",
        genre=listed["genrenm"],
        state=listed["prfstate"],
        starts_on=listed["prfpdfrom"].replace(".", ""),
        ends_on=listed["prfpdto"].replace(".", ""),
        changed_on=detail["updatedate"][:10].replace("-", ""),
        list_xml=list_xml,
        detail_xml=detail_xml,
    )
