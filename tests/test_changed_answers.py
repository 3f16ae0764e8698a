"""Answers that are not as the columns say: what is told of them, and what a setting makes of it."""

import dataclasses
from pathlib import Path

import orjson
import pytest
from pipelines import outcomes, query, run

from loaders import commands
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES


def rates(*rows: dict[str, str]) -> bytes:
    usual = {
        "result": 1,
        "cur_nm": "미국 달러",
        "ttb": "1,380.1",
        "tts": "1,408",
        "kftc_bkpr": "1,394",
    }
    common = {"deal_bas_r": "1,394", "bkpr": "1,394", "yy_efee_r": "0", "ten_dd_efee_r": "0"}
    common |= {"kftc_deal_bas_r": "1,394"}
    return orjson.dumps([usual | common | row for row in rows])


def test_rejected_rows_are_listed_and_come_in_from_raw_after_a_fix(
    api: SampleApi,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.fail("*", body=rates({"cur_unit": "USD"}, {"cur_unit": "EUR", "tts": "much"}))
    assert run("exim") == (0, "")
    assert outcomes(home)["exim.exchange_rates"]["rejected"] == 1
    capsys.readouterr()
    assert commands.rejected("exim", None, None) == (0, "")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("exim.exchange_rates 2026-11-22: ")
    assert "tts is 'much'" in line
    assert "in raw/exim/exchange_rates/dt=2026-11-22/" in line
    assert '"currency":"EUR"' in line
    calls = api.calls.copy()
    mend(monkeypatch)
    assert run("exim") == (0, "")
    assert api.calls == calls
    assert query(home, "select count(*) from staging_exim.exchange_rates") == [(2,)]
    assert commands.rejected("exim", None, None) == (0, "")
    assert capsys.readouterr().out.splitlines()[-1] == "no row is rejected"


def mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a change of the reader would: what was no number is none."""
    source = SOURCES["exim"]
    (table,) = source.tables
    mended = dataclasses.replace(
        table, read=lambda body: table.read(body.replace(b'"much"', b'""'))
    )
    monkeypatch.setitem(SOURCES, "exim", dataclasses.replace(source, tables=(mended,)))


def test_a_new_field_becomes_a_column_where_the_contract_evolves(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "evolve")
    api.fail("*", body=rates({"cur_unit": "USD", "midRate": "1,394.5"}))
    assert run("exim") == (0, "")
    assert query(home, "select mid_rate from staging_exim.exchange_rates") == [("1,394.5",)]
    assert any("new field 'midRate'" in it for it in outcomes(home)["exim.exchange_rates"]["notes"])


def test_a_contract_that_stops_keeps_what_was_there(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("exim") == (0, "")
    before = query(home, "select * exclude (_dlt_load_id) from staging_exim.exchange_rates")
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "stop")
    api.fail("*", body=rates({"cur_unit": "USD", "midRate": "1"}))
    assert run("exim", refresh=True) == (1, "not complete: exim.exchange_rates")
    (error,) = outcomes(home)["exim.exchange_rates"]["errors"]
    assert error.startswith("stopped by its contract: new field 'midRate', first in raw/exim/")
    now = query(home, "select * exclude (_dlt_load_id) from staging_exim.exchange_rates")
    assert sorted(now) == sorted(before)


def test_a_contract_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "ignore")
    assert run("exim") == (
        2,
        "SOURCES__EXIM__EXCHANGE_RATES__CONTRACT is 'ignore': wants one of reject, evolve, stop",
    )


def test_words_of_rejected_that_cannot_be_are_named() -> None:
    assert commands.rejected("exin", None, None)[0] == 2
    assert commands.rejected("exim", "yesterday", None)[0] == 2
    assert commands.rejected("exim", None, "rates")[0] == 2
