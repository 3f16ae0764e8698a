"""Exchange rates of the Export-Import Bank: the API's quirks over real HTTP, and staged rows."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from requests import Response
from support.pipelines import query, run, table_results
from support.project import ENOUGH_SECONDS, TODAY

from loaders.pipeline import stage
from loaders.sample_api import SampleApi
from loaders.sample_api.exim import is_published
from loaders.sources import SOURCES, exim
from loaders.sources.source import ApiError, ApiFault

pytestmark = pytest.mark.usefixtures("staging_tables")

OPERATION = "site/program/financial/exchangeJSON"
RATES = SOURCES["exim"].table("exchange_rates")
FRIDAY = date(2026, 11, 20)
"""`TODAY` is the Sunday after it, so that no response depends on the hour of the test."""


def rates(api: SampleApi, key: str = "sample", **params: str) -> list[dict[str, Any]]:
    response = requests.get(
        f"{api.url}/exim/{OPERATION}",
        params={"authkey": key, "data": "AP01", **params},
        timeout=ENOUGH_SECONDS,
    )
    assert response.status_code == 200
    rows: list[dict[str, Any]] = response.json()
    return rows


def staged(*rows: dict[str, Any], on: str = "20261120") -> stage.Staged:
    parsed = RATES.read(orjson.dumps(rows))
    return stage.stage(RATES, [("file", {"searchdate": on}, lambda: parsed)], TODAY)


def rate(**fields: Any) -> dict[str, Any]:
    """A rate as the API returns it, with `fields` changed or added."""
    usd = {"result": 1, "cur_unit": "USD", "cur_nm": "미국 달러", "deal_bas_r": "1,348.6"}
    return {**usd, "ttb": "1,335.12", "tts": "1,362.08", "bkpr": "1,348", **fields}


def response_of(status: int, body: bytes, **headers: str) -> Response:
    response = Response()
    response.status_code, response._content = status, body
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def error_of(response: Response) -> ApiError:
    with pytest.raises(ApiError) as raised:
        exim.check_response(response)
    return raised.value


# The days


def test_the_sample_api_publishes_rates_at_eleven_on_business_days() -> None:
    assert not is_published(FRIDAY, datetime(2026, 11, 20, 10, 59))
    assert is_published(FRIDAY, datetime(2026, 11, 20, 11, 0))
    assert is_published(FRIDAY, datetime(2026, 11, 21, 0, 0))
    assert not is_published(date(2026, 11, 23), datetime(2026, 11, 22, 23, 0))
    assert not is_published(TODAY, datetime(2026, 11, 25))
    assert not is_published(date(2026, 12, 25), datetime(2026, 12, 26))


def test_a_closed_day_gets_the_rates_of_the_last_business_day(api: SampleApi, home: Path) -> None:
    assert run("exim") == (0, "")
    assert api.calls[OPERATION] == 3  # Sunday, Saturday, Friday
    days = query(
        home,
        "select date, logical_date, count(*) from staging_exim.exchange_rates group by all",
    )
    assert days == [(FRIDAY, TODAY, len(rates(api, searchdate="20261120")))]


@pytest.mark.core
def test_a_business_day_takes_one_call_and_a_second_run_takes_none(api: SampleApi) -> None:
    assert run("exim", date=f"{FRIDAY}") == (0, "")
    assert run("exim", date=f"{FRIDAY}") == (0, "")
    assert api.calls[OPERATION] == 1


def test_a_bank_that_is_closed_for_more_than_a_week_is_not_an_error(
    api: SampleApi, home: Path
) -> None:
    api.fail(OPERATION, error="closed")
    assert run("exim") == (0, "")
    assert api.calls[OPERATION] == 1 + exim.DAYS_BACK
    assert table_results(home)["exim.exchange_rates"]["staged"] == 0
    assert query(home, "select * from staging_exim.exchange_rates") == []


def test_an_interrupted_search_resumes_at_the_missing_day(api: SampleApi, home: Path) -> None:
    api.fail(OPERATION, status=400, after=2, times=1)
    assert run("exim")[0] == 1
    assert api.calls[OPERATION] == 3
    assert run("exim") == (0, "")
    assert api.calls[OPERATION] == 4
    assert query(home, "select distinct date from staging_exim.exchange_rates") == [(FRIDAY,)]


# What is staged


@pytest.mark.core
def test_every_rate_of_the_response_arrives(api: SampleApi, home: Path) -> None:
    published = rates(api, searchdate="20261120")
    assert len(published) > 20
    assert run("exim") == (0, "")
    arrived = query(
        home,
        "select currency || case when unit = 100 then '(100)' else '' end, currency_name,"
        " base_rate, buying_rate, selling_rate, book_rate from staging_exim.exchange_rates",
    )
    assert sorted(arrived) == sorted(
        (
            row["cur_unit"],
            row["cur_nm"],
            *(float(row[name].replace(",", "")) for name in ("deal_bas_r", "ttb", "tts", "bkpr")),
        )
        for row in published
    )
    assert table_results(home)["exim.exchange_rates"]["rejected"] == 0


def test_commas_are_removed_and_the_unit_is_split_from_the_currency() -> None:
    rows = staged(rate(), rate(cur_unit="JPY(100)", deal_bas_r="930.5")).rows
    assert rows.select(["currency", "unit", "base_rate", "date"]).to_pylist() == [
        {"currency": "USD", "unit": 1, "base_rate": 1348.6, "date": FRIDAY},
        {"currency": "JPY", "unit": 100, "base_rate": 930.5, "date": FRIDAY},
    ]


def test_an_unreadable_rate_is_rejected_with_a_reason() -> None:
    result = staged(
        rate(),
        rate(cur_unit="JPY(IOO)"),
        rate(cur_unit=None),
        rate(cur_unit="EUR", deal_bas_r="n/a"),
    )
    assert result.rows["currency"].to_pylist() == ["USD"]
    assert [rejected["reason"] for rejected in result.rejected] == [
        "unit: unit is 'JPY(IOO)', not int32",
        "no currency",
        "base_rate: deal_bas_r is 'n/a', not double",
    ]


def test_a_new_field_is_reported() -> None:
    assert set(staged(rate(spread="1")).new_fields) == {"spread"}


# Errors


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ("bad_data_code", ApiFault.BAD_REQUEST),
        ("bad_key", ApiFault.BAD_KEY),
        ("quota", ApiFault.QUOTA_SPENT),
    ],
)
def test_an_error_with_http_200_is_named_and_not_retried(
    api: SampleApi, home: Path, error: str, fault: ApiFault
) -> None:
    api.fail(OPERATION, error=error)
    assert run("exim")[0] == 1
    assert api.calls[OPERATION] == 1
    assert fault.value in str(table_results(home)["exim.exchange_rates"])
    assert not list((home / "lake" / "raw").rglob("*exchangeJSON*.json"))


def test_a_wrong_key_is_reported_with_its_setting_and_never_stored(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rates(api, key="wrong", searchdate="20261120")[0]["result"] == 3
    monkeypatch.setenv("SOURCES__EXIM__SERVICE_KEY", "not-the-right-key")
    assert run("exim")[0] == 1
    assert "check SOURCES__EXIM__SERVICE_KEY" in str(table_results(home)["exim.exchange_rates"])
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not any(b"not-the-right-key" in path.read_bytes() for path in files)


def test_a_retired_host_is_reported_with_its_setting(api: SampleApi, home: Path) -> None:
    api.fail(OPERATION, error="moved")
    assert run("exim")[0] == 1
    assert api.calls[OPERATION] == 1
    assert "moved to https://oapi.koreaexim.go.kr: set SOURCES__EXIM__BASE_URL" in str(
        table_results(home)["exim.exchange_rates"]
    )


@pytest.mark.parametrize("body", ["<html>", '{"result": 1}', '[{"cur_unit": "USD"}]', "[1]", "["])
def test_a_response_that_is_not_a_list_of_rates_is_not_kept(
    api: SampleApi, home: Path, body: str
) -> None:
    api.fail(OPERATION, body=body)
    assert run("exim")[0] == 1
    assert "the response can't be read" in str(table_results(home)["exim.exchange_rates"])
    assert not list((home / "lake" / "raw").rglob("*exchangeJSON*.json"))


def test_a_short_outage_is_survived_by_retries(api: SampleApi, home: Path) -> None:
    api.fail(OPERATION, status=503, body="", times=2)
    assert run("exim") == (0, "")
    assert table_results(home)["exim.exchange_rates"]["staged"] > 20


def test_each_status_has_its_fault() -> None:
    assert error_of(response_of(404, b"")).fault is ApiFault.GONE
    assert error_of(response_of(429, b"")).fault is ApiFault.QUOTA_SPENT
    assert error_of(response_of(429, b"", Retry_After="3")).fault is ApiFault.BUSY
    assert error_of(response_of(502, b"")).fault is ApiFault.DOWN
    assert error_of(response_of(400, b"")).fault is ApiFault.BAD_REQUEST
    assert error_of(response_of(200, b'[{"result": 9}]')).fault is ApiFault.DOWN


def test_the_sample_api_refuses_as_the_bank_does(api: SampleApi) -> None:
    assert rates(api, data="AP09", searchdate="20261120")[0]["result"] == 2
    assert rates(api, searchdate="20261122") == []
    assert rates(api, searchdate="20261123") == []
