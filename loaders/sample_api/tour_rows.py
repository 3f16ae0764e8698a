"""The rows of the sample TourAPI: generated from the fact files, or read from recordings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import orjson

from loaders.sample_api.facts import FactRow, facts, last_cycle_start, near, office_time, pick
from loaders.sample_api.service import recorded_file
from loaders.sample_api.tour_details import KOREAN_TYPES, Item, blank_intro, images, intro

SEOUL = "11"
FOREIGN_TYPES = {korean: foreign for foreign, korean in KOREAN_TYPES.items()}
"""Content type ids in Korean, and in all other languages."""
FESTIVAL, STAY = "15", "32"
LANGUAGES = ("ko", "en", "ja", "zh")

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


@dataclass(frozen=True)
class LanguageRows:
    """All rows of one language's service."""

    places: list[Item]
    """Places of every content type, including festivals and stays."""
    festivals: list[Item]
    stays: list[Item]
    synced: list[Item]
    """The places and the removed places, with their `showflag`."""
    details: Mapping[str, Item]
    """All fields of a place by content id."""
    intros: Mapping[str, Item] = field(default_factory=dict)
    """The row of detailIntro2 by content id."""
    images: Mapping[str, list[Item]] = field(default_factory=dict)
    """The rows of detailImage2 by content id."""
    districts: list[Item] = field(default_factory=list)
    regions: list[Item] = field(default_factory=list)
    categories: list[Item] = field(default_factory=list)


TourRows = Mapping[str, LanguageRows]
"""Rows by language: ko, en, ja, zh."""


@dataclass(frozen=True)
class Place:
    """A place, stay or festival, independent of language."""

    number: int
    """Number from which the content id in each language is computed."""
    content_type: str
    category: str
    names: Mapping[str, str]
    """Name by language. Only the services of these languages list the place."""
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
    return {language: _language_rows(places, language, today) for language in LANGUAGES}


def _sights() -> Iterator[Place]:
    for number, sight in enumerate(facts("sights")):
        names = {language: sight[f"name_{language}"] for language in LANGUAGES}
        if pick(14, sight["name_ko"], "korean only") == 0 and not names["ja"]:
            names["en"] = ""
        yield Place(
            number=126_000 + number,
            content_type=sight["content_type"],
            category=sight["category"],
            names={language: name for language, name in names.items() if name},
            district=_district(sight["district"]),
            neighbourhood=_nearest_neighbourhood(sight),
            longitude=float(sight["longitude"]),
            latitude=float(sight["latitude"]),
            has_street=False,
        )


def _neighbourhood_places(today: date) -> Iterator[Place]:
    """Yield two places per neighbourhood. Each kind recurs in every tenth neighbourhood."""
    kinds = facts("neighbourhood_places")
    famous = {sight["name_ko"] for sight in facts("sights")}
    for position, neighbourhood in enumerate(facts("neighbourhoods")):
        for index in (2 * position, 2 * position + 1):
            kind = kinds[index % len(kinds)]
            place = _place_of_kind(400_000 + index, kind, neighbourhood, today)
            if place.names.get("ko") not in famous:
                yield place


def _stays(today: date) -> Iterator[Place]:
    """Yield one stay per neighbourhood, except in every fifth."""
    kinds = facts("neighbourhood_stays")
    for position, neighbourhood in enumerate(facts("neighbourhoods")):
        if position % 5:
            kind = kinds[position % len(kinds)]
            yield _place_of_kind(600_000 + position, kind, neighbourhood, today)


def _place_of_kind(number: int, kind: FactRow, neighbourhood: FactRow, today: date) -> Place:
    """Return a place of a common kind, named after its neighbourhood."""
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
    """Return the date on which the place was removed from the lists, or None.

    One place in 25 is removed once a year and restored after 300 days.
    """
    removed_on = last_cycle_start(today, 365, number, "removed")
    return removed_on if number % 25 == 24 and (today - removed_on).days <= 300 else None


MISPLACED = {400_003: (0.0, 0.0), 400_010: (117.99, 19.69)}
"""Longitude and latitude outside Korea, as a few rows of the real lists have them."""


def _festivals(today: date) -> Iterator[Place]:
    """Yield the newest announced edition of each festival. Its id is the same every year."""
    sights = {sight["name_ko"]: sight for sight in facts("sights")}
    for number, festival in enumerate(facts("festivals")):
        sight = sights[festival["held_at"]]
        lead = timedelta(days=90 + pick(60, festival["name_ko"], "lead"))
        starts_on = next(
            start for start in _starts(festival["starts"], today.year + 1) if start - lead < today
        )
        last_day = starts_on + timedelta(days=int(festival["days"]) - 1)
        is_open_ended = pick(30, festival["name_ko"], "open end") == 0
        yield Place(
            number=500_000 + number,
            content_type=FESTIVAL,
            category=festival["category"],
            names={
                language: festival[f"name_{language}"] for language in festival["languages"].split()
            },
            district=_district(sight["district"]),
            neighbourhood=_nearest_neighbourhood(sight),
            longitude=float(sight["longitude"]),
            latitude=float(sight["latitude"]),
            has_street=False,
            starts_on=starts_on,
            ends_on=None if is_open_ended else last_day,
            announced_on=starts_on - lead,
        )


def _starts(month_day: str, last_year: int) -> Iterator[date]:
    """Yield the start dates of three years, the newest first."""
    return (date.fromisoformat(f"{last_year - back}-{month_day}") for back in range(3))


def _stem(name: str, suffix: str) -> str:
    """Return the name without its suffix: `연남동` as `연남`.

    A name with a stem of one syllable keeps its suffix, as in common usage.
    """
    stem = name.removesuffix(suffix)
    return name if len(stem) == 1 or name in _ONE_SYLLABLE_NAMES else stem


_ONE_SYLLABLE_NAMES = {
    row["name_en"] for row in facts("neighbourhoods") if len(row["name_ko"].removesuffix("동")) == 1
}
"""English names of the neighbourhoods whose Korean stem has one syllable."""


def _district(code: str) -> FactRow:
    return next(row for row in facts("districts") if row["code"] == code)


def _nearest_neighbourhood(sight: FactRow) -> FactRow:
    def distance(row: FactRow) -> float:
        east = float(row["longitude"]) - float(sight["longitude"])
        north = float(row["latitude"]) - float(sight["latitude"])
        return east * east + north * north

    candidates = (row for row in facts("neighbourhoods") if row["district"] == sight["district"])
    return min(candidates, key=distance)


def _language_rows(places: list[Place], language: str, today: date) -> LanguageRows:
    """Return the rows of one language's service."""
    listed = [(place, _item(place, language, today)) for place in places if language in place.names]
    shown = [(place, item) for place, item in listed if not place.removed_on]
    items = [item for _, item in shown]
    removed = [_removed_item(item, place.removed_on) for place, item in listed if place.removed_on]
    return LanguageRows(
        places=items,
        festivals=[item for place, item in shown if place.content_type == FESTIVAL],
        stays=[item for place, item in shown if place.content_type == STAY],
        synced=[*items, *removed],
        details={item["contentid"]: item for item in items},
        intros={item["contentid"]: intro(item, language) for item in items},
        images={item["contentid"]: images(item) for item in items},
        districts=_district_codes(language),
        regions=_region_codes(language),
        categories=_categories(language),
    )


# Each language numbers its ids independently: the same id is another place in another language.
_ID_FACTORS = {"ko": 3, "en": 4, "ja": 5, "zh": 7}
_LEGACY_CODES = {row["code"]: row["legacy_code"] for row in facts("categories")}


def _item(place: Place, language: str, today: date) -> Item:
    """Return all fields of one place in one language."""
    content_id = str(place.number * _ID_FACTORS[language])
    created_on = date(2012, 1, 1) + timedelta(days=pick(3000, content_id, "created"))
    edited_on = place.announced_on or last_cycle_start(
        today, 400 + pick(300, content_id), content_id
    )
    is_korean = language == "ko"
    # About half of the rows still have the legacy codes.
    has_legacy = pick(20, content_id, "legacy") < 11
    legacy = _LEGACY_CODES[place.category] if has_legacy else ""
    return {
        **_address(place, language),
        "areacode": "1" if has_legacy else "",
        "sigungucode": place.district["legacy_code"] if has_legacy else "",
        "cat1": legacy[:3],
        "cat2": legacy[:5],
        "cat3": legacy,
        "contentid": content_id,
        "contenttypeid": place.content_type if is_korean else FOREIGN_TYPES[place.content_type],
        "createdtime": f"{created_on:%Y%m%d}{office_time(content_id, 'created')}",
        **_images(content_id),
        **_coordinates(place, language, content_id),
        "mlevel": "6" if pick(15, content_id, "level") else "",
        "modifiedtime": f"{edited_on:%Y%m%d}{office_time(content_id, 'edited', edited_on)}",
        "tel": f"02-000-{place.number % 10_000:04d}" if place.content_type == FESTIVAL else "",
        "title": _title(place, language),
        "lDongRegnCd": SEOUL,
        "lDongSignguCd": place.district["code"],
        "lclsSystm1": place.category[:2],
        "lclsSystm2": place.category[:4],
        "lclsSystm3": place.category,
        "telname": "",
        "homepage": _homepage(content_id) if pick(2, content_id, "homepage") else "",
        "overview": _overview(place, language, edited_on),
        "showflag": "1",
        **({} if is_korean else {"oldContentid": ""}),
        **_festival_fields(place, language),
    }


def _title(place: Place, language: str) -> str:
    """Return the name, followed by the Korean name in parentheses in other languages."""
    name = place.names[language]
    if language != "ko" and "ko" in place.names:
        return f"{name} ({place.names['ko']})"
    return name


def _images(content_id: str) -> Item:
    has_image = pick(5, content_id, "image") < 2  # about as many as of the real English places
    image = f"http{'s' * pick(2, content_id)}://images.example/{content_id}"
    return {
        "firstimage": f"{image}_image2_1.jpg" if has_image else "",
        "firstimage2": f"{image}_image3_1.jpg" if has_image else "",
        "cpyrhtDivCd": ("Type1", "Type3", "Type3")[pick(3, content_id, "c")] if has_image else "",
    }


def _coordinates(place: Place, language: str, content_id: str) -> Item:
    """Return the coordinates. Other languages place them up to 40 m from the Korean ones."""
    longitude, latitude = place.longitude, place.latitude
    if language != "ko":
        longitude, latitude = near(str(longitude), str(latitude), 40, content_id)
    decimals = (4, 10, 12, 14)[pick(4, content_id, "decimals")]
    return {"mapx": f"{longitude:.{decimals}f}", "mapy": f"{latitude:.{decimals}f}"}


def _festival_fields(place: Place, language: str) -> Item:
    """Return the fields that only festivals have."""
    if not place.starts_on:
        return {}
    return {
        "eventstartdate": f"{place.starts_on:%Y%m%d}",
        "eventenddate": f"{place.ends_on:%Y%m%d}" if place.ends_on else "",
        **({"progresstype": "", "festivaltype": ""} if language == "ko" else {}),
    }


def _homepage(content_id: str) -> str:
    """Return a link as HTML, as the API does."""
    return f'<a href="https://places.example/{content_id}" target="_blank">places.example</a>'


def _removed_item(item: Item, removed_on: date) -> Item:
    """Return the row of a removed place: only its legacy codes, and the time of removal."""
    legacy_code = next(
        row["legacy_code"] for row in facts("districts") if row["code"] == item["lDongSignguCd"]
    )
    codes = {"areacode": "1", "sigungucode": legacy_code, **dict.fromkeys(_CODES, "")}
    time = f"{removed_on:%Y%m%d}{office_time(item['contentid'], 'removed')}"
    return {**item, **codes, "modifiedtime": time, "showflag": "0"}


def _address(place: Place, language: str) -> Item:
    neighbourhood, district = place.neighbourhood, place.district
    house = 1 + pick(180, place.number, "house")
    zip_code = f"{district['zip_prefix']}{pick(100, place.number, 'zip'):02d}"
    if language == "ko":
        street = f"{_stem(neighbourhood['name_ko'], '동')}로 {house}"
        locality = street if place.has_street else neighbourhood["name_ko"]
        addr1 = f"서울특별시 {district['name_ko']} {locality}"
        addr2 = f"({neighbourhood['name_ko']})" if place.has_street else ""
    elif language == "en":
        street = f"{house}, {_stem(neighbourhood['name_en'], '-dong')}-ro"
        locality = street if place.has_street else neighbourhood["name_en"]
        addr1, addr2 = f"{locality}, {district['name_en']}, Seoul", ""
    else:
        region = facts("regions")[0][f"name_{language}"]
        addr1, addr2 = f"{region} {district[f'name_{language}']}", ""
    return {"addr1": addr1, "addr2": addr2, "zipcode": zip_code}


def _overview(place: Place, language: str, edited_on: date) -> str:
    """Return three plain sentences with the markup that the API leaves in its texts."""
    category = next(row for row in facts("categories") if row["code"] == place.category)
    if language == "ko":
        return (
            f"{place.names['ko']} : {place.district['name_ko']}에 있는 {category['name_ko']}.<br>\n"
            f"{place.neighbourhood['name_ko']}에서 걸어서 갈 수 있다.&nbsp; "
            f"{edited_on.year}년 {edited_on.month}월에 다시 살펴보았다."
        )
    return (
        f"{place.names[language]} is one of the {category['name_en'].lower()} of "
        f"{place.district['name_en']}.<br>\n"
        f"It can be reached on foot from {place.neighbourhood['name_en']}.&nbsp; "
        f"This was looked over again in {edited_on:%B %Y}."
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
    """Return the tree, one row per leaf. Japanese and Chinese use the English names."""
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
    """Return the recorded rows, and generated code lists. Japanese and Chinese have no places.

    Raises RecordingError when the folder lacks a file.
    """
    rows = {
        "ko": _recorded_korean(folder),
        "en": _recorded_english(folder),
        "ja": LanguageRows([], [], [], [], {}),
        "zh": LanguageRows([], [], [], [], {}),
    }
    return {
        language: replace(
            language_rows,
            districts=_district_codes(language),
            regions=_region_codes(language),
            categories=_categories(language),
        )
        for language, language_rows in rows.items()
    }


def _recorded_korean(folder: Path) -> LanguageRows:
    service = "tourapi/KorService2"
    places = [
        item
        for content_type in ("12", "14", "15", "32")
        for item in _recorded_items(folder, f"{service}/areaBasedList2/{content_type}.json")
    ]
    festivals = _recorded_items(folder, f"{service}/searchFestival2.json")
    stays = _recorded_items(folder, f"{service}/searchStay2.json")
    # A festival has its dates only in searchFestival2, so that row wins.
    by_id = {item["contentid"]: item for item in (*places, *festivals, *stays)}
    details = {content_id: {**_BLANK_DETAIL, **item} for content_id, item in by_id.items()}
    # Only one place's introduction and images are recorded. The others have blank fields.
    intros = {content_id: blank_intro(item) for content_id, item in details.items()}
    intros |= {item["contentid"]: item for item in _recorded_answer(folder, "detailIntro2")}
    recorded_images = _recorded_answer(folder, "detailImage2")
    images = {item["contentid"]: recorded_images for item in recorded_images}
    return LanguageRows(places, festivals, stays, _with_showflag(places), details, intros, images)


def _recorded_english(folder: Path) -> LanguageRows:
    items = _recorded_items(folder, "tourapi/EngService/detailCommon.json")
    details = {item["contentid"]: {**_BLANK_DETAIL, **_with_new_codes(item)} for item in items}
    places = [*details.values()]
    intros = {content_id: blank_intro(item) for content_id, item in details.items()}
    return LanguageRows(places, [], [], _with_showflag(places), details, intros)


_BLANK_DETAIL = dict.fromkeys(DETAIL_FIELDS, "")


def _recorded_items(folder: Path, name: str) -> list[Item]:
    items: list[Item] = orjson.loads(recorded_file(folder, name).read_bytes())
    return items


def _recorded_answer(folder: Path, operation: str) -> list[Item]:
    """Return the items of a recorded response, which is kept with its envelope."""
    file = recorded_file(folder, f"tourapi/KorService2/answers/{operation}.json")
    items: list[Item] = orjson.loads(file.read_bytes())["response"]["body"]["items"]["item"]
    return items


def _with_showflag(items: list[Item]) -> list[Item]:
    return [{**item, "showflag": "1"} for item in items]


def _with_new_codes(item: Item) -> Item:
    """Return a record of 2023 with the newer district codes, looked up by the legacy code."""
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
