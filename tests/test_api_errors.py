"""Errors that an API reports, and responses that cannot be read.

What is kept, what is printed, and the exit code; over real HTTP from the sample API.
"""

import gzip
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.cases import mostly_long
from support.pipelines import bodies, query, run, table_results
from support.project import TODAY, point_at

from loaders.sample_api import SampleApi

pytestmark = pytest.mark.usefixtures("staging_tables")


def error_of(home: Path, table: str) -> str:
    (error,) = table_results(home)[table]["errors"]
    return str(error)


@pytest.mark.slow
def test_control_characters_of_an_api_do_not_reach_the_terminal(
    api: SampleApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "&#27;[2Jall fine&#8238;"
    body = f"<dbs><db><returncode>05</returncode><errmsg>{message}</errmsg></db></dbs>"
    api.fail("prfplc", body=body.replace("&#27;", "\x9b"))
    assert run("kopis", table="venues")[0] == 1
    output = "".join(capsys.readouterr())
    assert "\\x9b[2Jall fine\\u202e" in output
    assert not {"\x9b", "\u202e"} & set(output)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 500, "body": ""}, "the API is down: HTTP 500"),
        ({"status": 503, "body": "<html>busy</html>"}, "the API is down: HTTP 503"),
        ({"status": 429, "body": ""}, "the API's allowance for the day is spent: HTTP 429"),
        ({"truncated": True}, "failed or broke off"),
        ({"body": b"\xff\xfe\x00{"}, "the response can't be read: not JSON"),
        ({"body": b'{"response": "\xed\x95"'}, "the response can't be read"),
        ({"body": "<html><body>moved</body></html>"}, "the response can't be read: not JSON"),
        ({"body": "<response><body/></response>"}, "the response can't be read: not JSON"),
        ({"body": '{"response":' * 100_000}, "the response can't be read"),
        ({"error": "legacy_quota"}, "the API's allowance for the day is spent: code 22"),
        ({"error": "bad_key"}, "the key is refused: code 30"),
        (
            {"body": gzip.compress(b"x")[:-9], "headers": {"Content-Encoding": "gzip"}},
            "the response can't be read",
        ),
        (
            {"body": b"no gzip", "headers": {"Content-Encoding": "gzip"}},
            "the response can't be read: its compression is broken",
        ),
    ],
    ids=lambda argument: argument if isinstance(argument, str) else "",
)
def test_a_response_without_data_is_reported_and_not_kept(
    api: SampleApi, home: Path, fault: dict[str, Any], message: str
) -> None:
    api.fail("*/searchStay2", **fault)
    assert run("tour", table="stays") == (1, "not complete: tour.stays")
    assert message in error_of(home, "tour.stays")
    assert bodies("tour/stays") == []
    api.clear_faults()
    if "allowance" not in message:
        assert run("tour", table="stays") == (0, "")


def test_the_content_type_of_a_response_is_ignored(api: SampleApi, home: Path) -> None:
    api.fail("*/searchStay2", headers={"Content-Type": "text/html; charset=EUC-KR"})
    assert run("tour", table="stays") == (0, "")
    assert table_results(home)["tour.stays"]["loaded"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "calls", "message"),
    [
        ("bad_key", 1, "the key is refused: code 30"),
        ("legacy_bad_key", 1, "the key is refused: code 30"),
        ("quota", 1, "the API's allowance for the day is spent: API token quota exceeded"),
        ("quota_envelope_200", 1, "the API's allowance for the day is spent: code 22"),
        ("quota_envelope_403", 1, "the API's allowance for the day is spent: code 22"),
        ("legacy_quota", 1, "the API's allowance for the day is spent: code 22"),
        ("retired", 1, "the service is gone: code 12"),
        ("not_found", 1, "the service is gone: API not found"),
        ("rate_limit", 5, "the API is called too fast"),
        ("forwarding", 5, "the API is down: Error forwarding request"),
        ("receiving", 5, "the API is down: Error receiving response"),
        ("unexpected", 5, "the API is down: Unexpected error"),
        ("legacy_timeout", 5, "the API is down: code 05"),
        ("database", 5, "the API is down: code 0002 DB_ERROR"),
    ],
)
def test_each_error_of_the_gateway_has_its_own_message_and_number_of_tries(
    api: SampleApi, home: Path, error: str, calls: int, message: str
) -> None:
    api.fail("EngService2/searchStay2", error=error)
    assert run("tour", table="stays", only="extract") == (1, "not complete: tour.stays")
    assert error_of(home, "tour.stays").startswith(f"EngService2/searchStay2: {message}")
    assert api.calls["EngService2/searchStay2"] == calls
    assert bodies("tour/stays") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "body", "calls", "message"),
    [
        (500, "oops", 5, "the API is down: HTTP 500"),
        (400, "", 5, "the API is down: HTTP 400"),
        (404, '{"success":false,"code":404}', 1, "the service is gone"),
        (200, "<html>maintenance</html>", 5, "the response can't be read"),
        (200, '{"a": 1}', 5, "the response can't be read"),
        (200, "<dbs><db><returncode>02</returncode></db></dbs>", 1, "the key is refused: code 02"),
        (200, "<dbs><db><returncode>03</returncode></db></dbs>", 5, "the API is down: code 03"),
        (200, "<dbs><db><returncode>05</returncode></db></dbs>", 1, "the request is refused"),
    ],
)
def test_each_error_of_kopis_has_its_own_message_and_number_of_tries(
    api: SampleApi, home: Path, status: int, body: str, calls: int, message: str
) -> None:
    api.fail("prfplc", status=status, body=body)
    assert run("kopis", table="venues") == (1, "not complete: kopis.venues")
    assert error_of(home, "kopis.venues").startswith(f"prfplc: {message}")
    assert api.calls["prfplc"] == calls
    assert bodies("kopis/venues") == []
    assert query(home, "select count(*) from staging_kopis.venues") == [(0,)]


def test_a_refused_parameter_is_named(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__REGION", "99")
    api.fail(
        "*/searchStay2",
        body='{"resultCode":"10","resultMsg":"INVALID_REQUEST_PARAMETER_ERROR(lDongRegnCd)"}',
    )
    assert run("tour", table="stays", only="extract")[0] == 1
    error = error_of(home, "tour.stays")
    assert "the request is refused" in error
    assert "INVALID_REQUEST_PARAMETER_ERROR(lDongRegnCd)" in error


def test_no_data_is_an_empty_page_and_not_an_error(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", body="<dbs><db><returncode>04</returncode></db></dbs>")
    api.fail(
        "*/searchStay2",
        body='{"response":{"header":{"resultCode":"03","resultMsg":"NODATA_ERROR"}}}',
    )
    assert run("kopis", table="venues") == (0, "")
    assert run("tour", table="stays") == (0, "")
    assert query(home, "select count(*) from staging_kopis.venues") == [(0,)]


@pytest.mark.slow
@pytest.mark.usefixtures("few_places")
def test_transient_errors_are_tried_again(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", status=400, times=1)
    assert run("kopis", table="venues") == (0, "")
    api.fail("JpnService2/searchStay2", truncated=True, times=2)
    assert run("tour", table="stays") == (0, "")
    assert api.calls["JpnService2/searchStay2"] == 3
    assert table_results(home)["tour.stays"]["calls"] == 4


@pytest.mark.slow
def test_a_retry_waits_as_long_as_retry_after_requests(api: SampleApi, home: Path) -> None:
    api.fail("prfplc", status=429, headers={"Retry-After": "2"}, times=1)
    began = time.monotonic()
    assert run("kopis", table="venues") == (0, "")
    assert time.monotonic() - began >= 2


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("few_places")
def test_an_unavailable_source_does_not_affect_the_others(api: SampleApi, home: Path) -> None:
    api.fail("prfplc*", status=503)
    api.fail("pblprfr*", status=503)
    assert run() == (1, "not complete: kopis.performances, kopis.venues")
    results = table_results(home)
    assert all(results[table]["loaded"] for table in ("tour.places", "exim.exchange_rates"))
    # The tables that dbt reads exist nevertheless.
    assert query(home, "select count(*) from staging_kopis.performance_details") == [(0,)]


@pytest.mark.slow
@pytest.mark.usefixtures("few_places")
@pytest.mark.parametrize(
    "header",
    mostly_long(
        [
            '{"resultCode":"ERR","resultMsg":null}',
            "[]",
            '{"resultCode":3}',
            '{"resultCode":null}',
            "1",
        ],
        short=2,
    ),
)
def test_a_malformed_header_fails_only_its_table(api: SampleApi, home: Path, header: str) -> None:
    api.fail("*/searchStay2", body=f'{{"response":{{"header":{header},"body":{{}}}}}}')
    run("tour")
    results = table_results(home)
    del results["tour.stays"]
    assert results["tour.places"]["loaded"]
    assert not any(result["errors"] for result in results.values())


@pytest.mark.slow
def test_a_quota_that_the_api_reports_as_spent_is_not_tried_again_that_day(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.quota("EngService2/areaBasedList2", 0)
    assert run("tour", table="places", only="extract")[0] == 1
    assert run("tour", table="places", only="extract")[0] == 1
    assert api.calls["EngService2/areaBasedList2"] == 1
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(TODAY + timedelta(days=1)))
    api.clear_faults()
    assert run("tour", table="places") == (0, "")


@pytest.mark.slow
@pytest.mark.usefixtures("few_places")
def test_a_429_without_a_message_stops_the_operation_for_the_day(
    api: SampleApi, home: Path
) -> None:
    for operation in ("JpnService2/searchStay2", "prfplc"):
        api.fail(operation, status=429, body="")
    for _ in range(2):
        assert run("tour", table="stays", only="extract")[0] == 1
        assert run("kopis", table="venues", only="extract")[0] == 1
        assert api.calls["JpnService2/searchStay2"] == api.calls["prfplc"] == 1


BOMB = '<!DOCTYPE a [<!ENTITY a0 "ha">{entities}]><dbs><db><mt20id>&a9;</mt20id></db></dbs>'
ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 100}">' for i in range(1, 10))


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [
        BOMB.format(entities=ENTITIES),
        '<!DOCTYPE a [<!ENTITY a9 SYSTEM "file:///etc/hostname">]>'
        "<dbs><db><mt20id>&a9;</mt20id></db></dbs>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><dbs><db><mt20id>1</mt20id></db></dbs>',
    ],
    ids=["nested entities", "external entity", "external document type"],
)
def test_xml_with_a_document_type_is_refused(api: SampleApi, home: Path, document: str) -> None:
    api.fail("pblprfr", body=document)
    began = time.monotonic()
    assert run("kopis", table="performances", only="extract")[0] == 1
    assert time.monotonic() - began < 20
    assert "the response can't be read" in error_of(home, "kopis.performances")
    assert bodies("kopis/performances") == []


@pytest.mark.slow
def test_a_service_key_that_an_api_repeats_is_neither_kept_nor_printed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "planted+secret/key=="
    forms = (secret, "planted%2Bsecret%2Fkey%3D%3D")
    with SampleApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        monkeypatch.setenv("SOURCES__KOPIS__SERVICE_KEY", secret)
        api.fail("prfplc", body=f"<dbs><db><mt10id>{secret}</mt10id></db></dbs>")
        api.fail("pblprfr", status=404, body=f"not found: /pblprfr?service={forms[1]}")
        assert run("kopis")[0] == 1
    printed = "".join(capsys.readouterr())
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for form in forms:
        assert form not in printed
        assert form.encode() not in kept
