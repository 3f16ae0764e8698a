"""Texts, numbers and dates beyond what the warehouse and the website store end at stage."""

from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import orjson
import pytest
from support.dbt_checks import check_dbt, dbt
from support.pipelines import query, run, table_results
from support.project import PROJECT, TODAY
from support.responses import exchange_rates

from loaders.pipeline.stage import Staged, stage
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES
from loaders.sources.source import LONG_TEXT, LONGEST_URL, SHORT_TEXT

pytestmark = pytest.mark.usefixtures("staging_tables")

PLACES = SOURCES["tour"].table("places")
FIELDS = {column.field: "" for column in PLACES.columns if column.name != "language"}
PLACE = {**FIELDS, "contentid": "1", "title": "Gyeongbokgung", "createdtime": "20090520203730"}


def staged(*places: dict[str, str], contract: str = "reject") -> Staged:
    items = {"item": [PLACE | place for place in places]}
    body = orjson.dumps({"response": {"header": {}, "body": {"items": items}}})
    page = ("raw/page", {"language": "en"}, partial(PLACES.read, body))
    return stage(PLACES, [page], TODAY, contract)


def test_a_long_text_is_cut_with_its_count_and_raw_file() -> None:
    result = staged(
        {"contentid": "1", "tel": "1" * 1001},
        {"contentid": "2", "tel": "1" * 1000},
        {"contentid": "3", "tel": "가" * 334},  # of three bytes
    )
    assert result.rows["phone"].to_pylist() == ["1" * 1000, "1" * 1000, "가" * 333]
    assert result.long_fields == {"tel": "2 cut to 1000 bytes, first in raw/page"}
    assert result.rejected == []


def test_a_long_code_or_address_is_left_out_since_a_part_would_mean_something_else() -> None:
    long_url = f"https://example.org/{'a' * LONGEST_URL}"
    result = staged({"lDongSignguCd": "1" * 11, "firstimage": long_url})
    (row,) = result.rows.to_pylist()
    assert (row["district"], row["image_url"]) == (None, None)
    assert result.long_fields == {
        "lDongSignguCd": "1 left out, longer than 10 bytes, first in raw/page",
        "firstimage": "1 left out, longer than 2000 bytes, first in raw/page",
    }


def test_a_row_with_a_long_key_is_rejected() -> None:
    result = staged({"contentid": "1" * 21}, {"contentid": "2"})
    assert result.rows["content_id"].to_pylist() == ["2"]
    (rejected,) = result.rejected
    assert rejected["reason"] == "content_id: contentid has more than 20 bytes"
    assert rejected["raw_file"] == "raw/page"
    assert result.long_fields == {}


def test_a_contract_that_stops_stops_at_a_long_text() -> None:
    with pytest.raises(Exception, match="'tel': 1 cut to 1000 bytes, first in raw/page"):
        staged({"tel": "1" * 1001}, contract="stop")


@pytest.mark.parametrize("number", ["1234567890123", "1e400"])
def test_a_number_beyond_its_precision_is_rejected(number: str) -> None:
    (rejected,) = staged({"mapx": number}).rejected
    assert rejected["reason"] == f"longitude: mapx is {number!r}, not double"


def test_a_date_before_the_first_year_is_rejected() -> None:
    (rejected,) = staged({"createdtime": "00000520203730"}).rejected
    assert "createdtime is '00000520203730'" in rejected["reason"]
    (row,) = staged({"createdtime": "99991231235959"}).rows.to_pylist()
    assert row["created_at"].date() == date(9999, 12, 31)


def test_limits_are_those_that_the_contracts_have() -> None:
    models = (PROJECT / "dbt_project" / "models").rglob("*.yml")
    contracts = "".join(path.read_text("utf-8") for path in models)
    for limit in (SHORT_TEXT, LONG_TEXT, LONGEST_URL):
        assert f"data_type: varchar({limit})" in contracts


@pytest.mark.core
def test_a_run_reports_what_was_cut_and_goes_on(api: SampleApi, home: Path) -> None:
    api.fail("*", body=exchange_rates({"cur_unit": "USD", "cur_nm": "달" * 34}))
    assert run("exim") == (0, "")
    (note,) = table_results(home)["exim.exchange_rates"]["notes"]
    assert note.startswith("texts of 'cur_nm': 1 cut to 100 bytes, first in raw/exim/")
    assert query(home, "select currency_name from staging_exim.exchange_rates") == [("달" * 33,)]


@pytest.mark.long
@pytest.mark.slow
def test_dbt_finds_a_text_that_is_longer_than_its_contract(api: SampleApi, home: Path) -> None:
    assert run("exim") == (0, "")
    check_dbt(home, "build", "--select", "+rds_exchange_rates", "--exclude-resource-type", "test")
    tests = ("test", "--select", "rds_exchange_rates", "--indirect-selection", "cautious")
    check_dbt(home, *tests)
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "update checks_serving.rds_exchange_rates set name_ko = repeat('가', 400)"
        )
    failed = dbt(home, *tests)
    assert failed.returncode == 1
    assert "values_fit_their_types_rds_exchange_rates" in failed.stdout
