"""A server that responds as a test decides, in place of the tour API."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

Parameters = Mapping[str, str]
"""Query parameters of a request."""


@contextmanager
def serve(respond: Callable[[Parameters], Iterator[bytes]]) -> Iterator[str]:
    """Serve `respond`, which yields the body for a request in pieces. Yield the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            parameters = {name: values[0] for name, values in query.items()}
            try:
                self.send_response(200)
                self.end_headers()
                for piece in respond(parameters):
                    self.wfile.write(piece)
            except (BrokenPipeError, ConnectionResetError):  # the client stopped reading
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
    """Set the base URL of tour, for one language, with a single retry."""
    monkeypatch.setenv("SOURCES__TOUR__BASE_URL", url)
    monkeypatch.setenv("SOURCES__TOUR__SERVICE_KEY", "a-key-of-the-test")
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")


def stays(ids: range, total: int) -> bytes:
    """Return a page of `tour.stays`. `total`: row count that the page reports for the list."""
    items = [{"contentid": str(number), "title": f"Stay {number}"} for number in ids]
    return orjson.dumps(
        {
            "response": {
                "header": {"resultCode": "0000", "resultMsg": "OK"},
                "body": {"items": {"item": items}, "totalCount": total},
            }
        }
    )


def ids_of_page(parameters: Parameters) -> range:
    """Return the ids that belong on the requested page of an endless list."""
    first = (int(parameters["pageNo"]) - 1) * int(parameters["numOfRows"])
    return range(first, first + int(parameters["numOfRows"]))
