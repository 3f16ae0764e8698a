"""The archive: a transport that answers from raw and calls an API only for what is missing there.

All paging goes through it, so an interrupted extraction goes on at its next missing page, and a
rerun of a complete one makes no call.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

import pyarrow as pa
import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from loaders import raw
from loaders.budget import Budget
from loaders.lake import Lake
from loaders.raw import Page
from loaders.settings import KST, Limits
from loaders.source import AnswerError, Call, Fault, Source

CHUNK = 64 * 1024
MEGABYTE = 1024**2


class Archive(HTTPAdapter):
    """The answers of one extraction: those in `folder`, then the API's.

    The key of the API is put into a request only here, on its way out, and taken out of whatever
    comes back: no other part of the program sees it.
    """

    def __init__(
        self,
        lake: Lake,
        folder: str,
        source: Source,
        base_url: str,
        key: str,
        budget: Budget,
        accept: Callable[[Response], pa.Table],
        stopping: Event,
        limits: Limits,
    ) -> None:
        super().__init__()
        self._lake = lake
        self._folder = folder
        self._kept_keys = set(lake.keys(folder))
        self._source = source
        self._base_path = urlsplit(base_url).path
        self._key = key
        self._budget = budget
        self._accept = accept
        self._stopping = stopping
        self._limits = limits
        self._call_now = Call("")
        self._rows_before: pa.Table | None = None
        self.pages: list[Page] = []
        """Every page that was answered, in order."""
        self.calls = 0
        self.bytes = 0
        """Of the answers that were asked for."""

    def begin(self, call: Call) -> None:
        """Tells what the requests to come are part of."""
        self._call_now = call
        self._rows_before = None

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """The answer to a request that has no key yet. Raises AnswerError, AllowanceSpentError."""
        file = self._file(request)
        page = self._kept(file, request)
        if page:
            response = _response(request, raw.read_page(self._lake, page))
        else:
            response = self._call(request, *args, **kwargs)
            self.bytes += len(response.content)
            self._lake.write_once(file, response.content)
            self._kept_keys.add(file)
            page = self._describe(file, request, response.content, datetime.now(KST))
        self.pages.append(page)
        return response

    def _kept(self, file: str, request: PreparedRequest) -> Page | None:
        """The page in raw. A body whose description was lost to a kill is described again."""
        if file not in self._kept_keys:
            return None
        page = raw.find_page(self._lake, file)
        if page:
            return page
        answered_at = datetime.fromtimestamp(self._lake.modified_at(file), KST)
        return self._describe(file, request, self._lake.read(file), answered_at)

    def _describe(
        self, file: str, request: PreparedRequest, body: bytes, answered_at: datetime
    ) -> Page:
        asked = {"method": request.method, "url": request.url}
        sent = dict(parse_qsl(urlsplit(request.url or "").query))
        call = self._call_now
        row = {**call.row, **{name: sent[name] for name in call.echo}}
        return raw.describe(self._lake, file, body, row, call.key, asked, answered_at)

    def _call(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if self._stopping.is_set():
            raise AnswerError(Fault.BAD_REQUEST, "not asked: the run was stopped")
        operation = self._source.operation(self._path(request))
        self._budget.spend(operation)
        self.calls += 1
        signed = request.copy()
        self._source.sign(signed, self._key)
        try:
            began = time.monotonic()
            response = super().send(signed, *args, **{**kwargs, "stream": True})
            # Here, where its errors are named.
            response._content = self._body(response, began)
        except AnswerError:
            raise
        except (requests.Timeout, ReadTimeoutError):
            raise AnswerError(Fault.DOWN, f"no answer in time from {self._host(request)}") from None
        except DecodeError:
            raise AnswerError(Fault.UNREADABLE, "its compression is broken") from None
        except (requests.ConnectionError, HTTPError):
            raise AnswerError(
                Fault.DOWN, f"the connection to {self._host(request)} failed or broke off"
            ) from None
        except requests.RequestException as error:  # whose words may hold the key
            raise AnswerError(Fault.BAD_REQUEST, type(error).__name__) from None
        response.request, response.url = request, request.url or ""
        try:
            self._refuse_key(response)
            self._refuse_again(self._accept(response))
        except AnswerError as error:
            if error.fault is Fault.QUOTA_SPENT:
                self._budget.close(operation)
            raise AnswerError(error.fault, self._without_key(error.said), response) from None
        return response

    def _body(self, response: Response, began: float) -> bytes:
        """The answer's bytes, unpacked piece by piece: a small one may be of any size.

        Each piece is what has come: to wait for a full one is to wait for as long as it drips.
        """
        body = bytearray()
        while piece := response.raw.read1(CHUNK, decode_content=True):
            body += piece
            too_large = len(body) > self._limits.megabytes * MEGABYTE
            if too_large or time.monotonic() - began > self._limits.seconds:
                response.close()
                if too_large:
                    said = f"more than {self._limits.megabytes} MB: see ANSWERS__MAX_MEGABYTES"
                    raise AnswerError(Fault.TOO_LARGE, said)
                said = f"not all there after {self._limits.seconds:g} s: see ANSWERS__MAX_SECONDS"
                raise AnswerError(Fault.DOWN, said)
        return bytes(body)

    def _refuse_again(self, rows: pa.Table) -> None:
        """A page that an API gives again for the next one is not kept: paging would never end."""
        if len(rows) and self._rows_before is not None and rows.equals(self._rows_before):
            raise AnswerError(Fault.UNREADABLE, "the rows of the page before, once more")
        self._rows_before = rows

    def _refuse_key(self, response: Response) -> None:
        """An answer that repeats the key is not kept: raw holds no secret."""
        if any(form.encode() in response.content for form in self._forms_of_key()):
            raise AnswerError(Fault.UNREADABLE, "it repeats the key", response)

    def _without_key(self, text: str) -> str:
        for form in self._forms_of_key():
            text = text.replace(form, "***")
        return text

    def _forms_of_key(self) -> set[str]:
        """The key as a text may hold it. One that is no secret, or too short to tell, has none."""
        return {self._key, quote(self._key), quote_plus(self._key)} if len(self._key) > 7 else set()

    def _file(self, request: PreparedRequest) -> str:
        """A raw file's name: the path, and a digest that tells its parameters apart.

        Where the API is asked, host and base path, is no part of what is asked.
        """
        path = self._path(request)
        digest = hashlib.sha256(f"{path}?{_parameters(request)}".encode()).hexdigest()[:12]
        return f"{self._folder}/{path.replace('/', '.')}.{digest}.{self._source.extension}"

    def _path(self, request: PreparedRequest) -> str:
        return urlsplit(request.url or "").path.removeprefix(self._base_path).strip("/")

    def _host(self, request: PreparedRequest) -> str:
        return urlsplit(request.url or "").netloc


def _parameters(request: PreparedRequest) -> str:
    """In an order of their own."""
    query = urlsplit(request.url or "").query
    return urlencode(sorted(parse_qsl(query, keep_blank_values=True)))


def _response(request: PreparedRequest, body: bytes) -> Response:
    response = Response()
    response.status_code = 200
    response.request, response.url = request, request.url or ""
    response._content = body
    return response
