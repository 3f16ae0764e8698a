"""The introductions (detailIntro2) and further images (detailImage2) of the sample TourAPI.

Facts: the fields by content type of data.go.kr 15101578, and responses recorded in 2026. Every
field is text and blank without a value. Texts have `<br>` and line breaks as in the API.
"""

from collections.abc import Mapping, Sequence

from loaders.sample_api.facts import pick

Item = dict[str, str]

KOREAN_TYPES = {
    "76": "12",
    "78": "14",
    "85": "15",
    "75": "28",
    "80": "32",
    "79": "38",
    "82": "39",
}
"""Content type ids in Korean by those of all other languages."""
INTRO_FIELDS = {
    "12": "heritage1 heritage2 heritage3 infocenter opendate restdate expguide expagerange "
    "accomcount useseason usetime parking chkbabycarriage chkpet chkcreditcard",
    "14": "scale usefee discountinfo spendtime parkingfee infocenterculture accomcountculture "
    "usetimeculture restdateculture parkingculture chkbabycarriageculture chkpetculture "
    "chkcreditcardculture",
    "15": "sponsor1 sponsor1tel sponsor2 sponsor2tel eventenddate playtime eventplace "
    "eventhomepage agelimit bookingplace placeinfo subevent program eventstartdate "
    "usetimefestival discountinfofestival spendtimefestival festivalgrade",
    "25": "distance infocentertourcourse schedule taketime theme",
    "28": "openperiod reservation infocenterleports scaleleports accomcountleports "
    "restdateleports usetimeleports usefeeleports expagerangeleports parkingleports "
    "parkingfeeleports chkbabycarriageleports chkpetleports chkcreditcardleports",
    "32": "roomcount roomtype refundregulation checkintime checkouttime chkcooking seminar sports "
    "sauna beauty beverage karaoke barbecue campfire bicycle fitness publicpc publicbath "
    "subfacility foodplace reservationurl pickup infocenterlodging parkinglodging "
    "reservationlodging scalelodging accomcountlodging",
    "38": "saleitem saleitemcost fairday opendateshopping opentime infocentershopping "
    "restdateshopping parkingshopping restroom shopguide culturecenter scaleshopping "
    "chkbabycarriageshopping chkpetshopping chkcreditcardshopping",
    "39": "seat kidsfacility firstmenu treatmenu smoking packing infocenterfood scalefood "
    "parkingfood opendatefood opentimefood discountinfofood restdatefood reservationfood "
    "lcnsno chkcreditcardfood",
}
IMAGE_FIELDS = ("contentid", "originimgurl", "imgname", "smallimageurl", "cpyrhtDivCd", "serialnum")

_HOURS = "usetime usetimeculture usetimeleports opentime opentimefood playtime"
_CLOSED = "restdate restdateculture restdateleports restdateshopping restdatefood"
_PARKING = "parking parkingculture parkingleports parkinglodging parkingshopping parkingfood"
_CONTACT = (
    "infocenter infocenterculture infocenterleports infocenterlodging infocentershopping "
    "infocenterfood sponsor1tel"
)
_FEE = "usefee usefeeleports usetimefestival"
TEXTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    _HOURS: {
        "ko": (
            "[3월~10월] 09:00~18:00 (입장마감 17:00)<br>\n[11월~2월] 09:00~17:00 (입장마감 16:00)",
            "10:00~20:00",
            "상시 개방",
        ),
        "en": (
            "[Mar-Oct] 09:00-18:00 (last admission 17:00)<br>\n"
            "[Nov-Feb] 09:00-17:00 (last admission 16:00)",
            "10:00-20:00",
            "Open 24 hr",
        ),
        "": ("09:00~18:00<br>\n10:00~17:00", "10:00~20:00", "24:00"),
    },
    _CLOSED: {
        "ko": (
            "매주 월요일 <br>※ 공휴일이면 다음 날 휴무",
            "연중무휴",
            "설날·추석 당일",
        ),
        "en": ("Mondays<br />(the next day if Monday is a public holiday)", "Open all year", "N/A"),
        "": ("月", "-", ""),
    },
    _FEE: {
        "ko": ("무료", "어른 5,000원<br>어린이 3,000원", "전석 20,000원"),
        "en": ("Free", "Adults 5,000 won<br>Children 3,000 won", "All seats 20,000 won"),
        "": ("0", "5,000", "20,000"),
    },
    _PARKING: {
        "ko": ("가능 (승용차 40대)", "불가", "있음"),
        "en": ("Available (40 cars)", "Not available", "Available&nbsp;"),
        "": ("40", "0", ""),
    },
    "reservation reservationfood reservationlodging bookingplace": {
        "ko": ("전화 예약", "현장 예매", "누리집에서 예약"),
        "en": ("By telephone", "Tickets at the gate", "On the web site"),
        "": ("", "", ""),
    },
    "program": {
        "ko": ("1. 개막 공연<br>\n2. 거리 행진<br>\n3. 불꽃놀이", "전시와 체험", ""),
        "en": ("1. Opening concert<br>\n2. Parade<br>\n3. Fireworks", "Exhibits and crafts", ""),
        "": ("1<br>\n2<br>\n3", "", ""),
    },
    "expguide": {
        "ko": ("한복 체험 (1일 3회)", "", ""),
        "en": ("Hanbok trial (three times a day)", "", ""),
        "": ("", "", ""),
    },
    "treatmenu saleitem": {
        "ko": ("비빔밥, 불고기", "전통 공예품", "국수"),
        "en": ("Bibimbap, bulgogi", "Traditional crafts", "Noodles"),
        "": ("", "", ""),
    },
    "roomtype": {
        "ko": ("한실 / 양실", "양실", "도미토리"),
        "en": ("Korean / Western", "Western", "Dormitory"),
        "": ("", "", ""),
    },
    "subfacility": {
        "ko": ("세탁실, 라운지", "", "공용 주방"),
        "en": ("Laundry, lounge", "", "Shared kitchen"),
        "": ("", "", ""),
    },
    "spendtime spendtimefestival": {
        "ko": ("약 1시간", "90분", ""),
        "en": ("About 1 hour", "90 min", ""),
        "": ("60", "90", ""),
    },
    "agelimit expagerange expagerangeleports": {
        "ko": ("전 연령 가능", "만 7세 이상", ""),
        "en": ("All ages", "7 and over", ""),
        "": ("", "7", ""),
    },
}
"""The possible texts of some fields by language. The rest of the languages is under `""`."""


def intro(item: Item, language: str) -> Item:
    """Return the row of a place in detailIntro2, whose fields depend on the content type."""
    content_id, content_type = item["contentid"], item["contenttypeid"]
    values = {
        name: _text(name, texts, language, content_id)
        for names, texts in TEXTS.items()
        for name in names.split()
    }
    number = f"02-000-{pick(10_000, content_id, 'contact'):04d}"
    values |= dict.fromkeys(_CONTACT.split(), number)
    values |= {
        "checkintime": "15:00",
        "checkouttime": "11:00",
        "roomcount": str(5 + pick(60, content_id, "rooms")),
        "eventplace": item["addr1"],
        "sponsor1": "서울특별시" if language == "ko" else "Seoul",
        "heritage1": "0",
        "heritage2": "0",
        "heritage3": "0",
        "reservationurl": f'<a href="https://stays.example/{content_id}">stays.example</a>',
        "eventhomepage": f'<a href="https://events.example/{content_id}">events.example</a>',
    }
    return blank_intro(item) | {
        name: value
        for name, value in {**values, **item}.items()
        if name in _fields(content_type) and pick(8, content_id, name)
    }


def blank_intro(item: Item) -> Item:
    """Return the row of a place of which only the content type is known."""
    names = ("contentid", "contenttypeid", *_fields(item["contenttypeid"]))
    known = {"contentid", "contenttypeid", "eventstartdate", "eventenddate"}
    return {name: item.get(name, "") if name in known else "" for name in names}


def images(item: Item) -> list[Item]:
    """Return the rows of a place in detailImage2: none for a place without a first image."""
    if not item["firstimage"]:
        return []
    content_id = item["contentid"]
    return [
        {
            "contentid": content_id,
            "originimgurl": item["firstimage"].replace("_image2_", f"_{number}_image2_"),
            "imgname": item["title"] if pick(3, content_id, number, "name") else "",
            "smallimageurl": item["firstimage2"].replace("_image3_", f"_{number}_image3_"),
            "cpyrhtDivCd": item["cpyrhtDivCd"],
            "serialnum": f"{content_id}_{number}",
        }
        for number in range(1, 1 + pick(6, content_id, "images"))
    ]


def _fields(content_type: str) -> list[str]:
    return INTRO_FIELDS.get(KOREAN_TYPES.get(content_type, content_type), "").split()


def _text(name: str, texts: Mapping[str, Sequence[str]], language: str, content_id: str) -> str:
    choice = texts.get(language, texts[""])
    return choice[pick(len(choice), content_id, name, "text")]
