"""Extract: fetch one table's date from an API, page by page, through the archive."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from threading import Lock
from typing import Any

import pyarrow as pa
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Response

from loaders.lake import raw
from loaders.lake.raw import Folder, Page
from loaders.pipeline.archive import Archive
from loaders.pipeline.budget import AllowanceSpentError
from loaders.pipeline.context import Api, SourceContext
from loaders.pipeline.details import extract_request
from loaders.pipeline.results import Progress
from loaders.settings import environment_name, is_this_machine
from loaders.sources.source import ApiError, ApiFault, ApiRequest, Source, Table

FAILURES_IN_A_ROW = 5
"""Consecutive failed details after which the API counts as down."""
OF_ALL_CALLS = frozenset(
    {ApiFault.BAD_KEY, ApiFault.QUOTA_SPENT, ApiFault.PAUSED, ApiFault.NOT_TRUSTED}
)
"""Faults that every further call would meet."""
WORKERS_PER_CALL = 2
"""Threads of an extraction per parallel call, so that some write to the lake while others call."""


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
    to_stage: Folder | None = None
    """The extraction of the date that is to be staged."""
    pages_to_stage: Sequence[Page] = ()
    """Its pages, unless they are still to be read from its `_complete.json`."""


def extract_date(
    context: SourceContext, table: Table, logical_date: date, report: Callable[[Progress], None]
) -> Extraction:
    """Fetch what raw lacks of a table's date, if the API can still return that date."""
    lake, name = context.lake, context.source.name
    folders = raw.extractions(lake, name, table.name, logical_date)
    folder = raw.folder_to_fill(folders, name, table.name, logical_date, context.run.refresh)
    to_stage = raw.folder_to_stage(folders, is_details=bool(table.details_of))
    if folder.is_complete:
        return Extraction(calls=0, pages=len(folder.bodies), to_stage=to_stage)
    if logical_date < context.run.today and not table.answers_past:
        count = len((to_stage or folder).bodies)
        kept = f"{count} pages are kept" if count else "nothing is kept"
        note = f"the API does not answer for a past date; {kept}"
        return Extraction(0, 0, note=note, to_stage=to_stage)
    if table.details_of and not context.indexes[table.name].is_listed(logical_date):
        return Extraction(0, 0, note=f"waits for {table.details_of}", to_stage=to_stage)
    requests = list(table.requests(extract_request(context, table, logical_date)))
    if table.details_of:
        context.indexes[table.name].mark_details(logical_date)
    for index in context.indexes_of_list(table):
        index.mark_list(logical_date)
    extraction, filled = extract(context, table, folder, requests, report)
    by_name = {other.name: other for other in folders} | (
        {filled.name: filled} if filled.keys else {}
    )
    to_stage = raw.folder_to_stage(
        [by_name[name] for name in sorted(by_name)], is_details=bool(table.details_of)
    )
    if to_stage is None:
        return extraction
    known = extraction.pages_to_stage if to_stage is filled else ()
    pages = raw.pages_of(lake, to_stage, known)
    if table.details_of:
        context.indexes[table.name].remember_details(logical_date, to_stage, pages)
    return replace(extraction, to_stage=to_stage, pages_to_stage=pages)


def extract(
    context: SourceContext,
    table: Table,
    folder: Folder,
    requests: list[ApiRequest],
    report: Callable[[Progress], None],
) -> tuple[Extraction, Folder]:
    """Fetch every page that `folder` lacks, and mark it as complete if none is missing.

    Requests run in parallel, and the pages of a request one after the other. A list ends at its
    first error. Details continue after an error that concerns one key only, and keys beyond the
    day's allowance are left to the following days. Also return the folder as it is now.
    """
    extractor = _Extractor(context, table, folder, requests, report)
    extractor.run()
    pages = extractor.pages()
    keys = set(extractor.kept_files)
    if not extractor.error and not extractor.note:
        raw.complete(context.lake, folder.name, pages)
        keys.add(f"{folder.name}/{raw.COMPLETE}")
    extraction = Extraction(
        calls=extractor.calls,
        pages=len(pages),
        error=extractor.error,
        note=extractor.note,
        warning=extractor.warning,
        bytes=extractor.bytes,
        rows=extractor.rows,
        pages_to_stage=pages,
    )
    return extraction, Folder(folder.name, frozenset(keys))


class _Extractor:
    """The requests of one extraction in progress: its counts, and what to report in the end."""

    def __init__(
        self,
        context: SourceContext,
        table: Table,
        folder: Folder,
        requests: list[ApiRequest],
        report: Callable[[Progress], None],
    ) -> None:
        self._context = context
        self._table = table
        self._folder = folder
        self._requests = requests
        self._report = report
        self._client = _http_client()
        self._lock = Lock()
        """Guards everything below."""
        self._next = 0
        self._operations = [context.source.operation(request.path) for request in requests]
        self._not_begun = Counter(self._operations)
        """Requests that have not begun, by operation."""
        self._expected: dict[int, int] = {}
        """Calls that were still to come when a request began, by its number."""
        self._is_ended = False
        self._pages: dict[int, list[Page]] = {}
        """The pages of each request by its number."""
        self._left: dict[int, int] = {}
        """Pages still to come of each request in progress."""
        self._row_count = 0
        self._progress = Progress()
        self._failed = 0
        self._left_over = 0
        self._consecutive_failures = 0
        self.kept_files = set(folder.keys)
        self.rows: dict[str, pa.Table] = {}
        self.calls = self.bytes = 0
        self.error = self.note = self.warning = ""

    def run(self) -> None:
        """Send all requests, or those before an error that ends the extraction.

        The first one goes alone, since it shows whether the API accepts the key.
        """
        self._work(at_most=1)
        left = len(self._requests) - self._next
        workers = min(left, WORKERS_PER_CALL * self._context.gate.parallel)
        if not workers or self._is_ended:
            return
        with ThreadPoolExecutor(workers) as threads:
            for ended in [threads.submit(self._work) for _ in range(workers)]:
                ended.result()

    def pages(self) -> list[Page]:
        """Return the pages in the order of the requests."""
        return [page for number in sorted(self._pages) for page in self._pages[number]]

    def _work(self, at_most: int | None = None) -> None:
        """Send requests until none is left, or some, on a connection of this thread."""
        archive = Archive(
            self._context,
            self._folder.name,
            self.kept_files,
            self._table.read,
            lambda response: accept(self._context.source, self._table, response),
            self._report_pause,
        )
        client = _client(self._context.api, self._client, archive)
        try:
            sent = 0
            while sent != at_most and (number := self._take()) is not None:
                self._fetch(number, client, archive)
                sent += 1
        except BaseException:
            self._is_ended = True
            raise

    def _take(self) -> int | None:
        """Return the number of the next request, or None if the extraction has ended."""
        with self._lock:
            if self._is_ended or self._next == len(self._requests):
                return None
            number, operation = self._next, self._operations[self._next]
            # Taken before other threads begin theirs, so that one count covers them all.
            self._expected[number] = self._not_begun[operation]
            self._not_begun[operation] -= 1
            self._next += 1
            return number

    def _fetch(self, number: int, client: RESTClient, archive: Archive) -> None:
        """Fetch all pages of a request, and count them or its error."""
        request = self._requests[number]
        error: Exception | None = None
        warning = ""
        archive.begin(request)
        try:
            warning = self._fetch_pages(number, client, archive)
        except (ApiError, AllowanceSpentError, raw.RawError) as raised:
            error = raised
        finally:
            with self._lock:
                self._left.pop(number, None)
                self._pages[number] = archive.pages
                self.rows |= {page.file: rows for page, rows in _rows_of(archive)}
                self.calls += archive.calls
                self.bytes += archive.bytes
        with self._lock:
            self.warning = warning or self.warning
            if error:
                self._count_error(request, error)
            else:
                self._consecutive_failures = 0

    def _count_error(self, request: ApiRequest, error: Exception) -> None:
        """Count the error of one key of details, or end the extraction. Needs the lock."""
        is_of_one_key = self._table.details_of and (
            isinstance(error, AllowanceSpentError)
            or (isinstance(error, ApiError) and error.fault not in OF_ALL_CALLS)
        )
        if not is_of_one_key:
            if not self._is_ended:  # a request that was in flight at the first error
                self.error = self._final_error(request, error)
            self._is_ended = True
            return
        count = len(self._requests)
        if isinstance(error, AllowanceSpentError):
            self._left_over += 1
            left_over = f"{self._left_over} of {count} details"
            self.note = f"{left_over} are left to the next days: {error}"
            return
        self._failed += 1
        # A refusal of one key does not show that the API is down.
        is_refusal = isinstance(error, ApiError) and error.fault is ApiFault.BAD_REQUEST
        self._consecutive_failures += 0 if is_refusal else 1
        if not self._is_ended:
            failed = f"{self._failed} of {count} details failed"
            self.error = f"{failed}, the last {request.path}: {error}"
        if self._consecutive_failures >= FAILURES_IN_A_ROW:
            self._is_ended = True

    def _final_error(self, request: ApiRequest, error: Exception) -> str:
        """Return the message of an error that ends the extraction."""
        if not isinstance(error, ApiError):
            return str(error)
        message = f"{request.path}: {error}"
        if error.fault is ApiFault.BAD_KEY:
            setting = environment_name(f"sources.{self._context.source.name}.service_key")
            message += f"; check {setting}, and that the key is granted for this service"
        return message

    def _fetch_pages(self, number: int, client: RESTClient, archive: Archive) -> str:
        """Fetch the pages of a request. Return a warning if its total changed meanwhile.

        Raise ApiError for a list with fewer rows than its totals announced.
        """
        request, max_pages = self._requests[number], self._context.limits.pages
        totals, received = [], 0
        archive.expected_calls = self._expected.pop(number)
        pages = client.paginate(
            request.path, params=dict(request.params), paginator=request.paginator()
        )
        for count, page in enumerate(pages, start=1):
            # A page without rows does not contain the length of the list.
            if page and hasattr(page.paginator, "total") and hasattr(page.paginator, "received"):
                totals.append(page.paginator.total)
                received = page.paginator.received
            if count == max_pages and page.paginator.has_next_page:
                message = f"more than {count:,} pages: see ANSWERS__MAX_PAGES"
                raise ApiError(ApiFault.TOO_LARGE, message)
            left = getattr(page.paginator, "left", int(page.paginator.has_next_page))
            self._report_page(number, archive, left, sum(map(len, page)))
            archive.expected_calls = self._calls_to_come(number)
        if totals and received < min(totals):
            message = (
                f"{received:,} rows of a list of {min(totals):,}: its pages are kept, and --refresh"
                " asks for the list again"
            )
            raise ApiError(ApiFault.UNREADABLE, message)
        if len(set(totals)) > 1:
            return (
                f"{request.path}: the total went from {totals[0]:,} to {totals[-1]:,} during the"
                " extraction, so rows may be missing: extract again with --refresh"
            )
        return ""

    def _calls_to_come(self, number: int) -> int:
        """Return about how many calls of a request's operation follow one of its pages."""
        with self._lock:
            return self._left[number] + self._not_begun[self._operations[number]]

    def _report_pause(self, seconds: float) -> None:
        with self._lock:
            self._report(replace(self._progress, pause=seconds))

    def _report_page(self, number: int, archive: Archive, left: int, rows: int) -> None:
        with self._lock:
            self._left[number] = left
            self._pages[number] = archive.pages
            self._row_count += rows
            done = sum(map(len, self._pages.values()))
            in_progress = self._next - len(self._pages)  # without a page yet
            total = done + sum(self._left.values()) + in_progress + len(self._requests) - self._next
            self._progress = Progress(done, total, self._row_count)
            self._report(self._progress)


def fetch_page(
    context: SourceContext, table: Table, request: ApiRequest
) -> tuple[pa.Table, dict[str, Any]]:
    """Fetch the first page of a request that has rows. Return them, and the values that apply to
    each of them. Raise ApiError, AllowanceSpentError.

    There is one call, unless the request falls back to earlier times, as rates of a Sunday do.
    """
    archive = Archive(
        context,
        f"raw/{context.source.name}/{table.name}",
        set(),
        table.read,
        lambda response: accept(context.source, table, response),
        lambda seconds: None,  # nobody waits for one call
    )
    archive.begin(request)
    client = _client(context.api, _http_client(retries=False), archive)
    params, paginator = dict(request.params), request.paginator()
    for _ in client.paginate(request.path, params=params, paginator=paginator):
        if len(archive.rows[-1]):
            break
    return archive.rows[-1], archive.pages[-1].row


def _rows_of(archive: Archive) -> Iterator[tuple[Page, pa.Table]]:
    return zip(archive.pages, archive.rows, strict=True)


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


def _http_client(*, retries: bool = True) -> Client:
    """Return a client whose retries, delays and time-outs follow dlt's `RUNTIME__REQUEST_…`."""
    client = Client(
        raise_for_status=False,
        status_codes=(),
        exceptions=(),
        retry_condition=lambda _, error: (
            retries and isinstance(error, ApiError) and error.fault.is_transient
        ),
    )
    client.configure()
    return client


def _client(api: Api, http_client: Client, archive: Archive) -> _ArrowClient:
    """Return dlt's REST client on a session of this thread, which sends through `archive`."""
    session = http_client.session
    if is_this_machine(api.base_url):
        session.trust_env = False  # a proxy can't reach this machine
    session.headers["User-Agent"] = "HelloKorea/0.1"  # some gateways refuse Python's own
    session.mount("http://", archive)
    session.mount("https://", archive)
    return _ArrowClient(api.base_url, session, archive)
