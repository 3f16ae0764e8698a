"""The HTTP server: it finds the service that a path belongs to, counts, and fails on demand."""

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

from loaders.sample_api.service import Answer, Request, Service
from loaders.settings import KST


def _services() -> dict[str, Service[Any]]:
    """Of every module beside this one that has a `SERVICE`."""
    names = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    others = [name for name in names if name not in ("server", "__main__")]
    modules = [import_module(f"{__package__}.{name}") for name in others]
    services = [module.SERVICE for module in modules if hasattr(module, "SERVICE")]
    return {service.name: service for service in services}


SERVICES: dict[str, Service[Any]] = _services()
CONTROL = "/_sample/"
JSON = "application/json;charset=UTF-8"


@dataclass
class Fault:
    """What `SampleApi.fail` asked for, and how much of it is left."""

    operation: str
    error: str | None
    status: int | None
    body: bytes | None
    headers: Mapping[str, str]
    delay: float
    truncated: bool
    times: int | None
    after: int

    def takes(self, service: Service[Any], operation: str, path: str) -> bool:
        """Whether this call fails; counts it."""
        is_meant = path == self.operation or fnmatchcase(operation, self.operation)
        is_known = self.error is None or self.error in service.errors
        if not (is_meant and is_known) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class SampleApi:
    """The APIs on loopback for as long as the context lasts.

    `recordings`: a folder to take rows from; they are generated without one. Raises RecordingError
    when the folder lacks a file. `today`: the KST date that generated rows lie around; the date now
    without one. `allowance`: calls of one operation a day; without limit when None. `port`: any
    free one when 0. The key to send is `sample`. `calls` counts the calls of each operation, such
    as `EngService2/areaBasedList2` or `pblprfr/{id}`, refused ones included.

    Other processes use the same over HTTP: `GET /_sample/calls`, `POST /_sample/faults` (the
    arguments of `fail` as a JSON object), `DELETE /_sample/faults`, `POST /_sample/quota`.
    """

    recordings: Path | None = None
    today: date | None = None
    allowance: int | None = None
    port: int = 0
    calls: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []
        self._quotas: dict[str, int] = {}
        self._spent: Counter[tuple[date, str]] = Counter()
        self._in_minute: Counter[tuple[datetime, str]] = Counter()
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
        """The base URL to set for each pipeline."""
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
        """Lets calls of an operation fail: all of them, or `times` calls once `after` passed well.

        `operation`: as counted, a pattern such as `EngService2/*`, or one path (`pblprfr/PF1`).
        `error`: a documented error of the service by name, such as `legacy_quota` (see the
        `ERRORS` of its module). `status`, `body`, `headers` replace what would be answered; `delay`
        is in seconds; a `truncated` answer breaks off halfway. Raises ValueError for an unknown
        error.
        """
        if error is not None and not any(error in service.errors for service in SERVICES.values()):
            known = sorted({name for service in SERVICES.values() for name in service.errors})
            raise ValueError(f"error is {error!r}: wants one of {', '.join(known)}")
        content = body.encode() if isinstance(body, str) else body
        fault = Fault(
            operation, error, status, content, headers or {}, delay, truncated, times, after
        )
        with self._lock:
            self._faults.append(fault)

    def quota(self, operation: str, calls: int) -> None:
        """Sets the allowance of one operation a day; calls already made today count."""
        with self._lock:
            self._quotas[operation] = calls

    def clear_faults(self) -> None:
        """Forgets all that `fail` and `quota` set."""
        with self._lock:
            self._faults.clear()
            self._quotas.clear()

    def answer(self, target: str, headers: Mapping[str, str]) -> tuple[Answer, Fault | None]:
        """The answer to a GET, and the fault that it must still suffer on its way."""
        name, _, path = urlsplit(target).path.removeprefix("/").partition("/")
        service = SERVICES.get(name)
        if service is None:
            return _text(404, "API not found"), None
        operation = service.operation(path)
        now = datetime.now(KST)
        today = self.today or now.date()
        with self._lock:
            self.calls[operation] += 1
            fault = next((one for one in self._faults if one.takes(service, operation, path)), None)
            self._spent[today, operation] += 1
            minute = now.replace(second=0, microsecond=0)
            self._in_minute[minute, operation] += 1
            calls_in_minute = self._in_minute[minute, operation]
            allowance = self._quotas.get(operation, self.allowance)
            is_spent = allowance is not None and self._spent[today, operation] > allowance
            rows = self._rows_of(service, today)
        request = Request(
            path=path,
            params=dict(parse_qsl(urlsplit(target).query)),
            target=target,
            headers=headers,
            at=datetime.combine(today, now.timetz()),
            is_quota_spent=is_spent,
            calls_in_minute=calls_in_minute,
        )
        if fault and fault.error:
            return service.errors[fault.error], fault
        return service.answer(request, rows), fault

    def control(self, method: str, path: str, body: bytes) -> Answer:
        """The answer to another process that reads the counts or sets faults."""
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

    def _rows_of(self, service: Service[Any], today: date) -> Any:
        if self.recordings:
            return self._recorded[service.name]
        if (service.name, today) not in self._rows:
            self._rows[service.name, today] = service.generated(today)
        return self._rows[service.name, today]


def _json(status: int, value: object) -> Answer:
    return Answer(status, JSON, orjson.dumps(value))


def _text(status: int, text: str) -> Answer:
    return Answer(status, "text/plain;charset=UTF-8", text.encode())


def _faulty(answer: Answer, fault: Fault) -> Answer:
    return replace(
        answer,
        status=fault.status or answer.status,
        body=answer.body if fault.body is None else fault.body,
        headers={**answer.headers, **fault.headers},
    )


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"
    # An answer leaves in one write and at once: a client that waits for the second half of a
    # small answer waits 40 ms.
    wbufsize = -1
    disable_nagle_algorithm: ClassVar[bool] = True

    def do_GET(self) -> None:
        if self.path.startswith(CONTROL):
            self._control()
            return
        answer, fault = self.server.api.answer(
            self.path, {name.lower(): value for name, value in self.headers.items()}
        )
        if fault is None:
            self._send(answer)
            return
        time.sleep(fault.delay)
        self._send(_faulty(answer, fault), truncated=fault.truncated)

    def do_POST(self) -> None:
        self._control()

    def do_DELETE(self) -> None:
        self._control()

    def version_string(self) -> str:
        return "hello-korea-sample-api"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: calls are counted, not logged."""

    def _control(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        self._send(self.server.api.control(self.command, path, body))

    def _send(self, answer: Answer, *, truncated: bool = False) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if truncated:
            self.close_connection = True
            self.wfile.write(answer.body[: len(answer.body) // 2])
        else:
            self.wfile.write(answer.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: SampleApi) -> None:
        self.api = api
        self._open: set[socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Binds without the look-up of the host's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tells of what went wrong here; a client that went away is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        """Ends what clients keep alive: an API that is down answers nobody."""
        for connection in list(self._open):
            try:
                connection.shutdown(SHUT_RDWR)
            except OSError:
                continue  # it went first
