"""The rows of the sample Seoul plaza: generated from the fact files, or read from recordings."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import orjson
from pyproj import Transformer

from loaders.sample_api import kopis_rows, tour_rows
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

Row = dict[str, str]
SeoulRows = Mapping[str, list[Row]]
"""Rows by service, in list order."""

EVENTS, SPACES = "culturalEventInfo", "culturalSpaceInfo"
HOTELS, STAYS, HOMESTAYS = "LOCALDATA_031101", "LOCALDATA_031103", "LOCALDATA_031104"

PAGE_URL = "https://culture.example/cultureEvent/view.do?cultcode={}&menuNo=200009"
IMAGE_URL = "https://culture.example/file/getImage.do?atchFileId={}&thumb=Y"


def generated_rows(today: date) -> SeoulRows:
    kopis = kopis_rows.generated_rows(today)
    tour = tour_rows.generated_rows(today)
    venues = [_record_fields(venue.detail_xml) for venue in kopis.venues.values()]
    spaces = list(_spaces(venues))
    events = [
        *_programs(spaces, today),
        *_performances(kopis.performances, venues),
        *_festivals(tour["ko"]),
    ]
    lodgings = [*_tour_lodgings(tour, today), *_other_lodgings(today)]
    return {
        EVENTS: sorted(events, key=lambda row: row["STRTDATE"], reverse=True),
        SPACES: spaces,
        **{
            service: [row for row_service, row in lodgings if row_service == service]
            for service in (HOTELS, STAYS, HOMESTAYS)
        },
    }


def recorded_rows(folder: Path) -> SeoulRows:
    """Return the recorded rows. LOCALDATA_031103 was not recorded and is empty.

    Raises RecordingError when the folder lacks a file.
    """
    return {
        STAYS: [],
        **{
            service: orjson.loads(recorded_file(folder, f"seoul/{service}.json").read_bytes())
            for service in (EVENTS, SPACES, HOTELS, HOMESTAYS)
        },
    }


def _record_fields(xml: bytes) -> Row:
    """Return the fields of one KOPIS record."""
    return {field.tag: (field.text or "").strip() for field in ElementTree.fromstring(xml)}


def _district(code: str) -> FactRow:
    return next(row for row in facts("districts") if row["code"] == code)


def _stem(neighbourhood: FactRow) -> str:
    return neighbourhood["name_ko"].removesuffix("동")


def _spaces(venues: list[Row]) -> Iterator[Row]:
    """Yield the public venues that KOPIS lists too, and one space per neighbourhood."""
    number = 0
    for venue in venues:
        if venue["sidonm"] == "서울" and venue["fcltychartr"].startswith(("공공", "국립")):
            number += 1
            kind = "문화예술회관" if "문예회관" in venue["fcltychartr"] else "공연장"
            yield _space(number, kind, venue["fcltynm"], venue["adres"], venue["la"], venue["lo"])
    spaces = facts("neighbourhood_spaces")
    for position, neighbourhood in enumerate(facts("neighbourhoods")):
        number += 1
        space = spaces[position % len(spaces)]
        longitude, latitude = near(
            neighbourhood["longitude"], neighbourhood["latitude"], 300, number, "space"
        )
        stem, district = _stem(neighbourhood), _district(neighbourhood["district"])["name_ko"]
        address = f"서울특별시 {district} {stem}길 {1 + pick(90, number, 'house')}"
        name = space["name"].format(stem)
        yield _space(number, space["kind"], name, address, f"{latitude:.10f}", f"{longitude:.10f}")


def _space(number: int, kind: str, name: str, address: str, latitude: str, longitude: str) -> Row:
    description = (
        f"<div style='text-align: center;'><span style='font-size: 14pt;'>{name}은(는) 이웃과 함께"
        f" 쓰는 {kind}이다.&nbsp;</span></div><p>누구나 &lt;미리 알리지 않고&gt; 들를 수 있다.</p>"
    )
    return {
        "NUM": str(number),
        "SUBJCODE": kind,
        "FAC_NAME": name,
        "ADDR": address,
        # In the recorded rows X is the latitude. In a few rows the two are swapped.
        "X_COORD": longitude if number % 17 == 0 else latitude,
        "Y_COORD": latitude if number % 17 == 0 else longitude,
        "PHNE": f"02-000-{pick(10_000, number, 'phone'):04d}" if pick(9, number) else " ",
        "FAX": "",
        "HOMEPAGE": f"https://spaces.example/{number}" if pick(4, number, "page") else "없음",
        "OPENHOUR": "10:00~18:00" if pick(3, number, "hours") == 0 else "",
        "ENTR_FEE": "",
        "CLOSEDAY": ("매주 월요일", "연중무휴", "정보없음")[pick(3, number, "closed")],
        "OPEN_DAY": f"{1990 + pick(30, number, 'year')}년 4월" if pick(12, number) == 0 else "",
        "SEAT_CNT": "",
        "MAIN_IMG": IMAGE_URL.format(f"space{number}"),
        "ETC_DESC": "",
        "FAC_DESC": description,
        "ENTRFREE": ("무료", "무료", "유료", "")[pick(4, number, "free")],
        **dict.fromkeys(("SUBWAY", "BUSSTOP", "YELLOW", "GREEN", "BLUE", "RED", "AIRPORT"), ""),
    }


PROGRAM_SLOTS = 290
LISTED_RUNS = 2
"""Number of listed runs of a program: the newest and the run before it."""


def _programs(spaces: list[Row], today: date) -> Iterator[Row]:
    """Yield the programs of the spaces. A slot is one program at one space, repeated in cycles."""
    programs = facts("cultural_programs")
    for slot in range(PROGRAM_SLOTS):
        program = programs[slot % len(programs)]
        space = spaces[pick(len(spaces), slot, "space")]
        days = int(program["days"])
        period = 90 + pick(80, slot, "period") + days
        newest = ((today - EPOCH).days + 45) // period
        for cycle in range(newest, newest - LISTED_RUNS, -1):
            starts_on = EPOCH + timedelta(days=cycle * period + pick(30, slot, "start"))
            run = (starts_on, starts_on + timedelta(days=days - 1))
            yield _program(slot, cycle, program, space, run)


def _program(slot: int, cycle: int, program: FactRow, space: Row, run: tuple[date, date]) -> Row:
    name = space["FAC_NAME"]
    # In Korea the latitude is always the smaller number.
    latitude, longitude = sorted(
        (space["X_COORD"], space["Y_COORD"]), key=lambda text: float(text or 0)
    )
    title = program["title"].format(name.split(" ")[0])
    floor = ("", " 1층 마루홀", " 지하1층 배움방")[pick(3, slot, "floor")]
    return _event(
        code=200_000 + cycle * PROGRAM_SLOTS + slot,
        genre=program["genre"],
        title=f"[{name}] {title}" if pick(2, slot, "title") else title,
        place=name + floor,
        district=next(word for word in space["ADDR"].split() if word.endswith("구")),
        run=run,
        fee=program["fee"],
        latitude=latitude,
        longitude=longitude,
    )


KOPIS_GENRES = {
    "연극": "연극",
    "뮤지컬": "뮤지컬/오페라",
    "서양음악(클래식)": "클래식",
    "한국음악(국악)": "국악",
    "대중음악": "콘서트",
    "무용(서양/한국무용)": "무용",
    "대중무용": "무용",
}
"""Genre of the plaza by genre of KOPIS."""


def _performances(
    performances: Mapping[str, kopis_rows.PerformanceRecord], venues: list[Row]
) -> Iterator[Row]:
    """Yield every third KOPIS performance in Seoul, in the plaza's own wording."""
    venues_by_name = {venue["fcltynm"]: venue for venue in venues}
    for performance_id, performance in performances.items():
        listed = _record_fields(performance.list_xml)
        venue = venues_by_name.get(listed["fcltynm"])
        is_seoul = performance.region == kopis_rows.SEOUL
        if not is_seoul or pick(3, performance_id, "plaza") or venue is None:
            continue
        title = listed["prfnm"].partition(" [")[0]
        titles = (title, f"[{venue['fcltynm']}] {title}", f"{listed['genrenm']} [{title}]")
        yield _event(
            code=400_000 + int(performance_id.removeprefix("PF")),
            genre=KOPIS_GENRES.get(listed["genrenm"], "기타"),
            title=titles[pick(len(titles), performance_id, "form")],
            place=f"{venue['fcltynm']} {('대극장', '공연장')[pick(2, performance_id)]}",
            district=venue["gugunnm"],
            run=(_date(listed["prfpdfrom"], "%Y.%m.%d"), _date(listed["prfpdto"], "%Y.%m.%d")),
            fee=_record_fields(performance.detail_xml)["pcseguidance"],
            latitude=venue["la"],
            longitude=venue["lo"],
        )


def _date(text: str, date_format: str) -> date:
    return datetime.strptime(text, date_format).date()


def _festivals(tour: tour_rows.LanguageRows) -> Iterator[Row]:
    """Yield every second TourAPI festival that has both dates, with its edition in the title."""
    districts = {row["code"]: row["name_ko"] for row in facts("districts")}
    for festival in tour.festivals:
        content_id = festival["contentid"]
        if not festival["eventenddate"] or pick(2, content_id, "plaza"):
            continue
        starts_on = _date(festival["eventstartdate"], "%Y%m%d")
        year, edition, title = starts_on.year, starts_on.year - 2001, festival["title"]
        titles = (f"{year} {title}", f"제{edition}회 {title}", f"{title} {year}")
        yield _event(
            code=100_000 + int(content_id) % 100_000,
            genre="축제-문화/예술",
            title=titles[pick(len(titles), content_id, "form")],
            place=festival["addr1"].split()[-1] + " 일대",
            district=districts[festival["lDongSignguCd"]],
            run=(starts_on, _date(festival["eventenddate"], "%Y%m%d")),
            fee="무료",
            latitude=festival["mapy"],
            longitude=festival["mapx"],
        )


def _event(
    *,
    code: int,
    genre: str,
    title: str,
    place: str,
    district: str,
    run: tuple[date, date],
    fee: str,
    latitude: str,
    longitude: str,
) -> Row:
    starts_on, ends_on = run
    registered_on = starts_on - timedelta(days=20 + pick(60, code, "registered"))
    is_swapped = pick(9, code, "swapped") == 0
    return {
        "CODENAME": genre,
        "GUNAME": district if pick(40, code, "district") else "",
        "TITLE": title,
        "DATE": f"{starts_on}~{ends_on}",
        "PLACE": place,
        "ORG_NAME": "기타" if pick(3, code, "organizer") else f"{district} 문화재단",
        "USE_TRGT": ("누구나", "초등학생 이상", "성인")[pick(3, code, "audience")],
        "USE_FEE": fee if pick(2, code, "fee") else "",
        "INQUIRY": f"02-000-{pick(10_000, code, 'phone'):04d}" if pick(2, code, "inquiry") else "",
        "PLAYER": "",
        "PROGRAM": "<p>첫째 마당&nbsp;: 여는 이야기</p>둘째 마당 : 함께 걷기"
        if pick(7, code, "program") == 0
        else "",
        "ETC_DESC": "",
        "ORG_LINK": f"https://organizers.example/{code}",
        "MAIN_IMG": IMAGE_URL.format(code),
        "RGSTDATE": f"{registered_on}",
        "TICKET": ("기관", "시민")[pick(6, code, "ticket") == 0],
        "STRTDATE": f"{starts_on} 00:00:00.0",
        "END_DATE": f"{ends_on} 00:00:00.0",
        "THEMECODE": ("기타", "가족 문화행사", "")[pick(3, code, "theme")],
        # LOT is the longitude in most rows.
        "LOT": latitude if is_swapped else longitude,
        "LAT": longitude if is_swapped else latitude,
        "IS_FREE": "무료" if "무료" in fee or not fee else "유료",
        "HMPG_ADDR": PAGE_URL.format(code),
        "PRO_TIME": "14:00~16:00" if pick(2, code, "time") else "",
    }


TO_EPSG_5174 = Transformer.from_crs("EPSG:4326", "EPSG:5174", always_xy=True)


def _tour_lodgings(tour: tour_rows.TourRows, today: date) -> Iterator[tuple[str, Row]]:
    """Yield service and licence for two thirds of TourAPI's stays. A few have closed since."""
    english_names = {stay["mapx"]: stay["title"] for stay in tour["en"].stays}
    for number, stay in enumerate(tour["ko"].stays):
        if pick(3, stay["contentid"], "licence") == 0:
            continue
        service = HOTELS if stay["title"].startswith("호텔") else HOMESTAYS
        yield (
            service,
            _lodging(
                number=number,
                service=service,
                names=(stay["title"], english_names.get(stay["mapx"], "")),
                address=f"{stay['addr1']} {stay['addr2']}".strip(),
                zip_code=stay["zipcode"],
                place=(float(stay["mapx"]), float(stay["mapy"])),
                rooms=40 if service == HOTELS else 3,
                authority=stay["lDongSignguCd"],
                today=today,
            ),
        )


def _other_lodgings(today: date) -> Iterator[tuple[str, Row]]:
    """Yield service and licence of three lodgings per neighbourhood that TourAPI lacks."""
    kinds = facts("licensed_lodgings")
    for position, neighbourhood in enumerate(facts("neighbourhoods")):
        district, stem = _district(neighbourhood["district"]), _stem(neighbourhood)
        longitude, latitude = neighbourhood["longitude"], neighbourhood["latitude"]
        for index in range(3):
            number = 1000 + 3 * position + index
            kind = kinds[(position + index) % len(kinds)]
            street = f"{stem}로{1 + pick(40, number, 'street')}길"
            yield (
                kind["service"],
                _lodging(
                    number=number,
                    service=kind["service"],
                    names=(
                        kind["name_ko"].format(stem),
                        kind["name_en"].format(neighbourhood["name_en"].removesuffix("-dong")),
                    ),
                    address=f"서울특별시 {district['name_ko']} {street} "
                    f"{1 + pick(60, number, 'house')}, 2층 ({neighbourhood['name_ko']})",
                    zip_code=f"{district['zip_prefix']}{pick(100, number, 'zip'):02d}",
                    place=near(longitude, latitude, 400, number, "licence"),
                    rooms=int(kind["rooms"]),
                    authority=neighbourhood["district"],
                    today=today,
                ),
            )


def _lodging(
    *,
    number: int,
    service: str,
    names: tuple[str, str],
    address: str,
    zip_code: str,
    place: tuple[float, float],
    rooms: int,
    authority: str,
    today: date,
) -> Row:
    """Return a licence.

    `names`: Korean and English. `place`: longitude and latitude (WGS84); the row has EPSG:5174.
    `authority`: code of the district.
    """
    x, y = TO_EPSG_5174.transform(*place)
    licensed_on = date(2005, 1, 1) + timedelta(days=pick(7000, number, "licensed"))
    edited_on = last_cycle_start(today, 500 + pick(300, number, "edited"), number)
    edited_at = office_time(number, edited_on)
    is_closed = number % 6 == 5
    closed_on = licensed_on + timedelta(days=200 + pick(300, number, "closed"))
    # The state of a homestay has one digit.
    state = ("3" if is_closed else "1").zfill(1 if service == HOMESTAYS else 2)
    has_coordinates = pick(40, number, "place") > 0
    return {
        # Each authority numbers its licences independently.
        "OPNSFTEAMCODE": f"3{authority}000",
        "MGTNO": f"CDFI{service[-6:]}2014{number % 160:06d}",
        "APVPERMYMD": f"{licensed_on}",
        "TRDSTATEGBN": state,
        "TRDSTATENM": "폐업" if is_closed else "영업/정상",
        "DTLSTATEGBN": "03" if is_closed else "13",
        "DTLSTATENM": "폐업" if is_closed else "영업중",
        "DCBYMD": f"{closed_on}" if is_closed else "",
        "SITETEL": f"02-000-{pick(10_000, number, 'phone'):04d}" if pick(3, number) else "",
        "SITEPOSTNO": "",
        "SITEWHLADDR": "",
        "RDNWHLADDR": f"{address} ",
        "RDNPOSTNO": f"{int(zip_code)}.0" if service == HOMESTAYS else zip_code,
        "BPLCNM": names[0],
        "LASTMODTS": f"{edited_on} {edited_at[:2]}:{edited_at[2:4]}:{edited_at[4:]}",
        "UPTAENM": "",
        "X": f"{x:.9f}  " if has_coordinates else "",
        "Y": f"{y:.9f}  " if has_coordinates else "",
        "ROOMCNT": str(rooms) if pick(4, number, "rooms") else "0",
        "ENGSTNTRNMNM": names[1].partition(" (")[0],
        "ENGSTNTRNMADDR": "",
    }
