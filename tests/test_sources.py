"""What the source modules ask, and what they refuse to read."""

import re
import tomllib
from datetime import date, timedelta
from itertools import pairwise

import pytest
from requests import Response
from support.project import PROJECT

from loaders.sources import SOURCES, kopis
from loaders.sources.source import ApiError, ApiFault, ExtractRequest, text_of_html


def options(source: str, **changed: str) -> dict[str, object]:
    known = SOURCES[source].options
    return {name: it.convert(changed.get(name, it.default)) for name, it in known.items()}


def test_the_examples_of_settings_have_each_source_with_its_defaults() -> None:
    config = tomllib.loads((PROJECT / ".dlt" / "config.toml.example").read_text("utf-8"))
    secrets = tomllib.loads((PROJECT / ".dlt" / "secrets.toml.example").read_text("utf-8"))
    for name, source in SOURCES.items():
        defaults = {option: it.default for option, it in source.options.items()}
        told = {option: str(value) for option, value in config["sources"][name].items()}
        assert told == defaults | {"daily_allowance": str(source.daily_allowance)}
        assert name in secrets["sources"]


def test_the_readme_has_each_source_and_each_of_its_settings() -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    for name, source in SOURCES.items():
        assert f"`SOURCES__{name.upper()}__SERVICE_KEY`" in readme
        for option in source.options:
            assert re.search(rf"(SOURCES__{name.upper()}|…)__{option.upper()}`", readme), option


@pytest.mark.parametrize("days", [0, 1, 29, 30, 31, 32, 97, 400])
def test_windows_cover_every_day_once_and_are_never_too_long(days: int) -> None:
    first = date(2026, 1, 15)
    cut = list(kopis.windows(first, first + timedelta(days=days)))
    assert cut[0][0] == first
    assert cut[-1][1] == first + timedelta(days=days)
    assert all(after[0] - before[1] == timedelta(days=1) for before, after in pairwise(cut))
    assert all((end - start).days < 31 for start, end in cut)
    assert len(cut) == days // 31 + 1


def test_performances_are_asked_from_a_week_back_to_ninety_days_ahead() -> None:
    table = SOURCES["kopis"].table("performances")
    calls = list(table.requests(ExtractRequest(date(2026, 11, 22), options("kopis"))))
    assert calls[0].params["stdate"] == "20261115"
    assert calls[-1].params["eddate"] == "20270220"
    assert {call.params["signgucode"] for call in calls} == {"11"}
    assert not any("afterdate" in call.params for call in calls)


def test_what_changed_is_asked_after_everything_else_so_that_it_counts() -> None:
    table = SOURCES["kopis"].table("performances")
    ask = ExtractRequest(date(2026, 11, 22), options("kopis"), changed_since=date(2026, 11, 20))
    changed = [call.params.get("afterdate") for call in table.requests(ask)]
    assert changed == [None] * 4 + ["20261120"] * 4


def test_the_whole_country_is_asked_without_a_region() -> None:
    for source, field in (("kopis", "signgucode"), ("tour", "lDongRegnCd")):
        ask = ExtractRequest(date(2026, 11, 22), options(source, region="all"))
        calls = [call for table in SOURCES[source].tables for call in table.requests(ask)]
        assert calls
        assert not any(field in call.params for call in calls)


def test_no_table_asks_by_the_deprecated_area_codes() -> None:
    ask = ExtractRequest(date(2026, 11, 22), options("tour"))
    calls = [call for table in SOURCES["tour"].tables for call in table.requests(ask)]
    assert not any({"areaCode", "sigunguCode"} & set(call.params) for call in calls)


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE dbs [<!ENTITY x SYSTEM "file:///etc/passwd">]><dbs><db><a>&x;</a></db></dbs>',
        b'<!DOCTYPE dbs [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><dbs><db><a>&b;</a></db></dbs>',
    ],
)
def test_xml_that_brings_entities_is_not_read(body: bytes) -> None:
    response = Response()
    response.status_code, response._content = 200, body
    with pytest.raises(ApiError, match="document type") as raised:
        kopis.check_response(response)
    assert raised.value.fault is ApiFault.UNREADABLE


def test_a_korean_error_text_is_repaired() -> None:
    garbled = "최대 100건".encode().decode("latin-1")
    response = Response()
    response.status_code = 200
    response._content = (
        f"<dbs><db><returncode>06</returncode><errmsg>{garbled}</errmsg></db></dbs>".encode()
    )
    with pytest.raises(ApiError, match="최대 100건"):
        kopis.check_response(response)


def test_every_source_names_its_tables_and_keys_apart() -> None:
    for source in SOURCES.values():
        names = [table.name for table in source.tables]
        assert len(names) == len(set(names))
        for table in source.tables:
            columns = [column.name for column in table.columns]
            assert len(columns) == len(set(columns))
            assert set(table.primary_key) <= set(columns)
            if table.details_of:
                parent = source.table(table.details_of)
                assert (parent.version or "is_changed") in {it.name for it in parent.columns}


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        ("", ""),
        ("plain, 1 < 2 & 3", "plain, 1 < 2 & 3"),
        ("first<br>second&nbsp;&amp;  third<br/>\n\n", "first\nsecond & third"),
        ("a<div style='x'>b<p>c</p></div>d", "a\nb\nc\nd"),
        ("seen<!-- not --><script>nor(this)</script>", "seen"),
        ("<b>never</i> closed", "never closed"),
        ("<html lang=", ""),
        ('<?xml version="1.0" encoding="utf-8"?>a\x00b', "a b"),
    ],
)
def test_html_becomes_a_line_of_text_for_each_block(fragment: str, text: str) -> None:
    assert text_of_html(fragment) == text
