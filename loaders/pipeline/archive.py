"""The archive: an HTTP transport that responds from raw, and calls the API for what is missing.

All paging goes through it. An interrupted extraction therefore resumes at its next missing page,
and a rerun of a complete one makes no call.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

import pyarrow as pa
import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from loaders.lake import raw
from loaders.lake.raw import Page
from loaders.pipeline import keys
from loaders.pipeline.context import SourceContext
from loaders.pipeline.deadline import Deadline
from loaders.pipeline.gate import StoppedError, seconds_to_retry
from loaders.settings import KST
from loaders.sources.source import ApiError, ApiFault, ApiRequest

CHUNK = 64 * 1024
MEGABYTE = 1024**2


class Archive(HTTPAdapter):
    """The responses of one extraction: those kept in its folder, then the API's.

    Each thread that extracts has an archive of its own, which holds one API request at a time. Only
    archives see the API's key. They add it to a request just before sending, and remove it from
    every error message.
    """

    def __init__(
        self,
        context: SourceContext,
        folder: str,
        kept_files: set[str],
        read: Callable[[bytes], pa.Table],
        accept: Callable[[Response], pa.Table],
        pausing: Callable[[float], None],
    ) -> None:
        """`read` parses a kept body; `accept` checks and parses a response, or raises ApiError.

        `pausing` is called with the seconds for which the API asks to pause.

        The archives of an extraction share `kept_files`, the keys of what its folder holds.
        """
        self._deadline = Deadline(context.limits.seconds)
        super().__init__()
        self._lake = context.lake
        self._source = context.source
        self._base_path = urlsplit(context.api.base_url).path
        self._key = context.api.key
        self._budget = context.budget
        self._gate = context.gate
        self._limits = context.limits
        self._folder = folder
        self._kept_files = kept_files
        self._read = read
        self._accept = accept
        self._pausing = pausing
        self.begin(ApiRequest(""))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the connections to the API, which the deadline watches."""
        super().init_poolmanager(*args, **kwargs)
        self._deadline.watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the connections through a proxy, which the deadline watches too."""
        manager = super().proxy_manager_for(*args, **kwargs)
        self._deadline.watch(manager)
        return manager

    def begin(self, request: ApiRequest) -> None:
        """Set the API request that the following HTTP requests belong to."""
        self._current = request
        self._previous_rows: pa.Table | None = None
        self.pages: list[Page] = []
        """The pages of the request so far, in order."""
        self.rows: list[pa.Table] = []
        """The parsed rows of each page."""
        self.calls = 0
        self.bytes = 0
        """Size of the responses that were fetched."""
        self.expected_calls = 1
        """About how many calls of its operation the extraction still needs, this one included."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Return the response to a request without a key. Raise ApiError, AllowanceSpentError."""
        file, page = self._find_kept(self._file(request))
        if page:
            response = _response(request, raw.read_page(self._lake, page))
            rows = self._read(response.content)
        else:
            response, rows = self._fetch(request, *args, **kwargs)
            self.bytes += len(response.content)
            page = self._keep(file, request, response.content, datetime.now(KST))
            self._kept_files.add(file)
        self.pages.append(page)
        self.rows.append(rows)
        return response

    def _find_kept(self, file: str) -> tuple[str, Page | None]:
        """Return the raw file of a request with its page, or the file to write the page to.

        A body counts as kept only with its description, which a kill or a loss of power may have
        cut off, and a description only with its body. Since raw is immutable, the next response
        gets a name of its own.
        """
        stem, _, extension = file.rpartition(".")
        for number in count(2):
            is_kept = file in self._kept_files
            if not is_kept and f"{file}{raw.META}" not in self._kept_files:
                return file, None
            if is_kept and (page := raw.find_page(self._lake, file)):
                return file, page
            file = f"{stem}.{number}.{extension}"
        raise AssertionError

    def _keep(
        self,
        file: str,
        request: PreparedRequest,
        body: bytes,
        answered_at: datetime,
    ) -> Page:
        sent = dict(parse_qsl(urlsplit(request.url or "").query))
        row = {**self._current.row, **{name: sent[name] for name in self._current.echo}}
        described = {"method": request.method, "url": request.url}
        return raw.keep(
            self._lake,
            file,
            body,
            row,
            self._current.key,
            described,
            answered_at,
        )

    def _fetch(
        self, request: PreparedRequest, *args: Any, **kwargs: Any
    ) -> tuple[Response, pa.Table]:
        """Call the API, within its allowance, and check the response."""
        operation = self._source.operation(self._path(request))
        try:
            with self._gate.call():
                self._budget.spend(operation, self.expected_calls)
                self.calls += 1
                response = self._receive(request, *args, **kwargs)
                response.request, response.url = request, request.url or ""
                return response, self._checked_rows(response, operation)
        except StoppedError:
            message = "not requested: the run was stopped"
            raise ApiError(ApiFault.BAD_REQUEST, message) from None

    def _checked_rows(self, response: Response, operation: str) -> pa.Table:
        """Return the rows of a response that is data. Raise ApiError for any other."""
        try:
            self._refuse_key(response)
            rows = self._accept(response)
            self._refuse_repeated_page(rows)
        except ApiError as error:
            if error.fault is ApiFault.QUOTA_SPENT:
                self._budget.close(operation)
            elif error.fault.is_transient and "Retry-After" in response.headers:
                self._pause(seconds_to_retry(response.headers["Retry-After"]))
            raise ApiError(error.fault, self._without_key(error.message), response) from None
        return rows

    def _pause(self, seconds: float) -> None:
        """Begin no call for the seconds that the API asks for. Raise ApiError if they are many."""
        longest = self._limits.retry_delay
        if seconds > longest:
            now = datetime.now(KST)
            until = f"until {now + timedelta(seconds=seconds):%Y-%m-%d %H:%M} KST"
            limit = f"more than RUNTIME__REQUEST_MAX_RETRY_DELAY={longest:g} s"
            raise ApiError(ApiFault.PAUSED, f"{until}, {limit}")
        self._gate.pause(seconds)
        self._pausing(seconds)

    def _receive(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send the request with its key and receive the whole body. Raise ApiError."""
        signed = request.copy()
        self._source.authenticate(signed, self._key)
        host = urlsplit(request.url or "").netloc
        try:
            with self._deadline.exchange():
                response = super().send(signed, *args, **{**kwargs, "stream": True})
                # Read the body here, where its errors are mapped.
                response._content = self._body(response)
        except (requests.RequestException, HTTPError) as error:
            if self._deadline.is_over:
                raise self._too_late() from None
            raise _connection_error(error, host) from None
        if self._deadline.is_over:  # a body without a length ends where its connection does
            raise self._too_late()
        return response

    def _too_late(self) -> ApiError:
        seconds = f"{self._limits.seconds:g} s"
        return ApiError(ApiFault.DOWN, f"incomplete after {seconds}: see ANSWERS__MAX_SECONDS")

    def _body(self, response: Response) -> bytes:
        """Return the decompressed body, within the limit on size.

        It is read in chunks, because a small response may decompress to any size.
        """
        body = bytearray()
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._limits.megabytes * MEGABYTE:
                response.close()
                message = f"more than {self._limits.megabytes} MB: see ANSWERS__MAX_MEGABYTES"
                raise ApiError(ApiFault.TOO_LARGE, message)
        return bytes(body)

    def _refuse_repeated_page(self, rows: pa.Table) -> None:
        """Raise ApiError for a page equal to the one before, since paging would never end."""
        if len(rows) and self._previous_rows is not None and rows.equals(self._previous_rows):
            raise ApiError(ApiFault.UNREADABLE, "the rows of the previous page, repeated")
        self._previous_rows = rows

    def _refuse_key(self, response: Response) -> None:
        """Raise ApiError for a response that contains the key, since raw holds no secret."""
        if keys.contains_key(response.content, self._key):
            raise ApiError(ApiFault.UNREADABLE, "it contains the key", response)

    def _without_key(self, text: str) -> str:
        for form in self._key_forms():
            text = text.replace(form, "***")
        return text

    def _key_forms(self) -> set[str]:
        """Return the key as it is written in messages and URLs."""
        is_secret = len(self._key) >= keys.SHORTEST
        return {self._key, quote(self._key), quote_plus(self._key)} if is_secret else set()

    def _file(self, request: PreparedRequest) -> str:
        """Return the raw file of a request: its path, and a digest of path and parameters.

        The host and the base path do not count, so that raw does not depend on them.
        """
        path = self._path(request)
        digest = hashlib.sha256(f"{path}?{_sorted_query(request)}".encode()).hexdigest()[:12]
        return f"{self._folder}/{path.replace('/', '.')}.{digest}.{self._source.extension}"

    def _path(self, request: PreparedRequest) -> str:
        return urlsplit(request.url or "").path.removeprefix(self._base_path).strip("/")


def _connection_error(error: requests.RequestException | HTTPError, host: str) -> ApiError:
    """Return the API error of an exchange that failed. The key may be in the message of `error`."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, (requests.Timeout, ReadTimeoutError)):
        return ApiError(ApiFault.DOWN, f"no response in time from {host}")
    if isinstance(error, DecodeError):
        return ApiError(ApiFault.UNREADABLE, "its compression is broken")
    if untrusted := re.search("certificate verify failed: ([^(]+)", str(error)):
        return ApiError(ApiFault.NOT_TRUSTED, f"{host}: {untrusted[1].strip()}")
    if isinstance(error, (requests.ConnectionError, HTTPError)):
        return ApiError(ApiFault.DOWN, f"the connection to {host} failed or broke off")
    return ApiError(ApiFault.BAD_REQUEST, type(error).__name__)


def _sorted_query(request: PreparedRequest) -> str:
    """Query parameters, sorted."""
    query = urlsplit(request.url or "").query
    return urlencode(sorted(parse_qsl(query, keep_blank_values=True)))


def _response(request: PreparedRequest, body: bytes) -> Response:
    response = Response()
    response.status_code = 200
    response.request, response.url = request, request.url or ""
    response._content = body
    return response
