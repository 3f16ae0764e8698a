"""The HTTP server of the sample API: dispatches requests, counts calls and injects faults."""

import pkgutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from socket import SHUT_RDWR, socket
from socketserver import TCPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

import orjson

from loaders.sample_api.service import ApiResponse, Request, Service
from loaders.settings import KST


def _load_services() -> dict[str, Service[Any]]:
    """Return the `SERVICE` of every module in this package that has one, by name."""
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    candidates = [name for name in names if name not in ("server", "__main__")]
    modules = [import_module(f"{__package__}.{name}") for name in candidates]
    services = [module.SERVICE for module in modules if hasattr(module, "SERVICE")]
    return {service.name: service for service in services}


SERVICES: dict[str, Service[Any]] = _load_services()
CONTROL = "/_sample/"
JSON = "application/json;charset=UTF-8"


@dataclass
class InjectedFault:
    """A fault set by `SampleApi.fail`, and how many calls it still affects."""

    operation: str
    error: str | None
    status: int | None
    body: bytes | None
    headers: Mapping[str, str]
    delay: float
    truncated: bool
    times: int | None
    after: int

    def fails_call(self, service: Service[Any], operation: str, path: str) -> bool:
        """Return whether this call fails, and count it."""
        is_match = path == self.operation or fnmatchcase(operation, self.operation)
        is_known = self.error is None or self.error in service.errors
        if not (is_match and is_known) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class SampleApi:
    """A context manager that serves the APIs on loopback.

    `recordings`: folder to read the rows from. By default rows are generated. Raises RecordingError
    when the folder lacks a file. `today`: date (KST) around which generated rows lie; by default
    the current date. `allowance`: daily calls per operation; by default unlimited. `port`: 0 picks
    a free port. The only valid key is `sample`. `calls` counts the calls of each operation, such as
    `EngService2/areaBasedList2` or `pblprfr/{id}`, including refused calls.

    Other processes control it over HTTP: `GET /_sample/calls`, `POST /_sample/faults` (arguments of
    `fail` as a JSON object), `DELETE /_sample/faults`, `POST /_sample/quota`.
    """

    recordings: Path | None = None
    today: date | None = None
    allowance: int | None = None
    port: int = 0
    calls: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._faults: list[InjectedFault] = []
        self._quotas: dict[str, int] = {}
        self._calls_by_day: Counter[tuple[date, str]] = Counter()
        self._calls_by_minute: Counter[tuple[datetime, str]] = Counter()
        self._rows: dict[tuple[str, date], Any] = {}
        self._recorded: dict[str, Any] = {}
        if self.recordings:
            self._recorded = {
                service.name: service.recorded(self.recordings) for service in SERVICES.values()
            }

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def base_urls(self) -> dict[str, str]:
        """Return the base URL to set for each pipeline."""
        return {name: f"{self.url}/{name}" for name in SERVICES}

    def fail(
        self,
        operation: str,
        *,
        error: str | None = None,
        status: int | None = None,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0,
        truncated: bool = False,
        times: int | None = None,
        after: int = 0,
    ) -> None:
        """Make calls of an operation fail: all, or `times` calls after the first `after` calls.

        `operation`: name under which calls are counted, a pattern such as `EngService2/*`, or one
        path (`pblprfr/PF1`). `error`: name of a documented error of the service, such as
        `legacy_quota` (see `ERRORS` in its module). `status`, `body` and `headers` replace those of
        the response. `delay` is in seconds. A `truncated` response ends after half of its body.
        Raises ValueError for an unknown error.
        """
        if error is not None and not any(error in service.errors for service in SERVICES.values()):
            known = sorted({name for service in SERVICES.values() for name in service.errors})
            raise ValueError(f"error is {error!r}: expected one of {', '.join(known)}")
        content = body.encode() if isinstance(body, str) else body
        fault = InjectedFault(
            operation, error, status, content, headers or {}, delay, truncated, times, after
        )
        with self._lock:
            self._faults.append(fault)

    def quota(self, operation: str, calls: int) -> None:
        """Set the daily allowance of one operation. Today's earlier calls count towards it."""
        with self._lock:
            self._quotas[operation] = calls

    def clear_faults(self) -> None:
        """Remove everything that `fail` and `quota` set."""
        with self._lock:
            self._faults.clear()
            self._quotas.clear()

    def respond(
        self, target: str, headers: Mapping[str, str]
    ) -> tuple[ApiResponse, InjectedFault | None]:
        """Return the response to a GET, and the fault still to be applied to it, if any.

        An injected `error` is already the response. Status, body, headers, delay and truncation are
        still to be applied.
        """
        name, _, path = urlsplit(target).path.removeprefix("/").partition("/")
        service = SERVICES.get(name)
        if service is None:
            return _text(404, "API not found"), None
        operation = service.operation(path)
        now = datetime.now(KST)
        today = self.today or now.date()
        received_at = datetime.combine(today, now.timetz())
        minute = received_at.replace(second=0, microsecond=0)
        with self._lock:
            self.calls[operation] += 1
            self._calls_by_day[today, operation] += 1
            self._calls_by_minute[minute, operation] += 1
            fault = self._next_fault(service, operation, path)
            is_quota_spent = self._is_quota_spent(today, operation)
            calls_in_minute = self._calls_by_minute[minute, operation]
            rows = self._rows_for(service, today)
        if fault and fault.error:
            return service.errors[fault.error], fault
        request = Request(
            path=path,
            params=dict(parse_qsl(urlsplit(target).query)),
            target=target,
            headers=headers,
            received_at=received_at,
            is_quota_spent=is_quota_spent,
            calls_in_minute=calls_in_minute,
        )
        return service.respond(request, rows), fault

    def control(self, method: str, path: str, body: bytes) -> ApiResponse:
        """Return the response to another process that reads the counts or sets faults."""
        try:
            match method, path.removeprefix(CONTROL):
                case "GET", "calls":
                    with self._lock:
                        return _json(200, self.calls)
                case "POST", "faults":
                    self.fail(**orjson.loads(body))
                case "POST", "quota":
                    self.quota(**orjson.loads(body))
                case "DELETE", "faults":
                    self.clear_faults()
                case _:
                    return _json(404, {"error": f"no {method} {path}"})
        except (TypeError, ValueError) as error:
            return _json(400, {"error": str(error)})
        return _json(200, {})

    def _next_fault(self, service: Service[Any], operation: str, path: str) -> InjectedFault | None:
        """Return the first fault that fails this call. Needs the lock."""
        failing = (fault for fault in self._faults if fault.fails_call(service, operation, path))
        return next(failing, None)

    def _is_quota_spent(self, today: date, operation: str) -> bool:
        allowance = self._quotas.get(operation, self.allowance)
        return allowance is not None and self._calls_by_day[today, operation] > allowance

    def _rows_for(self, service: Service[Any], today: date) -> Any:
        """Return the service's rows, generated once per date. Needs the lock."""
        if self.recordings:
            return self._recorded[service.name]
        if (service.name, today) not in self._rows:
            self._rows[service.name, today] = service.generated(today)
        return self._rows[service.name, today]


def _json(status: int, value: object) -> ApiResponse:
    return ApiResponse(status, JSON, orjson.dumps(value))


def _text(status: int, text: str) -> ApiResponse:
    return ApiResponse(status, "text/plain;charset=UTF-8", text.encode())


def _with_fault(response: ApiResponse, fault: InjectedFault) -> ApiResponse:
    """Return the response with the fault's status, body and headers."""
    return replace(
        response,
        status=fault.status or response.status,
        body=response.body if fault.body is None else fault.body,
        headers={**response.headers, **fault.headers},
    )


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"
    # Send a response in one write and without delay: a client that waits for the second half of a
    # small response waits 40 ms.
    wbufsize = -1
    disable_nagle_algorithm: ClassVar[bool] = True

    def do_GET(self) -> None:
        if self.path.startswith(CONTROL):
            self._control()
            return
        response, fault = self.server.api.respond(
            self.path, {name.lower(): value for name, value in self.headers.items()}
        )
        if fault is None:
            self._send(response)
            return
        time.sleep(fault.delay)
        self._send(_with_fault(response, fault), truncated=fault.truncated)

    def do_POST(self) -> None:
        self._control()

    def do_DELETE(self) -> None:
        self._control()

    def version_string(self) -> str:
        return "hello-korea-sample-api"

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: calls are counted instead."""

    def _control(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        self._send(self.server.api.control(self.command, path, body))

    def _send(self, response: ApiResponse, *, truncated: bool = False) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if truncated:
            self.close_connection = True
            self.wfile.write(response.body[: len(response.body) // 2])
        else:
            self.wfile.write(response.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: SampleApi) -> None:
        self.api = api
        self._connections: set[socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the host name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report errors of the server itself. A client that disconnects is not an error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        """Close connections that clients keep alive: an API that is down does not respond."""
        for connection in list(self._connections):
            try:
                connection.shutdown(SHUT_RDWR)
            except OSError:
                continue  # the client closed it first
