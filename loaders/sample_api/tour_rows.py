"""The rows that the sample TourAPI answers with: made from the fact files, or from recordings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import orjson

from loaders.sample_api.facts import (
    FactRow,
    clock,
    day_of_cycle,
    facts,
    near,
    pick,
)
from loaders.sample_api.service import recording

Item = dict[str, str]

SEOUL = "11"
FOREIGN_TYPES = {
    "12": "76",
    "14": "78",
    "15": "85",
    "28": "75",
    "32": "80",
    "38": "79",
    "39": "82",
}
"""Korean content types and what they are in every other language."""
FESTIVAL, STAY = "15", "32"

_IMAGES = ("firstimage", "firstimage2", "cpyrhtDivCd")
_PLACE = ("mapx", "mapy", "mlevel")
_LEGACY = ("cat1", "cat2", "cat3")
_CODES = ("lDongRegnCd", "lDongSignguCd", "lclsSystm1", "lclsSystm2", "lclsSystm3")
LIST_FIELDS = (
    *("addr1", "addr2", "areacode", *_LEGACY, "contentid", "contenttypeid", "createdtime"),
    *(*_IMAGES, *_PLACE, "modifiedtime", "sigungucode", "tel", "title", "zipcode", *_CODES),
)
SYNC_FIELDS = (*LIST_FIELDS[: -len(_CODES)], "showflag", *_CODES, "oldContentid")
FESTIVAL_FIELDS = (
    *("addr1", "addr2", "zipcode", *_LEGACY, "contentid", "contenttypeid", "createdtime"),
    *("eventstartdate", "eventenddate", *_IMAGES, *_PLACE, "modifiedtime"),
    *("areacode", "sigungucode", "tel", "title", *_CODES, "progresstype", "festivaltype"),
)
STAY_FIELDS = (
    *("addr1", "addr2", "areacode", "sigungucode", *_LEGACY, "contentid", "contenttypeid"),
    *("createdtime", *_IMAGES, *_PLACE, "modifiedtime", "tel", "title", "zipcode", *_CODES),
)
DETAIL_FIELDS = (
    *("contentid", "contenttypeid", "title", "createdtime", "modifiedtime", "tel", "telname"),
    *("homepage", *_IMAGES, "areacode", "sigungucode", *_CODES, *_LEGACY),
    *("addr1", "addr2", "zipcode", *_PLACE, "overview"),
)
INTRO_FIELDS = {
    "12": "heritage1 heritage2 heritage3 infocenter opendate restdate expguide expagerange "
    "accomcount useseason usetime parking chkbabycarriage chkpet chkcreditcard",
    "14": "scale usefee discountinfo spendtime parkingfee infocenterculture accomcountculture "
    "usetimeculture restdateculture parkingculture",
    "15": "sponsor1 sponsor1tel sponsor2 sponsor2tel eventenddate playtime eventplace "
    "eventhomepage agelimit bookingplace placeinfo subevent program eventstartdate "
    "usetimefestival discountinfofestival spendtimefestival festivalgrade",
    "28": "openperiod reservation infocenterleports scaleleports accomcountleports "
    "restdateleports usetimeleports usefeeleports expagerangeleports parkingleports",
    "32": "roomcount roomtype checkintime checkouttime chkcooking accomcountlodging foodplace "
    "infocenterlodging parkinglodging pickup reservationlodging reservationurl scalelodging "
    "subfacility",
    "38": "saleitem saleitemcost fairday opendateshopping opentime infocentershopping "
    "restdateshopping parkingshopping",
    "39": "seat firstmenu treatmenu packing infocenterfood parkingfood opendatefood "
    "opentimefood restdatefood reservationfood",
}
HOURS = {
    "usetime": "09:00~18:00",
    "usetimeculture": "10:00~18:00",
    "usetimeleports": "06:00~22:00",
    "checkintime": "15:00",
    "checkouttime": "11:00",
    "opentime": "10:00~20:00",
    "opentimefood": "11:00~21:00",
}


@dataclass(frozen=True)
class LanguageRows:
    """All that the service of one language holds."""

    places: list[Item]
    """Of every content type, festivals and stays included."""
    festivals: list[Item]
    stays: list[Item]
    synced: list[Item]
    """The places, and those that were taken out, with their `showflag`."""
    details: Mapping[str, Item]
    """By content id: everything that is known of a place."""
    districts: list[Item] = field(default_factory=list)
    regions: list[Item] = field(default_factory=list)
    categories: list[Item] = field(default_factory=list)


TourRows = Mapping[str, LanguageRows]
"""By language: ko, en, ja, zh."""


@dataclass(frozen=True)
class Place:
    """A place, stay or festival before it is told in a language."""

    number: int
    """What its content id in each language is made from."""
    content_type: str
    category: str
    names: Mapping[str, str]
    """By language: a place is in the services of these languages alone."""
    district: FactRow
    neighbourhood: FactRow
    longitude: float
    latitude: float
    has_street: bool
    starts_on: date | None = None
    ends_on: date | None = None
    announced_on: date | None = None
    removed_on: date | None = None


def generated_rows(today: date) -> TourRows:
    places = [
        *_sights(),
        *_neighbourhood_places(today),
        *_stays(today),
        *_festivals(today),
    ]
    return {language: _told(places, language, today) for language in ("ko", "en", "ja", "zh")}


def intro(item: Item) -> Item:
    """The answer of detailIntro2, whose fields depend on the content type."""
    korean_type = {foreign: own for own, foreign in FOREIGN_TYPES.items()}
    own_type = korean_type.get(item["contenttypeid"], item["contenttypeid"])
    fields = INTRO_FIELDS.get(own_type, "").split()
    known = {**HOURS, **item}
    return {
        "contentid": item["contentid"],
        "contenttypeid": item["contenttypeid"],
        **{name: known.get(name, "") for name in fields},
    }


def _sights() -> Iterator[Place]:
    for number, sight in enumerate(facts("sights")):
        names = {language: sight[f"name_{language}"] for language in ("ko", "en", "ja", "zh")}
        if pick(14, sight["name_ko"], "korean only") == 0 and not names["ja"]:
            names["en"] = ""
        district = _district(sight["district"])
        yield Place(
            number=126_000 + number,
            content_type=sight["content_type"],
            category=sight["category"],
            names={language: name for language, name in names.items() if name},
            district=district,
            neighbourhood=_nearest_neighbourhood(sight),
            longitude=float(sight["longitude"]),
            latitude=float(sight["latitude"]),
            has_street=False,
        )


def _neighbourhood_places(today: date) -> Iterator[Place]:
    """Two kinds of place in each neighbourhood, so that a kind comes back in every tenth."""
    kinds = facts("neighbourhood_places")
    famous = {sight["name_ko"] for sight in facts("sights")}
    for position, neighbourhood in enumerate(facts("neighbourhoods")):
        for nth in (2 * position, 2 * position + 1):
            place = _of_kind(400_000 + nth, kinds[nth % len(kinds)], neighbourhood, today)
            if place.names.get("ko") not in famous:
                yield place


def _stays(today: date) -> Iterator[Place]:
    kinds = facts("neighbourhood_stays")
    for position, neighbourhood in enumerate(facts("neighbourhoods")):
        if position % 5:
            kind = kinds[position % len(kinds)]
            yield _of_kind(600_000 + position, kind, neighbourhood, today)


def _of_kind(number: int, kind: FactRow, neighbourhood: FactRow, today: date) -> Place:
    """A place of a kind that one finds in many neighbourhoods, named after its own."""
    names = {
        "ko": kind["name_ko"].format(_stem(neighbourhood["name_ko"], "동")),
        "en": kind["name_en"].format(_stem(neighbourhood["name_en"], "-dong")),
    }
    chance = pick(20, names["ko"], "languages")
    if chance < 3:
        del names["en"]
    elif chance == 3:
        del names["ko"]
    longitude, latitude = near(
        neighbourhood["longitude"], neighbourhood["latitude"], 350, kind["name_ko"], number
    )
    if number in MISPLACED:
        longitude, latitude = MISPLACED[number]
    return Place(
        number=number,
        content_type=kind["content_type"],
        category=kind["category"],
        names=names,
        district=_district(neighbourhood["district"]),
        neighbourhood=neighbourhood,
        longitude=longitude,
        latitude=latitude,
        has_street=True,
        removed_on=_removed_on(number, today),
    )


def _removed_on(number: int, today: date) -> date | None:
    """One place in 25 is taken out of the lists on one day of a year, and put back after 300."""
    closed = day_of_cycle(today, 365, number, "removed")
    return closed if number % 25 == 24 and (today - closed).days <= 300 else None


MISPLACED = {400_003: (0.0, 0.0), 400_010: (117.99, 19.69)}
"""Like the real lists, this one has a few coordinates outside Korea."""


def _festivals(today: date) -> Iterator[Place]:
    """Every festival once: its newest edition that is announced. The id stays from year to year."""
    sights = {sight["name_ko"]: sight for sight in facts("sights")}
    for number, festival in enumerate(facts("festivals")):
        sight = sights[festival["held_at"]]
        lead = timedelta(days=90 + pick(60, festival["name_ko"], "lead"))
        starts_on = next(
            start for start in _starts(festival["starts"], today.year + 1) if start - lead < today
        )
        days = int(festival["days"])
        open_end = pick(30, festival["name_ko"], "open end") == 0
        yield Place(
            number=500_000 + number,
            content_type=FESTIVAL,
            category=festival["category"],
            names={code: festival[f"name_{code}"] for code in festival["languages"].split()},
            district=_district(sight["district"]),
            neighbourhood=_nearest_neighbourhood(sight),
            longitude=float(sight["longitude"]),
            latitude=float(sight["latitude"]),
            has_street=False,
            starts_on=starts_on,
            ends_on=None if open_end else starts_on + timedelta(days=days - 1),
            announced_on=starts_on - lead,
        )


def _starts(month_day: str, last_year: int) -> Iterator[date]:
    """The newest first."""
    return (date.fromisoformat(f"{last_year - back}-{month_day}") for back in range(3))


def _stem(name: str, ending: str) -> str:
    """`연남동` as `연남`; a name of one syllable stays whole, as people say it."""
    korean = name.removesuffix(ending)
    return name if len(korean) == 1 or name in _SHORT else korean


_SHORT = {
    row["name_en"] for row in facts("neighbourhoods") if len(row["name_ko"].removesuffix("동")) == 1
}


def _district(code: str) -> FactRow:
    return next(row for row in facts("districts") if row["code"] == code)


def _nearest_neighbourhood(sight: FactRow) -> FactRow:
    def distance(row: FactRow) -> float:
        east = float(row["longitude"]) - float(sight["longitude"])
        north = float(row["latitude"]) - float(sight["latitude"])
        return east * east + north * north

    own = (row for row in facts("neighbourhoods") if row["district"] == sight["district"])
    return min(own, key=distance)


def _told(places: list[Place], language: str, today: date) -> LanguageRows:
    """The rows of one language's service."""
    told = [(place, _item(place, language, today)) for place in places if language in place.names]
    shown = [(place, item) for place, item in told if not place.removed_on]
    items = [item for _, item in shown]
    removed = [_removed(item, place.removed_on) for place, item in told if place.removed_on]
    return LanguageRows(
        places=items,
        festivals=[item for place, item in shown if place.content_type == FESTIVAL],
        stays=[item for place, item in shown if place.content_type == STAY],
        synced=[*items, *removed],
        details={item["contentid"]: item for item in items},
        districts=_district_codes(language),
        regions=_region_codes(language),
        categories=_categories(language),
    )


# Each language counts its ids on its own: the same number means another place in another language.
_ID_STEPS = {"ko": 3, "en": 4, "ja": 5, "zh": 7}
_LEGACY_CODES = {row["code"]: row["legacy_code"] for row in facts("categories")}


def _item(place: Place, language: str, today: date) -> Item:
    """All fields of one place in one language."""
    content_id = str(place.number * _ID_STEPS[language])
    created = date(2012, 1, 1) + timedelta(days=pick(3000, content_id, "created"))
    edited = place.announced_on or day_of_cycle(today, 400 + pick(300, content_id), content_id)
    longitude, latitude = place.longitude, place.latitude
    if language != "ko":
        longitude, latitude = near(str(longitude), str(latitude), 40, content_id)
    title = place.names[language]
    if language != "ko" and "ko" in place.names:
        title = f"{title} ({place.names['ko']})"
    is_old = pick(20, content_id, "legacy") < 11
    has_image = pick(3, content_id, "image") > 0
    legacy = _LEGACY_CODES[place.category] if is_old else ""
    image = f"http{'s' * pick(2, content_id)}://images.example/{content_id}"
    decimals = (4, 10, 12, 14)[pick(4, content_id, "decimals")]
    item = {
        **_address(place, language),
        "areacode": "1" if is_old else "",
        "sigungucode": place.district["legacy_code"] if is_old else "",
        "cat1": legacy[:3],
        "cat2": legacy[:5],
        "cat3": legacy,
        "contentid": content_id,
        "contenttypeid": place.content_type
        if language == "ko"
        else FOREIGN_TYPES[place.content_type],
        "createdtime": f"{created:%Y%m%d}{clock(content_id, 'created')}",
        "firstimage": f"{image}_image2_1.jpg" if has_image else "",
        "firstimage2": f"{image}_image3_1.jpg" if has_image else "",
        "cpyrhtDivCd": ("Type1", "Type3", "Type3")[pick(3, content_id, "c")] if has_image else "",
        "mapx": f"{longitude:.{decimals}f}",
        "mapy": f"{latitude:.{decimals}f}",
        "mlevel": "6" if pick(15, content_id, "level") else "",
        "modifiedtime": f"{edited:%Y%m%d}{clock(content_id, 'edited', edited)}",
        "tel": f"02-000-{place.number % 10_000:04d}" if place.content_type == FESTIVAL else "",
        "title": title,
        "lDongRegnCd": SEOUL,
        "lDongSignguCd": place.district["code"],
        "lclsSystm1": place.category[:2],
        "lclsSystm2": place.category[:4],
        "lclsSystm3": place.category,
        "telname": "",
        "homepage": _homepage(content_id) if pick(2, content_id, "homepage") else "",
        "overview": _overview(place, language, edited),
        "showflag": "1",
    }
    if language != "ko":
        item["oldContentid"] = ""
    if place.starts_on:
        item["eventstartdate"] = f"{place.starts_on:%Y%m%d}"
        item["eventenddate"] = f"{place.ends_on:%Y%m%d}" if place.ends_on else ""
        if language == "ko":
            item |= {"progresstype": "", "festivaltype": ""}
    return item


def _homepage(content_id: str) -> str:
    """A link as HTML, as the API has it."""
    return f'<a href="https://places.example/{content_id}" target="_blank">places.example</a>'


def _removed(item: Item, on: date) -> Item:
    """A row that was taken out keeps its legacy codes alone, and the time when it was."""
    legacy_code = next(
        row["legacy_code"] for row in facts("districts") if row["code"] == item["lDongSignguCd"]
    )
    codes = {"areacode": "1", "sigungucode": legacy_code, **dict.fromkeys(_CODES, "")}
    time = f"{on:%Y%m%d}{clock(item['contentid'], 'removed')}"
    return {**item, **codes, "modifiedtime": time, "showflag": "0"}


def _address(place: Place, language: str) -> Item:
    neighbourhood, district = place.neighbourhood, place.district
    house = 1 + pick(180, place.number, "house")
    zip_code = f"{district['zip_prefix']}{pick(100, place.number, 'zip'):02d}"
    if language == "ko":
        street = f"{_stem(neighbourhood['name_ko'], '동')}로 {house}"
        where = street if place.has_street else neighbourhood["name_ko"]
        first = f"서울특별시 {district['name_ko']} {where}"
        second = f"({neighbourhood['name_ko']})" if place.has_street else ""
    elif language == "en":
        street = f"{house}, {_stem(neighbourhood['name_en'], '-dong')}-ro"
        where = street if place.has_street else neighbourhood["name_en"]
        first, second = f"{where}, {district['name_en']}, Seoul", ""
    else:
        region = facts("regions")[0][f"name_{language}"]
        first, second = f"{region} {district[f'name_{language}']}", ""
    return {"addr1": first, "addr2": second, "zipcode": zip_code}


def _overview(place: Place, language: str, edited: date) -> str:
    """Three plain sentences with the markup that the API leaves in its texts."""
    category = next(row for row in facts("categories") if row["code"] == place.category)
    if language == "ko":
        return (
            f"{place.names['ko']} : {place.district['name_ko']}에 있는 {category['name_ko']}.<br>\n"
            f"{place.neighbourhood['name_ko']}에서 걸어서 갈 수 있다.&nbsp; "
            f"{edited.year}년 {edited.month}월에 다시 살펴보았다."
        )
    return (
        f"{place.names[language]} is one of the {category['name_en'].lower()} of "
        f"{place.district['name_en']}.<br>\n"
        f"It can be reached on foot from {place.neighbourhood['name_en']}.&nbsp; "
        f"This was looked over again in {edited:%B %Y}."
    )


def _district_codes(language: str) -> list[Item]:
    seoul = facts("regions")[0]
    return [
        {
            "lDongRegnCd": SEOUL,
            "lDongRegnNm": seoul[f"name_{language}"],
            "lDongSignguCd": row["code"],
            "lDongSignguNm": row[f"name_{language}"],
        }
        for row in sorted(facts("districts"), key=lambda row: row["code"])
    ]


def _region_codes(language: str) -> list[Item]:
    return [{"code": row["code"], "name": row[f"name_{language}"]} for row in facts("regions")]


def _categories(language: str) -> list[Item]:
    """The tree as rows of its leaves. Services without names of their own have the English ones."""
    name = "name_ko" if language == "ko" else "name_en"
    names = {row["code"]: row[name] for row in facts("categories")}
    return [
        {
            "lclsSystm1Cd": code[:2],
            "lclsSystm1Nm": names[code[:2]],
            "lclsSystm2Cd": code[:4],
            "lclsSystm2Nm": names[code[:4]],
            "lclsSystm3Cd": code,
            "lclsSystm3Nm": names[code],
        }
        for code in names
        if len(code) == 8
    ]


def recorded_rows(folder: Path) -> TourRows:
    """Raises RecordingError when the folder lacks a file."""
    korean = "tourapi/KorService2"
    types = ("12", "14", "15", "32")
    places = [
        item for code in types for item in _recorded(folder, f"{korean}/areaBasedList2/{code}.json")
    ]
    festivals = _recorded(folder, f"{korean}/searchFestival2.json")
    stays = _recorded(folder, f"{korean}/searchStay2.json")
    english = _recorded(folder, "tourapi/EngService/detailCommon.json")
    blank = dict.fromkeys(DETAIL_FIELDS, "")
    dated = {item["contentid"]: item for item in (*places, *festivals, *stays)}
    known = {content_id: {**blank, **item} for content_id, item in dated.items()}
    foreign = {item["contentid"]: {**blank, **_with_new_codes(item)} for item in english}
    none = LanguageRows([], [], [], [], {})
    held = {
        "ko": LanguageRows(places, festivals, stays, _shown(places), known),
        "en": LanguageRows([*foreign.values()], [], [], _shown([*foreign.values()]), foreign),
        "ja": none,
        "zh": none,
    }
    return {
        language: LanguageRows(
            rows.places,
            rows.festivals,
            rows.stays,
            rows.synced,
            rows.details,
            _district_codes(language),
            _region_codes(language),
            _categories(language),
        )
        for language, rows in held.items()
    }


def _recorded(folder: Path, name: str) -> list[Item]:
    items: list[Item] = orjson.loads(recording(folder, name).read_bytes())
    return items


def _shown(items: list[Item]) -> list[Item]:
    return [{**item, "showflag": "1"} for item in items]


def _with_new_codes(item: Item) -> Item:
    """A record of 2023 with the district codes that came after it, found by the legacy code."""
    code = next(
        (
            row["code"]
            for row in facts("districts")
            if item["areacode"] == "1" and row["legacy_code"] == item["sigungucode"]
        ),
        "",
    )
    region = SEOUL if code else ""
    return {**item, "lDongRegnCd": region, "lDongSignguCd": code, "oldContentid": ""}
