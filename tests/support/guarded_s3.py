"""S3 with IAM: a proxy that passes on to the tests' server only what a policy allows."""

import json
import re
import threading
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from support.s3_server import S3Server

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
HEADERS_NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """One action on one resource, as IAM sees it."""

    action: str
    resource: str
    context: frozenset[tuple[str, str]] = frozenset()
    """Condition keys with their values."""


def read_policy(path: Path, bucket: str, prefix: str) -> dict[str, Any]:
    """Return a policy with its placeholders replaced."""
    text = path.read_text(encoding="utf-8").replace("BUCKET", bucket).replace("PREFIX", prefix)
    policy: dict[str, Any] = json.loads(text)
    return policy


def allows(policy: dict[str, Any], request: Request) -> bool:
    """Return whether a policy allows the request: a statement allows it, and none denies it.

    docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    statements = policy["Statement"]
    effects = {statement["Effect"] for statement in statements if _matches(statement, request)}
    return effects == {"Allow"}


def denies(policy: dict[str, Any], request: Request) -> bool:
    """Return whether a policy, such as a bucket's, denies what other policies may allow."""
    return any(
        statement["Effect"] == "Deny" and _matches(statement, request)
        for statement in policy["Statement"]
    )


def _matches(statement: dict[str, Any], request: Request) -> bool:
    context = dict(request.context)
    return (
        any(fnmatchcase(request.action, pattern) for pattern in _list(statement["Action"]))
        and any(fnmatchcase(request.resource, pattern) for pattern in _list(statement["Resource"]))
        and all(
            _is_met(operator, context.get(key), value)
            for operator, keys in statement.get("Condition", {}).items()
            for key, value in keys.items()
        )
    )


def _is_met(operator: str, actual: str | None, expected: str) -> bool:
    if operator == "Null":
        return (actual is None) == (expected == "true")
    if operator == "Bool":
        return actual == expected
    raise ValueError(operator)


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class GuardedS3:
    """The server `s3` behind the policy of one user or role. It runs inside `with`."""

    def __init__(self, s3: S3Server, policy: dict[str, Any]) -> None:
        self.access_key, self.secret_key = s3.access_key, s3.secret_key
        self.allowed: set[Request] = set()
        self.denied: set[Request] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        """Requests by method and first folder below the prefix. A listing counts as LIST."""
        self._s3 = s3
        guard = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.upstream = HTTPConnection(urlsplit(s3.endpoint).netloc)

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests = requests_of(self.command, self.path, dict(self.headers), body)
                guard.counts[counted_as(self.command, self.path)] += 1
                denied = {request for request in requests if not allows(policy, request)}
                guard.denied |= denied
                if denied:
                    self._respond(403, [("Content-Type", "application/xml")], DENIED)
                else:
                    guard.allowed.update(requests)
                    self._respond(*self._request_upstream(body))

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

            def _request_upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                self.upstream.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self.headers.items():
                    if name.lower() != "expect":
                        self.upstream.putheader(name, value)
                self.upstream.endheaders(body)
                response = self.upstream.getresponse()
                content = response.read()
                headers = [
                    (name, value)
                    for name, value in response.getheaders()
                    if name.lower() not in HEADERS_NOT_PASSED_ON
                ]
                if self.command == "HEAD":
                    length = response.headers.get("Content-Length") or "0"
                    headers.append(("Content-Length", length))
                return response.status, headers, content

            def _respond(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if self.command == "HEAD":
                    self.end_headers()
                    return
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def finish(self) -> None:
                super().finish()
                self.upstream.close()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        return self._s3.environment() | {"AWS_ENDPOINT_URL_S3": self.endpoint}

    def client(self) -> Any:
        return self._s3.client(self.endpoint)


def counted_as(method: str, path: str) -> tuple[str, str]:
    """Return under which method and folder a request counts. Lakes have a prefix of one folder."""
    url = urlsplit(path)
    _, _, key = unquote(url.path).lstrip("/").partition("/")
    prefix = parse_qs(url.query).get("prefix", [""])[0]
    is_listing = method == "GET" and not key
    folders = (prefix if is_listing else key).split("/")
    folder = re.sub("^_tried_.*", "_tried", "".join(folders[1:2]))
    return "LIST" if is_listing else method, folder


def requests_of(method: str, path: str, headers: dict[str, str], body: bytes) -> list[Request]:
    """Return the actions of an HTTP request to S3, whose path begins with the bucket."""
    url = urlsplit(path)
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    query = parse_qs(url.query, keep_blank_values=True)
    arn = f"arn:aws:s3:::{bucket}"
    if not key and method == "POST" and "delete" in query:
        keys = re.findall(r"<Key>([^<]+)</Key>", body.decode())
        return [Request("s3:DeleteObject", f"{arn}/{key}") for key in keys]
    if not key:
        action = "ListBucket" if method in ("GET", "HEAD") else "CreateBucket"
        return [Request("s3:GetBucketLocation" if "location" in query else f"s3:{action}", arn)]
    action = {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}.get(
        method, "PutObject"
    )
    if method == "DELETE" and "uploadId" in query:
        action = "AbortMultipartUpload"
    names = {"if-none-match": "s3:if-none-match"}
    context = {
        (names[name.lower()], value) for name, value in headers.items() if name.lower() in names
    }
    return [Request(f"s3:{action}", f"{arn}/{key}", frozenset(context))]
