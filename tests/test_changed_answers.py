"""Answers that are not as the columns say: what is told of them, and what a setting makes of it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from support.dbt_checks import succeeds
from support.pipelines import outcomes, query, run
from support.project import TODAY, point_at

from loaders.cli import commands
from loaders.sample_api import SampleApi
from loaders.sample_api.service import ApiResponse
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


def test_new_fields_of_any_name_become_columns_and_harm_nothing(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "evolve")
    odd = [
        "'; drop table exchange_rates; --",
        'say "x"',
        "select",
        "가격",
        "💥",
        "",
        "9",
        "_dlt_id",
    ]
    odd += ["midRate", "mid_rate", "mid__rate", "base_rate", "stage_file", "a b", "a" * 200]
    api.fail("*", body=rates({"cur_unit": "USD", **{name: name or "none" for name in odd}}))
    assert run("exim") == (0, "")
    assert outcomes(home)["exim.exchange_rates"]["errors"] == []
    (row,) = query(home, "select * from staging_exim.exchange_rates")
    assert {it or "none" for it in odd} <= set(row)
    known = 'select base_rate, "select", mid_rate from staging_exim.exchange_rates'
    assert query(home, known) == [(1394.0, "select", "midRate")]


def test_what_the_warehouse_refused_does_not_stand_in_the_way_of_what_comes_after(
    api: SampleApi, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def alter(to: str) -> None:
        with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
            table = "staging_exim.exchange_rates"
            warehouse.execute(f"alter table {table} alter currency_name type {to} using null")

    assert run("exim") == (0, "")
    alter("integer")
    api.fail("*", body=rates({"cur_unit": "USD", "cur_nm": "dollar"}))
    assert run("exim", refresh=True) == (1, "not complete: exim.exchange_rates")
    (error,) = outcomes(home)["exim.exchange_rates"]["errors"]
    assert error.startswith("not loaded: Conversion Error: ")
    assert "Run `pipeline" not in error
    assert "Traceback" not in "".join(capfd.readouterr())
    alter("varchar")
    api.clear_faults()
    api.fail("*", body=rates({"cur_unit": "USD", "cur_nm": "good dollar"}))
    assert run("exim", refresh=True) == (0, "")
    names = "select currency, currency_name from staging_exim.exchange_rates"
    assert query(home, names) == [("USD", "good dollar")]


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
        "SOURCES__EXIM__EXCHANGE_RATES__CONTRACT is 'ignore': expected one of reject, evolve, stop",
    )


def test_words_of_rejected_that_cannot_be_are_named() -> None:
    assert commands.rejected("exin", None, None)[0] == 2
    assert commands.rejected("exim", "yesterday", None)[0] == 2
    assert commands.rejected("exim", None, "rates")[0] == 2


class ChangedApi(SampleApi):
    """The sample API, whose answers are changed on their way."""

    change: Callable[[bytes], bytes]

    def respond(self, target: str, headers: Mapping[str, str]) -> tuple[ApiResponse, Any]:
        answer, fault = super().respond(target, headers)
        return dataclasses.replace(answer, body=self.change(answer.body)), fault


def dict_for_list(document: Any) -> Any:
    """With each list of rows as a dict that counts them."""
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return {str(number): row for number, row in enumerate(document)}
    if isinstance(document, dict):
        return {name: dict_for_list(value) for name, value in document.items()}
    return document


@pytest.mark.parametrize(
    "table",
    [
        *("exim.exchange_rates", "travelpayouts.fares", "incheon.airports", "kma.short_forecasts"),
        *("seoul.cultural_spaces", "tour.stays"),
    ],
)
def test_a_list_that_became_a_dict_is_told_and_lets_nothing_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    source, _, name = table.partition(".")
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    with ChangedApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        api.change = lambda body: orjson.dumps(dict_for_list(orjson.loads(body)))
        assert run(source, table=name) == (1, f"not complete: {table}")
    (error,) = outcomes(home)[table]["errors"]
    assert "can't be read" in error or "no row has" in error
    assert query(home, f"select count(*) from staging_{table}") == [(0,)]


def test_rows_of_one_key_that_differ_are_told_with_field_and_raw_file(
    api: SampleApi, home: Path
) -> None:
    usd, euro = {"cur_unit": "USD"}, {"cur_unit": "EUR"}
    api.fail("*", body=rates(usd, euro, usd | {"tts": "1,500"}, euro))
    assert run("exim") == (0, "")
    (note,) = outcomes(home)["exim.exchange_rates"]["notes"]
    assert "rows of one key differ in 'tts', the last is kept: see raw/exim/" in note
    rows = "select currency, selling_rate from staging_exim.exchange_rates order by 1"
    assert query(home, rows) == [("EUR", 1408.0), ("USD", 1500.0)]


def test_values_that_cannot_be_are_told_with_table_column_and_raw_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "<genrenm>뮤지컬</genrenm>": "<genrenm>음악극</genrenm>",
        "<prfpdto>2026": "<prfpdto>1926",
        "<gugunnm>강남구</gugunnm>": "<gugunnm>강남동구</gugunnm>",
        '"CODENAME":"콘서트"': '"CODENAME":"음악회"',
        '"GUNAME":"종로구"': '"GUNAME":"종로동구"',
        '"lDongSignguCd":"680"': '"lDongSignguCd":"999"',
    }

    def change(body: bytes) -> bytes:
        for usual, other in changes.items():
            body = body.replace(usual.encode(), other.encode())
        return body

    with ChangedApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        api.change = change
        for source, table in (
            *(("kopis", "performances"), ("kopis", "venues"), ("seoul", "cultural_events")),
            *(("tour", "places"), ("tour", "festivals"), ("incheon", "schedules")),
        ):
            assert run(source, table=table) == (0, "")
    chosen = ("--select", "+answers_are_plausible", "--indirect-selection", "cautious")
    assert "WARN=1" in succeeds(home, "build", *chosen)
    every = ("--select", "answers_are_plausible", "--limit", "-1", "--output", "json")
    shown = succeeds(home, "--quiet", "show", *every)
    told = {
        f"{it['source_name']}.{it['table_name']}.{it['column_name']}": it
        for it in orjson.loads(shown)["show"]
    }
    assert told.keys() == {
        *("kopis.performances.genre", "kopis.performances.ends_on", "kopis.venues.district_name"),
        *("seoul.cultural_events.genre", "seoul.cultural_events.district_name"),
        "tour.places.district",
    }
    genre = told["kopis.performances.genre"]
    assert genre["value"] == "음악극"
    assert genre["row_count"] > 1
    assert genre["first_raw_file"].startswith(f"raw/kopis/performances/dt={TODAY}/")
