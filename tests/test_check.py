"""`dlt pipeline check` compares one page of each table with the columns of its source."""

import json

import orjson
import pytest
import requests
from support.pipelines import lake, raw_files, run
from support.project import ENOUGH_SECONDS

from loaders.cli.check import check
from loaders.pipeline.locks import part_lock
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

RATES = "site/program/financial/exchangeJSON"


def changed_rates(api: SampleApi) -> bytes:
    """Return today's rates, with a field more and one less."""
    params = {"authkey": "sample", "data": "AP01", "searchdate": "20261120"}
    rates = requests.get(f"{api.url}/exim/{RATES}", params=params, timeout=ENOUGH_SECONDS).json()
    return orjson.dumps([_changed(rate) for rate in rates])


def _changed(rate: dict[str, str]) -> dict[str, str]:
    return {"spread": "1"} | {name: value for name, value in rate.items() if name != "tts"}


def test_every_table_is_as_described_after_a_call_with_rows_and_nothing_is_kept(
    api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(None, "json") == (0, "")
    found = json.loads(capsys.readouterr().out)
    tables = [f"{name}.{table.name}" for name, source in SOURCES.items() for table in source.tables]
    assert [each["table"] for each in found] == tables
    assert [each for each in found if each["differences"] or each["note"]] == []
    # A Sunday has Friday's rates. At night, the day's forecasts are not published yet.
    repeated = {RATES: 3, "AsosDalyInfoService/getWthrDataList": 2}  # of two tables
    once = {path: calls for path, calls in api.calls.items() if "Fcst" not in path}
    assert once == {path: repeated.get(path, 1) for path in once}
    assert raw_files() == {}
    assert len(lake().keys("budget")) > len(SOURCES)


def test_a_new_field_and_a_missing_one_are_named(
    api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.fail("*exchangeJSON", body=changed_rates(api))
    assert check("exim") == (1, "not as described: exim.exchange_rates")
    assert capsys.readouterr().out == (
        "exim.exchange_rates: new field 'spread'; no row has 'tts'\n"
    )


def test_an_api_that_fails_is_asked_once_and_named(
    api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.fail("*exchangeJSON", status=503)
    assert check("exim") == (1, "not as described: exim.exchange_rates")
    assert "exim.exchange_rates: the API is down: HTTP 503\n" in capsys.readouterr().out
    assert api.calls.total() == 1


def test_a_page_without_rows_is_no_difference(
    api: SampleApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.fail("*exchangeJSON", body="[]")
    assert check("exim") == (0, "")
    assert capsys.readouterr().out == "exim.exchange_rates: no row today\n"


def test_a_wrong_name_and_an_extraction_under_way_are_one_line(api: SampleApi) -> None:
    code, message = check("exin")
    assert (code, message.partition(":")[0]) == (2, "the pipeline is 'exin'")
    with part_lock("exim", "extract"):
        code, message = check("exim")
    assert code == 3
    assert "exim.extract is being run by process" in message
    assert run("exim") == (0, "")
