"""Responses that differ from the columns of their table.

New and missing fields, values of other types, and what the contract of a table does with them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from support.dbt_checks import check_dbt
from support.pipelines import query, run, table_results
from support.project import TODAY, point_at
from support.responses import exchange_rates

from loaders.cli import commands
from loaders.pipeline import stage
from loaders.sample_api import SampleApi
from loaders.sample_api.service import ApiResponse
from loaders.sources import SOURCES

pytestmark = pytest.mark.usefixtures("staging_tables")


def test_rejected_rows_are_listed_and_loaded_from_raw_after_a_fix_of_the_reader(
    api: SampleApi,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.fail("*", body=exchange_rates({"cur_unit": "USD"}, {"cur_unit": "EUR", "tts": "much"}))
    assert run("exim") == (0, "")
    assert table_results(home)["exim.exchange_rates"]["rejected"] == 1
    capsys.readouterr()
    assert commands.rejected("exim", None, None) == (0, "")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("exim.exchange_rates 2026-11-22: ")
    assert "tts is 'much'" in line
    assert "in raw/exim/exchange_rates/dt=2026-11-22/" in line
    assert '"currency":"EUR"' in line
    calls = api.calls.copy()
    fix_reader(monkeypatch)
    assert run("exim") == (0, "")
    assert api.calls == calls
    assert query(home, "select count(*) from staging_exim.exchange_rates") == [(2,)]
    assert commands.rejected("exim", None, None) == (0, "")
    assert capsys.readouterr().out.splitlines()[-1] == "no row is rejected"


def fix_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the rate `much` as null, as a changed reader of the source would."""
    source = SOURCES["exim"]
    (table,) = source.tables
    fixed = dataclasses.replace(table, read=lambda body: table.read(body.replace(b'"much"', b'""')))
    monkeypatch.setitem(SOURCES, "exim", dataclasses.replace(source, tables=(fixed,)))
    monkeypatch.setattr(stage, "_code", lambda: b"the digest of the changed file")


def test_a_new_field_becomes_a_column_if_the_contract_is_evolve(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "evolve")
    api.fail("*", body=exchange_rates({"cur_unit": "USD", "midRate": "1,394.5"}))
    assert run("exim") == (0, "")
    assert query(home, "select mid_rate from staging_exim.exchange_rates") == [("1,394.5",)]
    notes = table_results(home)["exim.exchange_rates"]["notes"]
    assert any("new field 'midRate'" in note for note in notes)


def test_new_fields_with_any_name_become_columns(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "evolve")
    names = [
        "'; drop table exchange_rates; --",
        'say "x"',
        "select",
        "가격",
        "💥",
        "",
        "9",
        "_dlt_id",
    ]
    names += ["midRate", "mid_rate", "mid__rate", "base_rate", "stage_file", "a b", "a" * 200]
    api.fail(
        "*", body=exchange_rates({"cur_unit": "USD", **{name: name or "none" for name in names}})
    )
    assert run("exim") == (0, "")
    assert table_results(home)["exim.exchange_rates"]["errors"] == []
    (row,) = query(home, "select * from staging_exim.exchange_rates")
    assert {name or "none" for name in names} <= set(row)
    columns = 'select base_rate, "select", mid_rate from staging_exim.exchange_rates'
    assert query(home, columns) == [(1394.0, "select", "midRate")]


@pytest.mark.slow
def test_rows_that_the_warehouse_refused_do_not_block_later_rows(
    api: SampleApi, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def change_type(data_type: str) -> None:
        with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
            column = "staging_exim.exchange_rates alter currency_name"
            warehouse.execute(f"alter table {column} type {data_type} using null")

    assert run("exim") == (0, "")
    change_type("integer")
    api.fail("*", body=exchange_rates({"cur_unit": "USD", "cur_nm": "dollar"}))
    assert run("exim", refresh=True) == (1, "not complete: exim.exchange_rates")
    (error,) = table_results(home)["exim.exchange_rates"]["errors"]
    assert error.startswith("not loaded: Conversion Error: ")
    assert "Run `pipeline" not in error
    assert "Traceback" not in "".join(capfd.readouterr())
    change_type("varchar")
    api.clear_faults()
    api.fail("*", body=exchange_rates({"cur_unit": "USD", "cur_nm": "good dollar"}))
    assert run("exim", refresh=True) == (0, "")
    names = "select currency, currency_name from staging_exim.exchange_rates"
    assert query(home, names) == [("USD", "good dollar")]


def test_a_table_that_its_contract_stops_keeps_its_rows(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("exim") == (0, "")
    before = query(home, "select * exclude (_dlt_load_id) from staging_exim.exchange_rates")
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "stop")
    api.fail("*", body=exchange_rates({"cur_unit": "USD", "midRate": "1"}))
    assert run("exim", refresh=True) == (1, "not complete: exim.exchange_rates")
    (error,) = table_results(home)["exim.exchange_rates"]["errors"]
    assert error.startswith("stopped by its contract: new field 'midRate', first in raw/exim/")
    after = query(home, "select * exclude (_dlt_load_id) from staging_exim.exchange_rates")
    assert sorted(after) == sorted(before)


def test_invalid_arguments_of_rejected_exit_with_code_2() -> None:
    assert commands.rejected("exin", None, None)[0] == 2
    assert commands.rejected("exim", "yesterday", None)[0] == 2
    assert commands.rejected("exim", None, "rates")[0] == 2


class ChangedApi(SampleApi):
    """The sample API with `change` applied to the body of every response."""

    change: Callable[[bytes], bytes]

    def respond(self, target: str, headers: Mapping[str, str]) -> tuple[ApiResponse, Any]:
        response, fault = super().respond(target, headers)
        return dataclasses.replace(response, body=self.change(response.body)), fault


def objects_for_lists(document: Any) -> Any:
    """Return a JSON document with each list of rows replaced by an object with numbers as names."""
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return {str(number): row for number, row in enumerate(document)}
    if isinstance(document, dict):
        return {name: objects_for_lists(value) for name, value in document.items()}
    return document


@pytest.mark.slow
@pytest.mark.parametrize(
    "table",
    [
        *("exim.exchange_rates", "travelpayouts.fares", "incheon.airports", "kma.short_forecasts"),
        *("seoul.cultural_spaces", "tour.stays"),
    ],
)
def test_an_object_instead_of_a_list_is_an_error_and_loads_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    source, _, name = table.partition(".")
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    with ChangedApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        api.change = lambda body: orjson.dumps(objects_for_lists(orjson.loads(body)))
        assert run(source, table=name) == (1, f"not complete: {table}")
    (error,) = table_results(home)[table]["errors"]
    assert "can't be read" in error or "no row has" in error
    assert query(home, f"select count(*) from staging_{table}") == [(0,)]


def test_rows_of_one_key_that_differ_are_noted_with_field_and_raw_file(
    api: SampleApi, home: Path
) -> None:
    dollar, euro = {"cur_unit": "USD"}, {"cur_unit": "EUR"}
    api.fail("*", body=exchange_rates(dollar, euro, dollar | {"tts": "1,500"}, euro))
    assert run("exim") == (0, "")
    (note,) = table_results(home)["exim.exchange_rates"]["notes"]
    assert "rows of one key differ in 'tts', the last is kept: see raw/exim/" in note
    rows = "select currency, selling_rate from staging_exim.exchange_rates order by 1"
    assert query(home, rows) == [("EUR", 1408.0), ("USD", 1500.0)]


@pytest.mark.long
@pytest.mark.slow
def test_implausible_values_are_listed_with_table_column_and_raw_file(
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
        for usual, implausible in changes.items():
            body = body.replace(usual.encode(), implausible.encode())
        return body

    with ChangedApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        api.change = change
        for source, table in (
            *(("kopis", "performances"), ("kopis", "venues"), ("seoul", "cultural_events")),
            *(("tour", "places"), ("tour", "festivals"), ("incheon", "schedules")),
        ):
            assert run(source, table=table) == (0, "")
    selection = ("--select", "+answers_are_plausible", "--indirect-selection", "cautious")
    assert "WARN=1" in check_dbt(home, "build", *selection)
    all_rows = ("--select", "answers_are_plausible", "--limit", "-1", "--output", "json")
    shown = check_dbt(home, "--quiet", "show", *all_rows)
    values = {
        f"{row['source_name']}.{row['table_name']}.{row['column_name']}": row
        for row in orjson.loads(shown)["show"]
    }
    assert values.keys() == {
        *("kopis.performances.genre", "kopis.performances.ends_on", "kopis.venues.district_name"),
        *("seoul.cultural_events.genre", "seoul.cultural_events.district_name"),
        "tour.places.district",
    }
    genre = values["kopis.performances.genre"]
    assert genre["value"] == "음악극"
    assert genre["row_count"] > 1
    assert genre["first_raw_file"].startswith(f"raw/kopis/performances/dt={TODAY}/")
