"""What an API may answer instead of data: what is kept, what the user reads, and the exit code.

Each by real HTTP: the sample API where it can be asked for the fault, else a server of the test's.
"""

import gzip
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from support.pipelines import bodies, outcomes, query, run
from support.project import TODAY

from loaders.sample_api import SampleApi

STAYS = "*/searchStay2"
MEGABYTE = 1024**2


def error_of(home: Path, table: str) -> str:
    (error,) = outcomes(home)[table]["errors"]
    return str(error)


@pytest.mark.parametrize(
    ("fault", "said"),
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
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_is_no_data_is_told_and_not_kept(
    api: SampleApi, home: Path, fault: dict[str, Any], said: str
) -> None:
    api.fail(STAYS, **fault)
    assert run("tour", table="stays") == (1, "not complete: tour.stays")
    assert said in error_of(home, "tour.stays")
    assert bodies("tour/stays") == []
    api.clear_faults()
    if "allowance" not in said:
        assert run("tour", table="stays") == (0, "")


def test_an_answer_counts_by_what_it_holds_and_not_by_its_content_type(
    api: SampleApi, home: Path
) -> None:
    api.fail(STAYS, headers={"Content-Type": "text/html; charset=EUC-KR"})
    assert run("tour", table="stays") == (0, "")
    assert outcomes(home)["tour.stays"]["loaded"] > 0


def test_no_answer_in_time_is_told_after_each_try(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "0.2")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en")
    api.fail(STAYS, delay=1)
    assert run("tour", table="stays")[0] == 1
    assert "the API is down: no response in time from 127.0.0.1" in error_of(home, "tour.stays")
    assert api.calls["EngService2/searchStay2"] == 2


# A server that answers as a test says.

Asked = Mapping[str, str]


@contextmanager
def answering(answer: Callable[[Asked], Iterator[bytes]]) -> Iterator[str]:
    """The URL of a server that answers each request, by its parameters, in pieces."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            try:
                self.send_response(200)
                self.end_headers()
                for piece in answer(asked):
                    self.wfile.write(piece)
            except (BrokenPipeError, ConnectionResetError):  # who asked has heard enough
                pass
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def point_tour_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__TOUR__BASE_URL", url)
    monkeypatch.setenv("SOURCES__TOUR__SERVICE_KEY", "a-key-of-the-test")
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")


def stays(ids: range, total: int) -> bytes:
    items = [{"contentid": str(it), "title": f"Stay {it}"} for it in ids]
    return orjson.dumps(
        {
            "response": {
                "header": {"resultCode": "0000", "resultMsg": "OK"},
                "body": {"items": {"item": items}, "totalCount": total},
            }
        }
    )


def page_of(asked: Asked) -> range:
    first = (int(asked["pageNo"]) - 1) * int(asked["numOfRows"])
    return range(first, first + int(asked["numOfRows"]))


def test_a_connection_that_is_reset_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        point_tour_at(f"http://127.0.0.1:{server.getsockname()[1]}", monkeypatch)

        def reset() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                connection.recv(10)
                # Closed at once, which is a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        Thread(target=reset, daemon=True).start()
        assert run("tour", table="stays")[0] == 1
    assert "failed or broke off" in error_of(home, "tour.stays")


def test_a_page_that_comes_again_for_the_next_one_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(lambda _: iter([stays(range(1000), 2500)])) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
    assert "the rows of the previous page, repeated" in error_of(home, "tour.stays")
    assert len(bodies("tour/stays")) == 1


def test_a_list_that_never_ends_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERS__MAX_PAGES", "7")
    with answering(lambda asked: iter([stays(page_of(asked), 10**9)])) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
    assert "more than 7 pages: see ANSWERS__MAX_PAGES" in error_of(home, "tour.stays")
    assert len(bodies("tour/stays")) == 7


@pytest.mark.parametrize(("first", "then", "rows"), [(1500, 2500, 2500), (2500, 1500, 1500)])
def test_a_total_that_changes_while_it_is_asked_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, first: int, then: int, rows: int
) -> None:
    def changing(asked: Asked) -> Iterator[bytes]:
        total = first if asked["pageNo"] == "1" else then
        of_page = page_of(asked)
        yield stays(range(of_page.start, min(of_page.stop, total)), total)

    with answering(changing) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays") == (0, "")
    (note,) = (it for it in outcomes(home)["tour.stays"]["notes"] if "total" in it)
    assert f"the total went from {first:,} to {then:,} during the" in note
    assert query(home, "select count(*) from staging_tour.stays") == [(rows,)]


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "packed"])
def test_an_answer_of_any_size_takes_no_more_than_the_limit(
    home: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setenv("ANSWERS__MAX_MEGABYTES", "8")
    sent = []

    def endless(_: Asked) -> Iterator[bytes]:
        piece = b" " * MEGABYTE
        for _number in range(200):
            sent.append(len(piece))
            yield piece

    if packed:
        # 200 MB in 200 kB.
        with SampleApi(today=TODAY) as api:
            api.fail(
                STAYS,
                body=gzip.compress(b" " * 200 * MEGABYTE),
                headers={"Content-Encoding": "gzip"},
            )
            point_tour_at(f"{api.url}/tour", monkeypatch)
            monkeypatch.setenv("SOURCES__TOUR__SERVICE_KEY", "sample")
            assert run("tour", table="stays")[0] == 1
            assert api.calls["EngService2/searchStay2"] == 1  # not asked again: it would not help
    else:
        with answering(endless) as url:
            point_tour_at(url, monkeypatch)
            assert run("tour", table="stays")[0] == 1
        assert sum(sent) < 50 * MEGABYTE
    said = "the response is too large: more than 8 MB: see ANSWERS__MAX_MEGABYTES"
    assert said in error_of(home, "tour.stays")
    assert bodies("tour/stays") == []


def test_an_answer_that_drips_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERS__MAX_SECONDS", "0.5")

    def dripping(_: Asked) -> Iterator[bytes]:
        for _number in range(1000):
            yield b" "
            time.sleep(0.1)

    began = time.monotonic()
    with answering(dripping) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
    assert time.monotonic() - began < 60
    assert "incomplete after 0.5 s: see ANSWERS__MAX_SECONDS" in error_of(home, "tour.stays")


BOMB = '<!DOCTYPE a [<!ENTITY a0 "ha">{entities}]><dbs><db><mt20id>&a9;</mt20id></db></dbs>'
ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 100}">' for i in range(1, 10))


@pytest.mark.parametrize(
    "document",
    [
        BOMB.format(entities=ENTITIES),
        '<!DOCTYPE a [<!ENTITY a9 SYSTEM "file:///etc/hostname">]>'
        "<dbs><db><mt20id>&a9;</mt20id></db></dbs>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><dbs><db><mt20id>1</mt20id></db></dbs>',
    ],
    ids=["entities of entities", "external entity", "external document type"],
)
def test_xml_that_brings_entities_is_refused(api: SampleApi, home: Path, document: str) -> None:
    api.fail("pblprfr", body=document)
    began = time.monotonic()
    assert run("kopis", table="performances")[0] == 1
    assert time.monotonic() - began < 20
    assert "the response can't be read" in error_of(home, "kopis.performances")
    assert bodies("kopis/performances") == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAX_MEGABYTES", "0", "expected megabytes, at least 1"),
        ("MAX_SECONDS", "-1", "expected seconds, more than 0"),
        ("MAX_PAGES", "many", "expected a number of pages, at least 1"),
    ],
)
def test_a_limit_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"ANSWERS__{name}", value)
    assert run("exim") == (2, f"ANSWERS__{name} is {value!r}: {expected}")
