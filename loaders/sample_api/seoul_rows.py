"""The rows that the sample plaza of Seoul answers with: made from facts, or from recordings."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import orjson
from pyproj import Transformer

from loaders.sample_api import kopis_rows, tour_rows
from loaders.sample_api.facts import EPOCH, FactRow, clock, day_of_cycle, facts, near, pick
from loaders.sample_api.service import recording

Row = dict[str, str]
SeoulRows = Mapping[str, list[Row]]
"""By service, in the order of its list."""

EVENTS, SPACES = "culturalEventInfo", "culturalSpaceInfo"
HOTELS, STAYS, HOMESTAYS = "LOCALDATA_031101", "LOCALDATA_031103", "LOCALDATA_031104"

PAGE = "https://culture.example/cultureEvent/view.do?cultcode={}&menuNo=200009"
IMAGE = "https://culture.example/file/getImage.do?atchFileId={}&thumb=Y"


def generated_rows(today: date) -> SeoulRows:
    venues = [_xml(venue.detail) for venue in kopis_rows.generated_rows(today).venues.values()]
    spaces = list(_spaces(venues))
    events = [
        *_programs(spaces, today),
        *_told_by_kopis_too(venues, today),
        *_told_by_tour_too(today),
    ]
    lodgings = [*_told_as_stays_too(today), *_licensed(today)]
    return {
        EVENTS: sorted(events, key=lambda row: row["STRTDATE"], reverse=True),
        SPACES: spaces,
        **{
            service: [row for told, row in lodgings if told == service]
            for service in (HOTELS, STAYS, HOMESTAYS)
        },
    }


def recorded_rows(folder: Path) -> SeoulRows:
    """Raises RecordingError when the folder lacks a file. Nobody recorded LOCALDATA_031103."""
    return {
        STAYS: [],
        **{
            service: orjson.loads(recording(folder, f"seoul/{service}.json").read_bytes())
            for service in (EVENTS, SPACES, HOTELS, HOMESTAYS)
        },
    }


def _xml(record: bytes) -> Row:
    """The fields of one record of KOPIS."""
    return {field.tag: (field.text or "").strip() for field in ElementTree.fromstring(record)}


def _district_of(code: str) -> FactRow:
    return next(row for row in facts("districts") if row["code"] == code)


def _short(neighbourhood: FactRow) -> str:
    return neighbourhood["name_ko"].removesuffix("동")


def _spaces(venues: list[Row]) -> Iterator[Row]:
    """The public stages that KOPIS knows too, and a space in each neighbourhood."""
    number = 0
    for venue in venues:
        if venue["sidonm"] == "서울" and venue["fcltychartr"].startswith(("공공", "국립")):
            number += 1
            what = "문화예술회관" if "문예회관" in venue["fcltychartr"] else "공연장"
            yield _space(number, what, venue["fcltynm"], venue["adres"], venue["la"], venue["lo"])
    kinds = facts("neighbourhood_spaces")
    for position, home in enumerate(facts("neighbourhoods")):
        number += 1
        kind = kinds[position % len(kinds)]
        longitude, latitude = near(home["longitude"], home["latitude"], 300, number, "space")
        district = _district_of(home["district"])["name_ko"]
        address = f"서울특별시 {district} {_short(home)}길 {1 + pick(90, number, 'house')}"
        name = kind["name"].format(_short(home))
        yield _space(number, kind["kind"], name, address, f"{latitude:.10f}", f"{longitude:.10f}")


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
        # The recorded X holds the latitude; now and then it is the other way round.
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
        "MAIN_IMG": IMAGE.format(f"space{number}"),
        "ETC_DESC": "",
        "FAC_DESC": description,
        "ENTRFREE": ("무료", "무료", "유료", "")[pick(4, number, "free")],
        **dict.fromkeys(("SUBWAY", "BUSSTOP", "YELLOW", "GREEN", "BLUE", "RED", "AIRPORT"), ""),
    }


PROGRAM_SLOTS = 290
REPEATS = 2
"""The runs of a program that are listed: the newest and those before it, which are kept."""


def _programs(spaces: list[Row], today: date) -> Iterator[Row]:
    """What the spaces hold: a slot is one program at one space that comes back in cycles."""
    programs = facts("cultural_programs")
    for slot in range(PROGRAM_SLOTS):
        program = programs[slot % len(programs)]
        space = spaces[pick(len(spaces), slot, "space")]
        days = int(program["days"])
        period = 90 + pick(80, slot, "period") + days
        newest = ((today - EPOCH).days + 45) // period
        for cycle in range(newest, newest - REPEATS, -1):
            starts_on = EPOCH + timedelta(days=cycle * period + pick(30, slot, "start"))
            name = space["FAC_NAME"]
            latitude, longitude = sorted(
                (space["X_COORD"], space["Y_COORD"]), key=lambda text: float(text or 0)
            )
            title = program["title"].format(name.split(" ")[0])
            floor = ("", " 1층 마루홀", " 지하1층 배움방")[pick(3, slot, "floor")]
            yield _event(
                code=200_000 + cycle * PROGRAM_SLOTS + slot,
                genre=program["genre"],
                title=f"[{name}] {title}" if pick(2, slot, "title") else title,
                place=name + floor,
                district=next(word for word in space["ADDR"].split() if word.endswith("구")),
                days=(starts_on, starts_on + timedelta(days=days - 1)),
                fee=program["fee"],
                latitude=latitude,
                longitude=longitude,
            )


GENRES_OF_KOPIS = {
    "연극": "연극",
    "뮤지컬": "뮤지컬/오페라",
    "서양음악(클래식)": "클래식",
    "한국음악(국악)": "국악",
    "대중음악": "콘서트",
    "무용(서양/한국무용)": "무용",
    "대중무용": "무용",
}


def _told_by_kopis_too(venues: list[Row], today: date) -> Iterator[Row]:
    """Every third performance in Seoul, in the plaza's own words."""
    places = {venue["fcltynm"]: venue for venue in venues}
    for key, performance in kopis_rows.generated_rows(today).performances.items():
        told = _xml(performance.listed)
        venue = places.get(told["fcltynm"])
        if performance.region != "11" or pick(3, key, "plaza") or venue is None:
            continue
        title = told["prfnm"].partition(" [")[0]
        forms = (title, f"[{venue['fcltynm']}] {title}", f"{told['genrenm']} [{title}]")
        yield _event(
            code=400_000 + int(key.removeprefix("PF")),
            genre=GENRES_OF_KOPIS.get(told["genrenm"], "기타"),
            title=forms[pick(len(forms), key, "form")],
            place=f"{venue['fcltynm']} {('대극장', '공연장')[pick(2, key)]}",
            district=venue["gugunnm"],
            days=(_kopis_day(told["prfpdfrom"]), _kopis_day(told["prfpdto"])),
            fee=_xml(performance.detail)["pcseguidance"],
            latitude=venue["la"],
            longitude=venue["lo"],
        )


def _kopis_day(told: str) -> date:
    return datetime.strptime(told, "%Y.%m.%d").date()


def _told_by_tour_too(today: date) -> Iterator[Row]:
    """Every second festival that has both dates, with the edition in its title."""
    districts = {row["code"]: row["name_ko"] for row in facts("districts")}
    for festival in tour_rows.generated_rows(today)["ko"].festivals:
        content_id = festival["contentid"]
        if not festival["eventenddate"] or pick(2, content_id, "plaza"):
            continue
        starts_on = datetime.strptime(festival["eventstartdate"], "%Y%m%d").date()
        forms = ("{year} {title}", "제{nth}회 {title}", "{title} {year}")
        form = forms[pick(len(forms), content_id, "form")]
        yield _event(
            code=100_000 + int(content_id) % 100_000,
            genre="축제-문화/예술",
            title=form.format(
                year=starts_on.year, nth=starts_on.year - 2001, title=festival["title"]
            ),
            place=festival["addr1"].split()[-1] + " 일대",
            district=districts[festival["lDongSignguCd"]],
            days=(starts_on, datetime.strptime(festival["eventenddate"], "%Y%m%d").date()),
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
    days: tuple[date, date],
    fee: str,
    latitude: str,
    longitude: str,
) -> Row:
    starts_on, ends_on = days
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
        "MAIN_IMG": IMAGE.format(code),
        "RGSTDATE": f"{registered_on}",
        "TICKET": ("기관", "시민")[pick(6, code, "ticket") == 0],
        "STRTDATE": f"{starts_on} 00:00:00.0",
        "END_DATE": f"{ends_on} 00:00:00.0",
        "THEMECODE": ("기타", "가족 문화행사", "")[pick(3, code, "theme")],
        # LOT holds the longitude on most rows.
        "LOT": latitude if is_swapped else longitude,
        "LAT": longitude if is_swapped else latitude,
        "IS_FREE": "무료" if "무료" in fee or not fee else "유료",
        "HMPG_ADDR": PAGE.format(code),
        "PRO_TIME": "14:00~16:00" if pick(2, code, "time") else "",
    }


TO_5174 = Transformer.from_crs("EPSG:4326", "EPSG:5174", always_xy=True)


def _told_as_stays_too(today: date) -> Iterator[tuple[str, Row]]:
    """The licences of two thirds of TourAPI's stays, a few of them closed since."""
    english = {row["mapx"]: row["title"] for row in tour_rows.generated_rows(today)["en"].stays}
    for number, stay in enumerate(tour_rows.generated_rows(today)["ko"].stays):
        if pick(3, stay["contentid"], "licence") == 0:
            continue
        service = HOTELS if stay["title"].startswith("호텔") else HOMESTAYS
        yield (
            service,
            _lodging(
                number=number,
                service=service,
                names=(stay["title"], english.get(stay["mapx"], "")),
                address=f"{stay['addr1']} {stay['addr2']}".strip(),
                zip_code=stay["zipcode"],
                place=(float(stay["mapx"]), float(stay["mapy"])),
                rooms=40 if service == HOTELS else 3,
                authority=stay["lDongSignguCd"],
                today=today,
            ),
        )


def _licensed(today: date) -> Iterator[tuple[str, Row]]:
    """Three licences in each neighbourhood that TourAPI knows nothing of."""
    kinds = facts("licensed_lodgings")
    for position, home in enumerate(facts("neighbourhoods")):
        for nth in range(3):
            number = 1000 + 3 * position + nth
            kind = kinds[(position + nth) % len(kinds)]
            district = _district_of(home["district"])
            street = f"{_short(home)}로{1 + pick(40, number, 'street')}길"
            yield (
                kind["service"],
                _lodging(
                    number=number,
                    service=kind["service"],
                    names=(
                        kind["name_ko"].format(_short(home)),
                        kind["name_en"].format(home["name_en"].removesuffix("-dong")),
                    ),
                    address=f"서울특별시 {district['name_ko']} {street} "
                    f"{1 + pick(60, number, 'house')}, 2층 ({home['name_ko']})",
                    zip_code=f"{district['zip_prefix']}{pick(100, number, 'zip'):02d}",
                    place=near(home["longitude"], home["latitude"], 400, number, "licence"),
                    rooms=int(kind["rooms"]),
                    authority=home["district"],
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
    x, y = TO_5174.transform(*place)
    licensed_on = date(2005, 1, 1) + timedelta(days=pick(7000, number, "licensed"))
    edited_on = day_of_cycle(today, 500 + pick(300, number, "edited"), number)
    by_hand = clock(number, edited_on)
    is_closed = number % 6 == 5
    closed_on = licensed_on + timedelta(days=200 + pick(300, number, "closed"))
    # Homestays have their state as one digit.
    state = ("3" if is_closed else "1").zfill(1 if service == HOMESTAYS else 2)
    has_place = pick(40, number, "place") > 0
    return {
        # Each authority counts its licences by itself.
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
        "LASTMODTS": f"{edited_on} {by_hand[:2]}:{by_hand[2:4]}:{by_hand[4:]}",
        "UPTAENM": "",
        "X": f"{x:.9f}  " if has_place else "",
        "Y": f"{y:.9f}  " if has_place else "",
        "ROOMCNT": str(rooms) if pick(4, number, "rooms") else "0",
        "ENGSTNTRNMNM": names[1].partition(" (")[0],
        "ENGSTNTRNMADDR": "",
    }
