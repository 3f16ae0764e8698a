"""The types with which a source module describes its API, and readers that sources share.

Nothing here does I/O.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import orjson
import pyarrow as pa
from dlt.sources.helpers.rest_client.paginators import BasePaginator, SinglePagePaginator
from lxml import etree, html
from requests import HTTPError, PreparedRequest, Request, Response

from loaders.errors import one_line

SHORT_TEXT, LONG_TEXT, LONGEST_URL = 1000, 65_535, 2000
"""Bytes of the texts that the contracts of dbt's models allow."""

Row = dict[str, Any]
"""One record of a response: the API's own field names and values."""


class ApiFault(Enum):
    """Kinds of API error. The kind decides how an error is handled."""

    BAD_KEY = "the key is refused"
    QUOTA_SPENT = "the API's allowance for the day is spent"
    BAD_REQUEST = "the request is refused"
    GONE = "the service is gone"
    DOWN = "the API is down"
    NOT_TRUSTED = "its certificate is not trusted"
    PAUSED = "the API asks for a longer pause than a run waits"
    BUSY = "the API is called too fast"
    UNREADABLE = "the response can't be read"
    TOO_LARGE = "the response is too large"

    @property
    def is_transient(self) -> bool:
        """Whether a retry of the same request may succeed."""
        return self in (ApiFault.DOWN, ApiFault.BUSY, ApiFault.UNREADABLE)


class ApiError(HTTPError):
    """Raised for a response that holds no data.

    It is an `HTTPError`, so that dlt's retry honours `Retry-After`. `wait` is the delay in seconds
    before a retry, for responses without that header.
    """

    def __init__(
        self, fault: ApiFault, message: str, response: Response | None = None, wait: int = 0
    ) -> None:
        self.fault = fault
        self.message = one_line(message)
        super().__init__(f"{fault.value}: {self.message}", response=response)
        if wait and response is not None:
            response.headers["Retry-After"] = str(wait)


@dataclass(frozen=True)
class ApiRequest:
    """One operation with one set of parameters, over all its pages."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    paginator: Callable[[], BasePaginator] = SinglePagePaginator
    row: Mapping[str, Any] = field(default_factory=dict)
    """Values that apply to every row of the response but are not part of it."""
    echo: tuple[str, ...] = ()
    """Names of request parameters whose final values apply to every row too."""
    key: str = ""
    """For details, the key that is requested, in the form of `ExtractRequest.keys`."""


@dataclass(frozen=True)
class ExtractRequest:
    """What to extract for one table and date: the input of `Table.requests`."""

    logical_date: date
    """In KST."""
    options: Mapping[str, Any]
    """The source's options by name."""
    changed_since: date | None = None
    """For a list with details: the last earlier date for which the list was fetched."""
    keys: tuple[str, ...] = ()
    """For details: the keys that are new or changed, in the order in which they are requested.

    A key is the values of `Table.details_key` joined by `/`, followed by `@` and the version if
    the list has one.
    """


@dataclass(frozen=True)
class Column:
    """One typed column of a staged table, and the response field that it comes from."""

    name: str
    field: str
    type: pa.DataType
    format: str = ""
    """The strptime format of dates and times."""
    optional: bool = False
    """Whether responses may lack the field without a note."""
    limit: int = SHORT_TEXT
    """The most bytes of a text in UTF-8. Redshift counts them, and PostgreSQL the characters.

    A row with a longer key is rejected. Any other text is cut or left out, and reported.
    """
    is_cut: bool = True
    """Whether a longer text is cut. A part of a code or an address would mean something else, so
    such a text is left out."""


def optional(column: Column) -> Column:
    """Mark a column as optional."""
    return replace(column, optional=True)


def text(name: str, field: str, limit: int = SHORT_TEXT) -> Column:
    """Return a column of texts that are cut to `limit` bytes."""
    return Column(name, field, pa.string(), limit=limit)


def long_text(name: str, field: str) -> Column:
    """Return a column of texts as long as Redshift stores any."""
    return Column(name, field, pa.string(), limit=LONG_TEXT)


def code_(name: str, field: str, limit: int = 20) -> Column:
    """Return a column of codes or ids of at most `limit` bytes."""
    return Column(name, field, pa.string(), limit=limit, is_cut=False)


def url(name: str, field: str) -> Column:
    """Return a column of web addresses."""
    return Column(name, field, pa.string(), limit=LONGEST_URL, is_cut=False)


def number(name: str, field: str) -> Column:
    return Column(name, field, pa.float64())


def integer(name: str, field: str) -> Column:
    return Column(name, field, pa.int32())


def boolean(name: str, field: str) -> Column:
    """Return a column of `Y` and `N`."""
    return Column(name, field, pa.bool_())


def date_(name: str, field: str, format: str) -> Column:
    """Return a column of KST dates."""
    return Column(name, field, pa.date32(), format)


def timestamp(name: str, field: str, format: str) -> Column:
    """Return a column of KST times, without a time zone."""
    return Column(name, field, pa.timestamp("us"), format)


@dataclass(frozen=True)
class Table:
    """One staged table: what to request, how to read a response, and the resulting columns."""

    name: str
    primary_key: tuple[str, ...]
    columns: tuple[Column, ...]
    requests: Callable[[ExtractRequest], Iterable[ApiRequest]]
    read: Callable[[bytes], pa.Table]
    """Parse a response body into text columns under the API's own field names."""
    details_of: str | None = None
    """The list whose new or changed keys this table requests, one request per key.

    The tables with details of one list are extracted in the order of the source.
    """
    details_key: tuple[str, ...] = ()
    """For details: the columns of the list that a request needs, by default its primary key."""
    wanted: Callable[[pa.Table], pa.Table] | None = None
    """For details: return the rows of the list to request, those of most use first.

    They are taken in this order until the day's allowance is spent. By default all rows are
    wanted, in the order of their keys.
    """
    version: str | None = None
    """For a list with details: the column that identifies the version of a row.

    A list without such a column has `is_changed` instead, and uses `ExtractRequest.changed_since`.
    """
    ignored_fields: frozenset[str] = frozenset()
    """Fields we know about and ignore."""
    answers_past: bool = False
    """Whether the API can still return the data of an earlier logical date."""
    days_before_first: int = 0
    """Days before its first one for which a new home on the sample API has this table too.

    Their calls are counted by no real API. They show a newcomer a history.
    """
    kept_under: Callable[[date], date] | None = None
    """For a table that is not asked for daily: the logical date that stands for a date's period.

    All dates of a period share its extraction, so its calls are made once.
    """
    identity: tuple[str, ...] = ()
    """Columns that identify what a row describes, by default the primary key.

    Of dates beyond the retention, staging keeps only the newest rows of each identity.
    """
    history_day: str = ""
    """For a history that dbt models keep by day: the column with the day of a row.

    Staging forgets a day beyond the retention once the models have it.
    """


@dataclass(frozen=True)
class Option:
    """A setting of one source, `SOURCES__<SOURCE>__<NAME>`."""

    default: str
    convert: Callable[[str], Any]
    """Convert a value. Raise ValueError if it is unusable."""
    expected: str
    """For the error message, such as "expected a date"."""


def days(value: str) -> int:
    """Convert a number of days, at most 3660. Raise ValueError."""
    if not re.fullmatch(r"\d{1,4}", value) or int(value) > 3660:
        raise ValueError(value)
    return int(value)


def region_code(value: str) -> str:
    """Convert a two-digit code, or `all` to "" for the whole country. Raise ValueError."""
    if value != "all" and not re.fullmatch(r"\d\d", value):
        raise ValueError(value)
    return "" if value == "all" else value


@dataclass(frozen=True)
class Source:
    """One API, which is one pipeline."""

    name: str
    base_url: str
    key_url: str
    """Page on which one applies for a key."""
    extension: str
    """File extension of raw bodies, `json` or `xml`."""
    daily_allowance: int
    """Default limit on calls of one operation per KST day."""
    tables: tuple[Table, ...]
    options: Mapping[str, Option]
    authenticate: Callable[[PreparedRequest, str], None]
    """Add the key to a request just before it is sent."""
    check_response: Callable[[Response], None]
    """Raise ApiError unless the response is data, which an empty page is."""
    operation: Callable[[str], str]
    """Map a path below `base_url` to the operation that the daily allowance counts."""
    parallel_calls: int = 4
    """Default limit on calls that are in flight at the same time."""
    calls_per_minute: int | None = None
    """The API's own limit on calls in a minute, if it has one."""

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


def raise_for_status(source: str, response: Response, otherwise: ApiFault) -> None:
    """Raise ApiError unless the status is 200; `otherwise` is the fault of an unlisted status."""
    status = response.status_code
    if response.is_redirect:
        target = urlsplit(response.headers.get("Location", ""))
        setting = f"SOURCES__{source.upper()}__BASE_URL"
        message = f"the address has moved to {target.scheme}://{target.netloc}: set {setting}"
        raise ApiError(ApiFault.BAD_REQUEST, message, response)
    if status == 404:
        raise ApiError(ApiFault.GONE, "HTTP 404", response)
    if status == 429:
        raise ApiError(rate_limit_fault(response), "HTTP 429", response)
    if status >= 500 or status == 408:
        raise ApiError(ApiFault.DOWN, f"HTTP {status}", response)
    if status != 200:
        raise ApiError(otherwise, f"HTTP {status}", response)


def rate_limit_fault(response: Response) -> ApiFault:
    """Return the fault of HTTP 429: BUSY with the header `Retry-After`, else QUOTA_SPENT."""
    return ApiFault.BUSY if "Retry-After" in response.headers else ApiFault.QUOTA_SPENT


def text_columns(rows: list[Row]) -> pa.Table:
    """Return rows as a table of text columns. Values of other types become their JSON."""
    fields = dict.fromkeys(field for row in rows for field in row)
    return pa.table({field: _text_array([row.get(field) for row in rows]) for field in fields})


def _text_array(values: list[Any]) -> pa.Array:
    texts = [
        value if value is None or isinstance(value, str) else orjson.dumps(value)
        for value in values
    ]
    return pa.array(texts, pa.string())


class FullPagePaginator(BasePaginator):
    """Request numbered pages, through the parameter `page`, until one is not full."""

    def __init__(self, page: str, size: int) -> None:
        super().__init__()
        self._page = page
        self._size = size
        self._number = 1

    def init_request(self, request: Request) -> None:
        request.params = {**request.params, self._page: "1"}

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        self._has_next_page = sum(map(len, data or [])) >= self._size
        self._number += 1

    def update_request(self, request: Request) -> None:
        request.params[self._page] = str(self._number)


class FallbackPaginator(BasePaginator):
    """Request one page with each set of parameters in turn until a response has rows."""

    def __init__(self, *parameter_sets: Mapping[str, str]) -> None:
        super().__init__()
        self._parameter_sets = iter(parameter_sets)

    def init_request(self, request: Request) -> None:
        request.params = {**request.params, **next(self._parameter_sets)}

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        self._next = None if data else next(self._parameter_sets, None)
        self._has_next_page = self._next is not None

    def update_request(self, request: Request) -> None:
        request.params |= self._next or {}


BLOCK_TAGS = ("br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6")
INVALID_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|<\?xml[^>]*>")
"""What lxml rejects in a string: control characters, and XML declarations with an encoding."""


def html_to_text(fragment: str) -> str:
    """Return the text of an HTML fragment, one line per block, without tags and entities."""
    try:
        tree = html.fragment_fromstring(INVALID_XML.sub(" ", fragment), create_parent="div")
    except etree.ParserError:  # the fragment is only a part of a tag
        return ""
    for hidden in tree.iter("script", "style", etree.Comment, etree.PI):
        hidden.text = ""
    for block in tree.iter(*BLOCK_TAGS):
        block.text = "\n" + (block.text or "")
        block.tail = "\n" + (block.tail or "")
    lines = (" ".join(line.split()) for line in tree.text_content().splitlines())
    return "\n".join(line for line in lines if line)


def key_in_query(name: str) -> Callable[[PreparedRequest, str], None]:
    """Return a function that puts the key into the query parameter `name`."""

    def authenticate(request: PreparedRequest, key: str) -> None:
        request.prepare_url(request.url, {name: key})

    return authenticate
