"""The requests of the source modules, their settings, and the responses that they refuse."""

import tomllib
from datetime import date, timedelta
from itertools import pairwise

import pytest
from requests import Response
from support.project import PROJECT

from loaders.sources import SOURCES, kopis
from loaders.sources.source import ApiError, ApiFault, ExtractRequest, html_to_text


def options(source: str, **settings: str) -> dict[str, object]:
    """The options of a source, with the defaults for those that `settings` lacks."""
    return {
        name: option.convert(settings.get(name, option.default))
        for name, option in SOURCES[source].options.items()
    }


def test_the_example_settings_have_every_source_with_its_defaults() -> None:
    config = tomllib.loads((PROJECT / ".dlt" / "config.toml.example").read_text("utf-8"))
    secrets = tomllib.loads((PROJECT / ".dlt" / "secrets.toml.example").read_text("utf-8"))
    for name, source in SOURCES.items():
        defaults = {key: option.default for key, option in source.options.items()}
        assert name in config["sources"], f".dlt/config.toml.example: add [sources.{name}]"
        assert name in secrets["sources"], f".dlt/secrets.toml.example: add [sources.{name}]"
        example = {key: str(value) for key, value in config["sources"][name].items()}
        assert example == defaults | {"daily_allowance": str(source.daily_allowance)}


@pytest.mark.parametrize("days", [0, 1, 29, 30, 31, 32, 97, 400])
def test_windows_cover_every_day_once_and_are_never_too_long(days: int) -> None:
    first = date(2026, 1, 15)
    windows = list(kopis.windows(first, first + timedelta(days=days)))
    assert windows[0][0] == first
    assert windows[-1][1] == first + timedelta(days=days)
    assert all(after[0] - before[1] == timedelta(days=1) for before, after in pairwise(windows))
    assert all((end - start).days < 31 for start, end in windows)
    assert len(windows) == days // 31 + 1


def test_performances_are_requested_from_a_week_back_to_ninety_days_ahead() -> None:
    table = SOURCES["kopis"].table("performances")
    requests = list(table.requests(ExtractRequest(date(2026, 11, 22), options("kopis"))))
    assert requests[0].params["stdate"] == "20261115"
    assert requests[-1].params["eddate"] == "20270220"
    assert {request.params["signgucode"] for request in requests} == {"11"}
    assert not any("afterdate" in request.params for request in requests)


def test_changed_performances_are_requested_last_so_that_they_are_the_ones_kept() -> None:
    table = SOURCES["kopis"].table("performances")
    extract = ExtractRequest(date(2026, 11, 22), options("kopis"), changed_since=date(2026, 11, 20))
    changed_since = [request.params.get("afterdate") for request in table.requests(extract)]
    assert changed_since == [None] * 4 + ["20261120"] * 4


def test_the_entire_country_is_requested_without_a_region() -> None:
    for source, field in (("kopis", "signgucode"), ("tour", "lDongRegnCd")):
        extract = ExtractRequest(date(2026, 11, 22), options(source, region="all"))
        requests = [
            request for table in SOURCES[source].tables for request in table.requests(extract)
        ]
        assert requests
        assert not any(field in request.params for request in requests)


def test_no_request_has_the_deprecated_area_codes() -> None:
    extract = ExtractRequest(date(2026, 11, 22), options("tour"))
    requests = [request for table in SOURCES["tour"].tables for request in table.requests(extract)]
    assert not any({"areaCode", "sigunguCode"} & set(request.params) for request in requests)


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE dbs [<!ENTITY x SYSTEM "file:///etc/passwd">]><dbs><db><a>&x;</a></db></dbs>',
        b'<!DOCTYPE dbs [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><dbs><db><a>&b;</a></db></dbs>',
    ],
)
def test_xml_with_entities_is_refused(body: bytes) -> None:
    response = Response()
    response.status_code, response._content = 200, body
    with pytest.raises(ApiError, match="document type") as raised:
        kopis.check_response(response)
    assert raised.value.fault is ApiFault.UNREADABLE


def test_the_encoding_of_a_korean_error_message_is_repaired() -> None:
    garbled = "최대 100건".encode().decode("latin-1")
    response = Response()
    response.status_code = 200
    response._content = (
        f"<dbs><db><returncode>06</returncode><errmsg>{garbled}</errmsg></db></dbs>".encode()
    )
    with pytest.raises(ApiError, match="최대 100건"):
        kopis.check_response(response)


def test_tables_and_columns_have_unique_names_and_keys_are_columns() -> None:
    for source in SOURCES.values():
        names = [table.name for table in source.tables]
        assert len(names) == len(set(names))
        for table in source.tables:
            columns = [column.name for column in table.columns]
            assert len(columns) == len(set(columns))
            assert set(table.primary_key) <= set(columns)
            if table.details_of:
                parent = source.table(table.details_of)
                assert (parent.version or "is_changed") in {
                    column.name for column in parent.columns
                }


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
def test_html_becomes_one_line_of_text_per_block(fragment: str, text: str) -> None:
    assert html_to_text(fragment) == text
