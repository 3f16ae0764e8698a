"""An S3 that knows IAM: a proxy that lets through to the tests' server what policies allow."""

import json
import re
import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from support.s3_server import S3Server

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """One action on one resource, as IAM sees it."""

    action: str
    resource: str
    context: frozenset[tuple[str, str]] = frozenset()
    """Condition keys with their values."""


def read_policy(path: Path, bucket: str, prefix: str) -> dict[str, Any]:
    """A policy with its placeholders filled in."""
    text = path.read_text(encoding="utf-8").replace("BUCKET", bucket).replace("PREFIX", prefix)
    policy: dict[str, Any] = json.loads(text)
    return policy


def allows(policy: dict[str, Any], request: Request) -> bool:
    """Whether a policy allows the request: some statement does and none denies it.

    docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    effects = {it["Effect"] for it in policy["Statement"] if _is_about(it, request)}
    return effects == {"Allow"}


def denies(policy: dict[str, Any], request: Request) -> bool:
    """Whether a policy, such as a bucket's, forbids what others allow."""
    return any(it["Effect"] == "Deny" and _is_about(it, request) for it in policy["Statement"])


def _is_about(statement: dict[str, Any], request: Request) -> bool:
    context = dict(request.context)
    return (
        any(fnmatchcase(request.action, one) for one in _list(statement["Action"]))
        and any(fnmatchcase(request.resource, one) for one in _list(statement["Resource"]))
        and all(
            _holds(operator, context.get(key), value)
            for operator, keys in statement.get("Condition", {}).items()
            for key, value in keys.items()
        )
    )


def _holds(operator: str, got: str | None, wanted: str) -> bool:
    if operator == "Null":
        return (got is None) == (wanted == "true")
    if operator == "Bool":
        return got == wanted
    raise ValueError(operator)


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class GuardedS3:
    """The server `s3` behind a policy; runs inside `with`. It stands for one user or role."""

    def __init__(self, s3: S3Server, policy: dict[str, Any]) -> None:
        self.access_key, self.secret_key = s3.access_key, s3.secret_key
        self.allowed: set[Request] = set()
        self.denied: set[Request] = set()
        self._s3 = s3
        guard = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.upstream = HTTPConnection(urlsplit(s3.endpoint).netloc)

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = requests_of(self.command, self.path, dict(self.headers), body)
                if all(allows(policy, one) for one in asked):
                    guard.allowed.update(asked)
                    self._answer(*self._upstream_says(body))
                else:
                    guard.denied.update(one for one in asked if not allows(policy, one))
                    self._answer(403, [("Content-Type", "application/xml")], DENIED)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

            def _upstream_says(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                self.upstream.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self.headers.items():
                    if name.lower() != "expect":
                        self.upstream.putheader(name, value)
                self.upstream.endheaders(body)
                answer = self.upstream.getresponse()
                content = answer.read()
                kept = [it for it in answer.getheaders() if it[0].lower() not in NOT_PASSED_ON]
                if self.command == "HEAD":
                    kept.append(("Content-Length", answer.headers.get("Content-Length") or "0"))
                return answer.status, kept, content

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
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


def requests_of(method: str, path: str, headers: dict[str, str], body: bytes) -> list[Request]:
    """What IAM is asked about an HTTP request to S3, whose path begins with the bucket."""
    url = urlsplit(path)
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    query = parse_qs(url.query, keep_blank_values=True)
    arn = f"arn:aws:s3:::{bucket}"
    if not key and method == "POST" and "delete" in query:
        keys = re.findall(r"<Key>([^<]+)</Key>", body.decode())
        return [Request("s3:DeleteObject", f"{arn}/{one}") for one in keys]
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
