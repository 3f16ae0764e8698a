"""Real servers that receive the messages of `NOTIFY__URLS`: a webhook and a mail server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from support.s3_server import free_ports


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Start an HTTP server. Yield its Apprise URL and the JSON that was posted to it."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"json://127.0.0.1:{server.server_port}/planted-token", received
        finally:
            server.shutdown()


class _Mailbox:
    """Keeps the subject and the text of each mail."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain", "html"))
        self.received.append((str(mail["Subject"]), body.get_content() if body else ""))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Start an SMTP server. Yield its Apprise URL, and the subject and text of each mail."""
    mailbox = _Mailbox()
    (port,) = free_ports(1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield (
            f"mailto://127.0.0.1:{port}?mode=insecure&from=loader@example.org&to=me@example.org",
            mailbox.received,
        )
    finally:
        controller.stop()
