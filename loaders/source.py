"""The words in which a source module describes its API. Values only: nothing here does I/O."""

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

Row = dict[str, Any]
"""One record as answered: the API's own field names, values as they came."""


class Fault(Enum):
    """What an answer that is no data means, and so what is done about it."""

    BAD_KEY = "the key is refused"
    QUOTA_SPENT = "the API's allowance for the day is spent"
    BAD_REQUEST = "the request is refused"
    GONE = "the service is gone"
    DOWN = "the API is down"
    BUSY = "the API is asked too fast"
    UNREADABLE = "the answer can't be read"
    TOO_LARGE = "the answer is too large"

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self in (Fault.DOWN, Fault.BUSY, Fault.UNREADABLE)


class AnswerError(HTTPError):
    """An answer that is no data. An `HTTPError`, so that dlt's retry honours `Retry-After`.

    `wait`: the seconds after which to ask again, where the answer's own header does not tell them.
    """

    def __init__(
        self, fault: Fault, said: str, response: Response | None = None, wait: int = 0
    ) -> None:
        self.fault = fault
        self.said = " ".join(said.split())
        super().__init__(f"{fault.value}: {self.said}", response=response)
        if wait and response is not None:
            response.headers["Retry-After"] = str(wait)


@dataclass(frozen=True)
class Call:
    """One operation asked with one set of parameters, over all its pages."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    paginator: Callable[[], BasePaginator] = SinglePagePaginator
    row: Mapping[str, Any] = field(default_factory=dict)
    """Values that hold for every row of the answer and do not stand in it."""
    echo: tuple[str, ...] = ()
    """Parameters, as they were sent at last, that do so too."""
    key: str = ""
    """Of a detail: the key it is asked by, as `Ask.keys` has it."""


@dataclass(frozen=True)
class Ask:
    """What a table's calls are made from."""

    on: date
    """The logical date, in KST."""
    options: Mapping[str, Any]
    """The source's options, by name."""
    changed_since: date | None = None
    """For a table with details: the last date before, for which its list was asked."""
    keys: tuple[str, ...] = ()
    """For a table of details: the keys that are new or changed.

    A key is the values of the list's primary key with `/` between them, and `@` and the version
    after them where the list tells one.
    """


@dataclass(frozen=True)
class Column:
    """One typed column of a staged table and the answer's field that it comes from."""

    name: str
    field: str
    type: pa.DataType
    format: str = ""
    """For dates and times: the strptime format."""
    optional: bool = False


def optional(column: Column) -> Column:
    """A column whose field answers may lack without a word."""
    return replace(column, optional=True)


def text(name: str, field: str) -> Column:
    return Column(name, field, pa.string())


def number(name: str, field: str) -> Column:
    return Column(name, field, pa.float64())


def whole(name: str, field: str) -> Column:
    return Column(name, field, pa.int32())


def yes_no(name: str, field: str) -> Column:
    """`Y` or `N`."""
    return Column(name, field, pa.bool_())


def day(name: str, field: str, format: str) -> Column:
    return Column(name, field, pa.date32(), format)


def moment(name: str, field: str, format: str) -> Column:
    """A time in KST, without a zone."""
    return Column(name, field, pa.timestamp("us"), format)


@dataclass(frozen=True)
class Table:
    """One staged table: what to ask, how to read an answer, what comes of it."""

    name: str
    primary_key: tuple[str, ...]
    columns: tuple[Column, ...]
    calls: Callable[[Ask], Iterable[Call]]
    read: Callable[[bytes], pa.Table]
    """The rows of an answer: columns of text under the API's own field names."""
    details_of: str | None = None
    """The table whose new or changed keys this one asks for, one call a key."""
    version: str | None = None
    """For a list with details: the column that tells one version of a row from the next.

    A list without one has a column `is_changed` instead, and is asked by `Ask.changed_since`.
    """
    unused: frozenset[str] = frozenset()
    """Fields that answers have and no column wants."""
    answers_past: bool = False
    """Whether the API can still answer today for an earlier logical date."""


@dataclass(frozen=True)
class Option:
    """A setting of one source: `SOURCES__<SOURCE>__<NAME>`."""

    default: str
    convert: Callable[[str], Any]
    """Raises ValueError for a value that can't be used."""
    wants: str


def days(value: str) -> int:
    """A number of days. Raises ValueError."""
    if not re.fullmatch(r"\d{1,4}", value) or int(value) > 3660:
        raise ValueError(value)
    return int(value)


def region_code(value: str) -> str:
    """Two digits, or nothing for the whole country. Raises ValueError."""
    if value != "all" and not re.fullmatch(r"\d\d", value):
        raise ValueError(value)
    return "" if value == "all" else value


@dataclass(frozen=True)
class Source:
    """One API: one pipeline."""

    name: str
    base_url: str
    extension: str
    """Of its answers as raw files: `json` or `xml`."""
    daily_allowance: int
    """Calls of one operation on one KST day, unless a setting says otherwise."""
    tables: tuple[Table, ...]
    options: Mapping[str, Option]
    sign: Callable[[PreparedRequest, str], None]
    """Puts the key into a request that is about to leave."""
    judge: Callable[[Response], None]
    """Returns when the answer is data (an empty page is). Raises AnswerError otherwise."""
    operation: Callable[[str], str]
    """From a path below `base_url`, the operation that the allowance counts."""

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


def raise_for_http(source: str, response: Response, otherwise: Fault) -> None:
    """Returns when the status is 200. Raises AnswerError, `otherwise` for one untold here."""
    status = response.status_code
    if response.is_redirect:
        where = urlsplit(response.headers.get("Location", ""))
        setting = f"SOURCES__{source.upper()}__BASE_URL"
        said = f"the address has moved to {where.scheme}://{where.netloc}: set {setting}"
        raise AnswerError(Fault.BAD_REQUEST, said, response)
    if status == 404:
        raise AnswerError(Fault.GONE, "HTTP 404", response)
    if status == 429:
        raise AnswerError(fault_of_429(response), "HTTP 429", response)
    if status >= 500 or status == 408:
        raise AnswerError(Fault.DOWN, f"HTTP {status}", response)
    if status != 200:
        raise AnswerError(otherwise, f"HTTP {status}", response)


def fault_of_429(response: Response) -> Fault:
    """Too fast where the answer says how long to wait; else the day's allowance is spent."""
    return Fault.BUSY if "Retry-After" in response.headers else Fault.QUOTA_SPENT


def text_columns(rows: list[Row]) -> pa.Table:
    """Rows as columns of text. A value that is no text stands as its JSON."""
    fields = dict.fromkeys(field for row in rows for field in row)
    return pa.table({field: _texts([row.get(field) for row in rows]) for field in fields})


def _texts(values: list[Any]) -> pa.Array:
    texts = [it if it is None or isinstance(it, str) else orjson.dumps(it) for it in values]
    return pa.array(texts, pa.string())


class FullPagePaginator(BasePaginator):
    """Asks the next page, counted by the parameter `page`, as long as pages come back full."""

    def __init__(self, page: str, size: int) -> None:
        super().__init__()
        self._page = page
        self._size = size
        self._number = 1

    def init_request(self, request: Request) -> None:
        request.params = {**request.params, self._page: "1"}

    def update_state(self, response: Response, data: list[Row] | None = None) -> None:
        self._has_next_page = len(data or []) >= self._size
        self._number += 1

    def update_request(self, request: Request) -> None:
        request.params[self._page] = str(self._number)


class FirstWithRows(BasePaginator):
    """Asks with one set of parameters after the other until one is answered with rows."""

    def __init__(self, *steps: Mapping[str, str]) -> None:
        super().__init__()
        self._steps = iter(steps)

    def init_request(self, request: Request) -> None:
        request.params = {**request.params, **next(self._steps)}

    def update_state(self, response: Response, data: list[Row] | None = None) -> None:
        self._next = None if data else next(self._steps, None)
        self._has_next_page = self._next is not None

    def update_request(self, request: Request) -> None:
        request.params |= self._next or {}


BLOCKS = ("br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6")
NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|<\?xml[^>]*>")
"""What lxml takes no text with: control characters, and the declaration of an encoding."""


def text_of_html(fragment: str) -> str:
    """The text of a piece of HTML: a line for each block, without tags, entities and odd blanks."""
    try:
        tree = html.fragment_fromstring(NO_XML.sub(" ", fragment), create_parent="div")
    except etree.ParserError:  # nothing but a piece of a tag
        return ""
    for hidden in tree.iter("script", "style", etree.Comment, etree.PI):
        hidden.text = ""
    for block in tree.iter(*BLOCKS):
        block.text = "\n" + (block.text or "")
        block.tail = "\n" + (block.tail or "")
    lines = (" ".join(line.split()) for line in tree.text_content().splitlines())
    return "\n".join(line for line in lines if line)


def key_in_query(name: str) -> Callable[[PreparedRequest, str], None]:
    """Signs a request by the query parameter `name`."""

    def sign(request: PreparedRequest, key: str) -> None:
        request.prepare_url(request.url, {name: key})

    return sign
