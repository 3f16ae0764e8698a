"""Extract: ask an API for one table's date, page by page, through the archive."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

import pyarrow as pa
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Response

from loaders import raw
from loaders.archive import Archive
from loaders.budget import AllowanceSpentError, Budget
from loaders.lake import Lake
from loaders.settings import Limits, environment_name, is_this_machine
from loaders.source import AnswerError, Ask, Call, Fault, Row, Source, Table

FAILURES_IN_A_ROW = 5
"""After so many details that an API would not give, it is taken to be down."""


@dataclass(frozen=True)
class Api:
    """Where a source is asked, and as whom."""

    base_url: str
    key: str


@dataclass(frozen=True)
class Progress:
    """How far an extraction is. `of` grows while the API does not tell its number of pages."""

    pages: int
    of: int
    rows: int


@dataclass(frozen=True)
class Extracted:
    """What became of an extraction."""

    calls: int
    pages: int
    error: str = ""
    """What went wrong, so that it is not complete."""
    note: str = ""
    """Why it is not complete, though nothing is wrong."""
    bytes: int = 0
    """Of the answers that were asked for now."""
    odd: str = ""
    """What one should know of answers that are complete."""


def extract(
    lake: Lake,
    folder: str,
    source: Source,
    table: Table,
    ask: Ask,
    api: Api,
    budget: Budget,
    report: Callable[[Progress], None],
    stopping: Event,
    limits: Limits,
) -> Extracted:
    """Asks for all pages that `folder` does not hold yet, and completes it when none is missing.

    A list ends at its first error. Details go on after an error that concerns one key alone; those
    that the day's allowance does not reach are left to the next days.
    """
    archive = Archive(
        lake,
        folder,
        source,
        api.base_url,
        api.key,
        budget,
        lambda answer: accept(source, table, answer),
        stopping,
        limits,
    )
    client = _client(table, api, archive)
    calls = list(table.calls(ask))
    error = note = odd = ""
    rows = failed = in_a_row = left_over = 0
    try:
        for number, call in enumerate(calls, start=1):
            archive.begin(call)
            totals = []
            try:
                for count, page in enumerate(_pages(client, call), start=1):
                    rows += len(page)
                    # A page without rows does not tell how long the list is.
                    if page and hasattr(page.paginator, "total"):
                        totals.append(page.paginator.total)
                    if count == limits.pages and page.paginator.has_next_page:
                        said = f"more than {count:,} pages: see ANSWERS__MAX_PAGES"
                        raise AnswerError(Fault.TOO_LARGE, said)
                    left = getattr(page.paginator, "left", int(page.paginator.has_next_page))
                    asked = len(archive.pages)
                    report(Progress(asked, asked + left + len(calls) - number, rows))
                in_a_row = 0
                if len(set(totals)) > 1:
                    odd = (
                        f"{call.path}: the total went from {totals[0]:,} to {totals[-1]:,} while it"
                        " was asked, so that rows may be missing: ask again with --refresh"
                    )
            except AllowanceSpentError as spent:
                if not table.details_of:
                    raise
                left_over += 1
                note = f"{left_over} of {len(calls)} details are left to the next days: {spent}"
            except AnswerError as wrong:
                if not table.details_of or wrong.fault in (Fault.BAD_KEY, Fault.QUOTA_SPENT):
                    raise
                failed += 1
                # What concerns one key alone says nothing of the API, and must not hide the others.
                in_a_row += 0 if wrong.fault is Fault.BAD_REQUEST else 1
                error = f"{failed} of {len(calls)} details failed, the last {call.path}: {wrong}"
                if in_a_row == FAILURES_IN_A_ROW:
                    break
    except AnswerError as wrong:
        error = f"{call.path}: {wrong}"
        if wrong.fault is Fault.BAD_KEY:
            key = environment_name(f"sources.{source.name}.service_key")
            error += f"; check {key}, and that the key is granted for this service"
    except (AllowanceSpentError, raw.RawError) as wrong:
        error = str(wrong)
    if not error and not note:
        raw.complete(lake, folder, archive.pages)
    return Extracted(archive.calls, len(archive.pages), error, note, archive.bytes, odd)


def accept(source: Source, table: Table, response: Response) -> pa.Table:
    """The rows of an answer that is data. Raises AnswerError for any other."""
    source.judge(response)
    try:
        rows = table.read(response.content)
    except (ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise AnswerError(Fault.UNREADABLE, f"{type(error).__name__} {error}", response) from None
    if table.details_of and len(rows) == 0:
        raise AnswerError(Fault.BAD_REQUEST, "there is nothing under this key", response)
    return rows


class _RowsClient(RESTClient):
    """dlt's REST client, reading pages as the table reads them, be they JSON or XML."""

    def __init__(self, table: Table, base_url: str, session: Any) -> None:
        super().__init__(base_url, session=session, data_selector="$")
        self._table = table

    def extract_response(self, response: Response, data_selector: Any) -> list[Row]:
        rows: list[Row] = self._table.read(response.content).to_pylist()
        return rows


def _client(table: Table, api: Api, archive: Archive) -> _RowsClient:
    """Retries, waits and time-outs are dlt's, by its settings `RUNTIME__REQUEST_…`."""
    requests = Client(
        raise_for_status=False,
        status_codes=(),
        exceptions=(),
        retry_condition=lambda _, error: isinstance(error, AnswerError) and error.fault.passes,
    )
    requests.configure()
    session = requests.session
    if is_this_machine(api.base_url):
        session.trust_env = False  # a proxy can't reach it
    session.headers["User-Agent"] = "HelloKorea/0.1"  # some gateways refuse Python's own
    session.mount("http://", archive)
    session.mount("https://", archive)
    return _RowsClient(table, api.base_url, session)


def _pages(client: _RowsClient, call: Call) -> Any:
    return client.paginate(call.path, params=dict(call.params), paginator=call.paginator())
