"""Connections to an API that fail, time out, or carry more than a response may hold.

Each fault happens over real HTTP: from the sample API where it has the fault, else from a server
of the test.
"""

import gzip
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
import trustme
from support.pipelines import bodies, run, table_results
from support.project import TODAY
from support.stub_api import Parameters, point_tour_at, serve

from loaders.sample_api import SampleApi

pytestmark = pytest.mark.usefixtures("staging_tables")

STAYS = "*/searchStay2"
MEGABYTE = 1024**2


def error_of_stays(home: Path) -> str:
    (error,) = table_results(home)["tour.stays"]["errors"]
    return str(error)


def test_a_request_that_times_out_is_tried_again_and_then_reported(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "0.2")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en")
    api.fail(STAYS, delay=1)
    assert run("tour", table="stays")[0] == 1
    assert "the API is down: no response in time from 127.0.0.1" in error_of_stays(home)
    assert api.calls["EngService2/searchStay2"] == 2


@pytest.mark.slow
def test_a_reset_connection_is_reported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        point_tour_at(f"http://127.0.0.1:{server.getsockname()[1]}", monkeypatch)

        def reset_twice() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                connection.recv(10)
                # Closing without lingering sends a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        Thread(target=reset_twice, daemon=True).start()
        assert run("tour", table="stays")[0] == 1
    assert "failed or broke off" in error_of_stays(home)


@pytest.mark.slow
def test_an_unreachable_api_is_named_without_its_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__BASE_URL", "http://127.0.0.1:9/openApi/restful")
    monkeypatch.setenv("SOURCES__KOPIS__SERVICE_KEY", "planted-secret")
    assert run("kopis")[0] == 1
    (error,) = table_results(home)["kopis.venues"]["errors"]
    assert "the connection to 127.0.0.1:9 failed" in error
    assert "planted-secret" not in "".join(capsys.readouterr())
    files = (path for path in home.rglob("*") if path.is_file())
    assert not [path for path in files if b"planted-secret" in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_a_response_is_read_up_to_the_size_limit_only(
    home: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    monkeypatch.setenv("ANSWERS__MAX_MEGABYTES", "8")
    sent_sizes = []

    def respond(_: Parameters) -> Iterator[bytes]:
        piece = b" " * MEGABYTE
        for _number in range(200):
            sent_sizes.append(len(piece))
            yield piece

    if compressed:
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
            assert api.calls["EngService2/searchStay2"] == 1  # a retry would not help
    else:
        with serve(respond) as url:
            point_tour_at(url, monkeypatch)
            assert run("tour", table="stays")[0] == 1
        assert sum(sent_sizes) < 50 * MEGABYTE
    message = "the response is too large: more than 8 MB: see ANSWERS__MAX_MEGABYTES"
    assert message in error_of_stays(home)
    assert bodies("tour/stays") == []


@pytest.mark.slow
def test_a_response_that_trickles_is_read_up_to_the_time_limit_only(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSWERS__MAX_SECONDS", "0.5")

    def respond(_: Parameters) -> Iterator[bytes]:
        for _number in range(1000):
            yield b" "
            time.sleep(0.1)

    began = time.monotonic()
    with serve(respond) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
    assert time.monotonic() - began < 60
    assert "incomplete after 0.5 s: see ANSWERS__MAX_SECONDS" in error_of_stays(home)


@contextmanager
def serve_sockets(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve each connection by a function of its own thread. Yield the server's address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):  # the test has ended
                while True:
                    connection, _ = server.accept()
                    Thread(target=answer, args=[connection], daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with suppress(OSError), connection:  # the client stopped reading
                connection.recv(65536)
                respond(connection)

        Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def drip(connection: socket.socket, first: bytes, endless: Callable[[int], bytes]) -> None:
    connection.sendall(first)
    for number in count():
        connection.sendall(endless(number))
        time.sleep(0.05)


def drip_a_header(connection: socket.socket) -> None:
    drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: ", lambda _: b"x")


def continue_forever(connection: socket.socket) -> None:
    drip(connection, b"", lambda _: b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_trailers(connection: socket.socket) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    drip(connection, head, lambda number: b"X-%d: x\r\n" % number)


@pytest.mark.slow
@pytest.mark.parametrize("respond", [drip_a_header, continue_forever, drip_trailers])
def test_no_part_of_an_exchange_outlives_the_time_limit(
    home: Path, monkeypatch: pytest.MonkeyPatch, respond: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setenv("ANSWERS__MAX_SECONDS", "0.5")
    with serve_sockets(respond) as address:
        point_tour_at(f"http://{address}", monkeypatch)
        assert run("tour", table="stays")[0] == 1
    assert "incomplete after 0.5 s: see ANSWERS__MAX_SECONDS" in error_of_stays(home)
    assert bodies("tour/stays") == []


@pytest.mark.slow
def test_a_certificate_that_is_not_trusted_is_named_and_not_tried_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server_side)
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def shake_hands() -> None:
            with suppress(OSError):  # the test has ended
                while True:
                    connection, _ = server.accept()
                    connections.append(connection)
                    with suppress(ssl.SSLError):
                        server_side.wrap_socket(connection, server_side=True)

        Thread(target=shake_hands, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        point_tour_at(f"https://{address}", monkeypatch)
        assert run("tour", table="stays")[0] == 1
    assert (
        f"its certificate is not trusted: {address}: unable to get local issuer certificate"
        in error_of_stays(home)
    )
    assert "a-key-of-the-test" not in error_of_stays(home)
    assert len(connections) == 1
