"""Extract: fetch one table's date from an API, page by page, through the archive."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from requests import Response

from loaders.lake import raw
from loaders.pipeline.archive import Archive
from loaders.pipeline.budget import AllowanceSpentError
from loaders.pipeline.context import Api, SourceContext, folder_to_stage
from loaders.pipeline.details import extract_request
from loaders.pipeline.results import Progress
from loaders.settings import environment_name, is_this_machine
from loaders.sources.source import ApiError, ApiFault, ApiRequest, Source, Table

FAILURES_IN_A_ROW = 5
"""Consecutive failed details after which the API counts as down."""


@dataclass(frozen=True)
class Extraction:
    """The result of extracting one table's date."""

    calls: int
    pages: int
    error: str = ""
    """Why the extraction is incomplete."""
    note: str = ""
    """Why the extraction is incomplete although nothing failed."""
    warning: str = ""
    """What may be wrong with a complete extraction."""
    bytes: int = 0
    """Size of the responses fetched now."""
    rows: Mapping[str, pa.Table] = field(default_factory=dict)
    """The parsed rows by raw file, for `stage` to use instead of parsing the pages again."""


def extract_date(
    context: SourceContext, table: Table, logical_date: date, report: Callable[[Progress], None]
) -> Extraction:
    """Fetch what raw lacks of a table's date, if the API can still return that date."""
    lake, name = context.lake, context.source.name
    folder = raw.folder_to_fill(lake, name, table.name, logical_date, context.run.refresh)
    if raw.is_complete(lake, folder):
        return Extraction(calls=0, pages=len(raw.pages_of(lake, folder)))
    if logical_date < context.run.today and not table.answers_past:
        kept_folder = folder_to_stage(context, table, logical_date) or folder
        count = raw.count_pages(lake, kept_folder)
        kept = f"{count} pages are kept" if count else "nothing is kept"
        return Extraction(0, 0, note=f"the API does not answer for a past date; {kept}")
    if table.details_of and not raw.newest_complete(lake, name, table.details_of, logical_date):
        return Extraction(0, 0, note=f"waits for {table.details_of}")
    requests = list(table.requests(extract_request(context, table, logical_date)))
    return extract(context, table, folder, requests, report)


def extract(
    context: SourceContext,
    table: Table,
    folder: str,
    requests: list[ApiRequest],
    report: Callable[[Progress], None],
) -> Extraction:
    """Fetch every page that `folder` lacks, and mark it as complete if none is missing.

    A list ends at its first error. Details continue after an error that concerns one key only, and
    keys beyond the day's allowance are left to the following days.
    """
    archive = Archive(
        context,
        folder,
        table.read,
        lambda response: accept(context.source, table, response),
    )
    extractor = _Extractor(context, table, archive, len(requests), report)
    try:
        for request in requests:
            extractor.fetch(request)
            if extractor.consecutive_failures == FAILURES_IN_A_ROW:
                break
    except ApiError as error:
        extractor.error = f"{request.path}: {error}"
        if error.fault is ApiFault.BAD_KEY:
            setting = environment_name(f"sources.{context.source.name}.service_key")
            extractor.error += f"; check {setting}, and that the key is granted for this service"
    except (AllowanceSpentError, raw.RawError) as error:
        extractor.error = str(error)
    if not extractor.error and not extractor.note:
        raw.complete(context.lake, folder, archive.pages)
    return Extraction(
        calls=archive.calls,
        pages=len(archive.pages),
        error=extractor.error,
        note=extractor.note,
        warning=extractor.warning,
        bytes=archive.bytes,
        rows={page.file: rows for page, rows in zip(archive.pages, archive.rows, strict=True)},
    )


class _Extractor:
    """The requests of one extraction in progress: its counts, and what to report in the end."""

    def __init__(
        self,
        context: SourceContext,
        table: Table,
        archive: Archive,
        request_count: int,
        report: Callable[[Progress], None],
    ) -> None:
        self._table = table
        self._archive = archive
        self._client = _client(context.api, archive)
        self._max_pages = context.limits.pages
        self._report = report
        self._request_count = request_count
        self._begun = 0
        self._rows = 0
        self._failed = 0
        self._left_over = 0
        self.consecutive_failures = 0
        self.error = self.note = self.warning = ""

    def fetch(self, request: ApiRequest) -> None:
        """Fetch all pages of a request. Raise what ends the whole extraction."""
        self._begun += 1
        self._archive.begin(request)
        try:
            self._fetch_pages(request)
            self.consecutive_failures = 0
        except AllowanceSpentError as error:
            if not self._table.details_of:
                raise
            self._left_over += 1
            left_over = f"{self._left_over} of {self._request_count} details"
            self.note = f"{left_over} are left to the next days: {error}"
        except ApiError as error:
            if not self._table.details_of or error.fault in (
                ApiFault.BAD_KEY,
                ApiFault.QUOTA_SPENT,
            ):
                raise
            self._failed += 1
            # A refusal of one key does not show that the API is down.
            self.consecutive_failures += 0 if error.fault is ApiFault.BAD_REQUEST else 1
            failed = f"{self._failed} of {self._request_count} details failed"
            self.error = f"{failed}, the last {request.path}: {error}"

    def _fetch_pages(self, request: ApiRequest) -> None:
        totals = []
        for count, page in enumerate(self._paginate(request), start=1):
            self._rows += sum(map(len, page))
            # A page without rows does not contain the length of the list.
            if page and hasattr(page.paginator, "total"):
                totals.append(page.paginator.total)
            if count == self._max_pages and page.paginator.has_next_page:
                message = f"more than {count:,} pages: see ANSWERS__MAX_PAGES"
                raise ApiError(ApiFault.TOO_LARGE, message)
            left = getattr(page.paginator, "left", int(page.paginator.has_next_page))
            done = len(self._archive.pages)
            total = done + left + self._request_count - self._begun
            self._report(Progress(done, total, self._rows))
        if len(set(totals)) > 1:
            self.warning = (
                f"{request.path}: the total went from {totals[0]:,} to {totals[-1]:,} during the"
                " extraction, so rows may be missing: extract again with --refresh"
            )

    def _paginate(self, request: ApiRequest) -> Iterator[PageData[Any]]:
        return self._client.paginate(
            request.path, params=dict(request.params), paginator=request.paginator()
        )


def accept(source: Source, table: Table, response: Response) -> pa.Table:
    """Return the rows of a response that is data. Raise ApiError for any other."""
    source.check_response(response)
    try:
        rows = table.read(response.content)
    except (ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        message = f"{type(error).__name__} {error}"
        raise ApiError(ApiFault.UNREADABLE, message, response) from None
    if table.details_of and len(rows) == 0:
        raise ApiError(ApiFault.BAD_REQUEST, "there is nothing under this key", response)
    return rows


class _ArrowClient(RESTClient):
    """dlt's REST client, with pages of arrow tables that the archive has already parsed."""

    def __init__(self, base_url: str, session: Any, archive: Archive) -> None:
        super().__init__(base_url, session=session, data_selector="$")
        self._archive = archive

    def extract_response(self, response: Response, data_selector: Any) -> list[pa.Table]:
        """Return the rows of the page that was just sent, or nothing if it has none."""
        rows = self._archive.rows[-1]
        return [rows] if len(rows) else []


def _client(api: Api, archive: Archive) -> _ArrowClient:
    """Return a client whose retries, delays and time-outs follow dlt's `RUNTIME__REQUEST_…`."""
    requests = Client(
        raise_for_status=False,
        status_codes=(),
        exceptions=(),
        retry_condition=lambda _, error: isinstance(error, ApiError) and error.fault.is_transient,
    )
    requests.configure()
    session = requests.session
    if is_this_machine(api.base_url):
        session.trust_env = False  # a proxy can't reach this machine
    session.headers["User-Agent"] = "HelloKorea/0.1"  # some gateways refuse Python's own
    session.mount("http://", archive)
    session.mount("https://", archive)
    return _ArrowClient(api.base_url, session, archive)
