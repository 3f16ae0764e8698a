"""Staging of recorded and of unusual responses, without an API."""

from datetime import date, datetime
from functools import partial
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from lxml import etree

from loaders.pipeline.stage import BrokenTableError, Staged, schema, stage
from loaders.sources import SOURCES
from loaders.sources.source import Row, Table

TOUR = SOURCES["tour"]
KOPIS = SOURCES["kopis"]
LOGICAL_DATE = date(2026, 11, 22)


def tour_page(rows: object) -> bytes:
    items = {"item": rows} if rows else ""
    return orjson.dumps({"response": {"header": {}, "body": {"items": items}}})


def staged(table: Table, *bodies: bytes, contract: str = "reject", **page_values: str) -> Staged:
    """Stage response bodies as `raw/page-0`, `raw/page-1`, ….

    `page_values`: values that apply to every row but are not part of a body.
    """
    pages = [
        (f"raw/page-{number}", page_values, partial(table.read, body))
        for number, body in enumerate(bodies)
    ]
    return stage(table, pages, LOGICAL_DATE, contract)


def place(**changes: str) -> Row:
    """Return a row of `tour.places` as the API returns it, with changes."""
    fields = {column.field: "" for column in TOUR.table("places").columns}
    del fields["language"]
    return {
        **fields,
        "contentid": "1",
        "title": "Gyeongbokgung",
        "mapx": "126.97",
        "createdtime": "20090520203730",
        **changes,
    }


def test_texts_numbers_and_times_are_typed_and_blanks_are_null() -> None:
    page = tour_page([place(mlevel="6", tel=" ")])
    (row,) = staged(TOUR.table("places"), page, language="en").rows.to_pylist()
    assert row["content_id"] == "1"
    assert row["language"] == "en"
    assert row["longitude"] == 126.97
    assert row["map_level"] == 6
    assert row["created_at"] == datetime(2009, 5, 20, 20, 37, 30)
    assert row["phone"] is None
    assert row["address"] is None
    assert row["logical_date"] == LOGICAL_DATE
    assert row["raw_file"] == "raw/page-0"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mapx", "east"),
        ("mapx", "nan"),
        ("mapx", "1e400"),
        ("mlevel", "6.5"),
        ("mlevel", "99999999999"),
        ("createdtime", "20260231000000"),
        ("createdtime", "2026022800000"),
        ("createdtime", "None"),
    ],
)
def test_a_row_that_cannot_be_typed_is_rejected_with_field_and_value(
    field: str, value: str
) -> None:
    page = tour_page([place(**{field: value}), place(contentid="2")])
    result = staged(TOUR.table("places"), page, language="en")
    assert result.rows["content_id"].to_pylist() == ["2"]
    (rejected,) = result.rejected
    assert field in rejected["reason"]
    assert repr(value) in rejected["reason"]
    assert rejected["raw_file"] == "raw/page-0"
    assert rejected["row"]["contentid"] == "1"


def test_a_row_without_its_key_is_rejected() -> None:
    result = staged(TOUR.table("places"), tour_page([place(contentid=" ")]), language="en")
    assert len(result.rows) == 0
    assert result.rejected[0]["reason"] == "no content_id"


def test_the_last_row_of_a_key_is_kept() -> None:
    pages = tour_page([place(title="old")]), tour_page([place(title="new")])
    result = staged(TOUR.table("places"), *pages, language="en")
    assert result.rows["title"].to_pylist() == ["new"]
    assert result.duplicates == 1


def test_a_rejected_row_does_not_replace_a_valid_row_of_its_key() -> None:
    pages = tour_page([place(title="good")]), tour_page([place(title="bad", mapx="east")])
    result = staged(TOUR.table("places"), *pages, language="en")
    assert result.rows["title"].to_pylist() == ["good"]
    assert len(result.rejected) == 1


def test_new_and_missing_fields_are_reported_with_their_raw_file() -> None:
    changed = place(stars="5")
    del changed["tel"]
    result = staged(TOUR.table("places"), tour_page([place()]), tour_page([changed]), language="en")
    assert result.new_fields == {"stars": "raw/page-1"}
    assert result.missing_fields == {"tel": "raw/page-1"}


def test_a_response_without_the_key_in_any_row_fails_the_table() -> None:
    without_key = place()
    del without_key["contentid"]
    with pytest.raises(BrokenTableError, match=r"places: no row has 'contentid', see raw/page-0"):
        staged(TOUR.table("places"), tour_page([without_key]), language="en")


def test_json_values_other_than_strings_are_read_as_text() -> None:
    page = tour_page([place(mapx=126.5, title=12, tel={"a": 1})])  # type: ignore[arg-type]
    (row,) = staged(TOUR.table("places"), page, language="en").rows.to_pylist()
    assert (row["longitude"], row["title"], row["phone"]) == (126.5, "12", '{"a":1}')


def test_a_page_without_rows_gives_an_empty_table_with_the_same_columns() -> None:
    empty = staged(TOUR.table("places"), tour_page([]), language="en").rows
    full = staged(TOUR.table("places"), tour_page([place()]), language="en").rows
    assert len(empty) == 0
    assert empty.schema == full.schema


def test_a_single_row_need_not_be_in_a_list() -> None:
    result = staged(TOUR.table("places"), tour_page(place()), language="en")
    assert len(result.rows) == 1


def test_all_recorded_places_are_staged(recordings: Path) -> None:
    folder = recordings / "tourapi" / "KorService2"
    for name, count in {"12": 783, "14": 566, "15": 201, "32": 423}.items():
        rows = orjson.loads((folder / "areaBasedList2" / f"{name}.json").read_bytes())
        result = staged(TOUR.table("places"), tour_page(rows), language="ko")
        assert len(result.rows) == len(rows) == count
        assert not result.rejected
        assert not result.new_fields
        assert not result.missing_fields
        assert result.rows["title"].null_count == 0


def test_recorded_festivals_without_an_end_date_are_rejected(recordings: Path) -> None:
    file = recordings / "tourapi" / "KorService2" / "searchFestival2.json"
    rows = orjson.loads(file.read_bytes())
    result = staged(TOUR.table("festivals"), tour_page(rows), language="ko")
    without_end = [row["contentid"] for row in rows if row["eventenddate"] == "None"]
    assert [row["row"]["contentid"] for row in result.rejected] == without_end
    assert len(result.rows) + len(without_end) == 201
    assert len(without_end) == 5


def test_all_recorded_performances_and_venues_are_staged(recordings: Path) -> None:
    kopis = recordings / "kopis"
    details = staged(
        KOPIS.table("performance_details"), (kopis / "pblprfr_detail.xml").read_bytes()
    )
    assert len(details.rows) == 1278
    assert not details.rejected
    first = details.rows.slice(0, 1).to_pylist()[0]
    recorded = etree.parse(kopis / "pblprfr_detail.xml").getroot()[0]
    assert first["title"] == recorded.findtext("prfnm")
    assert first["host"] is None
    assert orjson.loads(first["ticket_links"])[0]["name"] == recorded.findtext(".//relatenm")
    venues = staged(KOPIS.table("venues"), (kopis / "prfplc.xml").read_bytes(), is_changed="N")
    assert len(venues.rows) == 3775
    assert not venues.rejected
    lists = [file.read_bytes() for file in sorted((kopis / "pblprfr").glob("*.xml"))]
    performances = staged(KOPIS.table("performances"), *lists, is_changed="N")
    assert len(performances.rows) == 1278
    assert performances.rows.schema.field("is_changed").type == pa.bool_()


def test_the_contract_evolve_adds_new_fields_as_text_columns() -> None:
    pages = tour_page([place(starRating="5")]), tour_page([place(contentid="2")])
    rows = staged(TOUR.table("places"), *pages, language="en", contract="evolve").rows
    assert rows["star_rating"].to_pylist() == ["5", None]
    assert rows.drop_columns(["star_rating"]).schema == schema(TOUR.table("places"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (place(stars="5"), "new field 'stars', first in raw/page-1"),
        (
            {name: value for name, value in place().items() if name != "tel"},
            "no row has the field 'tel', first in raw/page-1",
        ),
        (place(mapx="far"), "longitude: mapx is 'far', not double, first in raw/page-1"),
    ],
)
def test_the_contract_stop_fails_the_table_on_an_unexpected_field_or_value(
    row: dict[str, str], message: str
) -> None:
    pages = tour_page([place()]), tour_page([row])
    with pytest.raises(BrokenTableError, match=f"stopped by its contract: {message}"):
        staged(TOUR.table("places"), *pages, language="en", contract="stop")
