"""The gateway of data.go.kr, which serves several APIs: its paging and its forms of error.

The gateway has changed over the years. Its errors come as a JSON or XML envelope, a flat JSON
object or a line of text, under HTTP 200, 400, 403 or 429. So an error is recognised by its body,
and by its status only if the body has another form.
"""

import re
from urllib.parse import parse_qs, urlsplit

import orjson
import pyarrow as pa
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from loaders.sources.source import ApiError, ApiFault, Row, rate_limit_fault

PAGE_SIZE = 1000
NO_DATA = "03"

# https://www.data.go.kr: the portal's table of error codes.
FAULTS = {
    **dict.fromkeys(("01", "02", "04", "05", "99"), ApiFault.DOWN),
    **dict.fromkeys(("10", "11"), ApiFault.BAD_REQUEST),
    "12": ApiFault.GONE,
    **dict.fromkeys(("20", "21", "30", "31", "32", "33"), ApiFault.BAD_KEY),
    "22": ApiFault.QUOTA_SPENT,
}
PLAIN_TEXT_FAULTS = {
    "API token quota exceeded": ApiFault.QUOTA_SPENT,
    "API rate limit exceeded": ApiFault.BUSY,
    "API not found": ApiFault.GONE,
    "Error forwarding request to backend server": ApiFault.DOWN,
    "Error receiving response from backend server": ApiFault.DOWN,
    "Unexpected error": ApiFault.DOWN,
}
"""Faults by the first words of a response that is a line of text."""

_REASON_CODE = re.compile(r'returnReasonCode"?\s*[:>]\s*"?(\d+)')
_RESULT_CODE = re.compile(r'"resultCode"\s*:\s*"(\d+)"')
_MESSAGE = re.compile(r'(?:returnAuthMsg|resultMsg|errMsg)"?\s*[:>]\s*"?([^"<]+)')


def raise_for_gateway(response: Response) -> None:
    """Raise ApiError unless the response is JSON that may be the service's own envelope.

    The result code in that envelope is for the caller to check, since each service has its own form
    of "no data".
    """
    start = response.content[:2000].decode("utf-8", "replace").strip()
    _raise_for_body(start, response)
    _raise_for_status(start, response)
    if not start.startswith("{"):
        raise ApiError(ApiFault.UNREADABLE, f"not JSON: {start[:80]!r}", response)


def _raise_for_body(start: str, response: Response) -> None:
    """Raise ApiError if the body, of which `start` is the beginning, is an error's."""
    reason_code = _REASON_CODE.search(start)
    if reason_code:
        raise _error_for_code(reason_code.group(1), start, response)
    for text, fault in PLAIN_TEXT_FAULTS.items():
        if start.startswith(text):
            raise ApiError(fault, text, response)
    is_flat = '"response"' not in start
    result_code = _RESULT_CODE.search(start)
    if is_flat and result_code:
        raise _error_for_code(result_code.group(1), start, response)


def _raise_for_status(start: str, response: Response) -> None:
    status = response.status_code
    if status == 429:
        raise ApiError(rate_limit_fault(response), "HTTP 429", response)
    if status in (401, 403):
        raise ApiError(ApiFault.BAD_KEY, f"HTTP {status} {start[:80]}", response)
    if status >= 500 or status == 408:
        raise ApiError(ApiFault.DOWN, f"HTTP {status}", response)
    if status != 200:
        raise ApiError(ApiFault.BAD_REQUEST, f"HTTP {status} {start[:80]}", response)


def _error_for_code(code: str, text: str, response: Response) -> ApiError:
    """Return the error for a code of the portal's table, with the message in `text`, if any."""
    match = _MESSAGE.search(text)
    message = match.group(1) if match else text[:80]
    return ApiError(
        FAULTS.get(_two_digits(code), ApiFault.DOWN), f"code {code} {message}", response
    )


def _two_digits(code: str) -> str:
    """Return a code in the form of the portal's table: services write `3`, `03` and `0003`."""
    return code.zfill(2)[-2:]


class TotalCountPaginator(BasePaginator):
    """Request numbered pages until they cover `totalCount` rows.

    `numOfRows` in a response is the number of rows returned, so the requested size is kept here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.page = 1
        self.size = 0
        self.total = 0
        self.received = 0
        """Number of rows received so far."""
        self.left = 0
        """Number of pages still to come."""

    def init_request(self, request: Request) -> None:
        request.params = {**request.params, "pageNo": "1"}
        self.size = int(request.params["numOfRows"])

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        self.total = _total_count(response.content)
        self.received += len(items(response.content))
        self.left = max(0, -(-self.total // self.size) - self.page)
        self._has_next_page = self.left > 0
        self.page += 1

    def update_request(self, request: Request) -> None:
        request.params["pageNo"] = str(self.page)


def check_gateway_response(response: Response) -> None:
    """Raise ApiError unless the response has the service's envelope with result 0 or "no data".

    A page without rows that should have some is an error too: as the end of the list, it would lose
    all the rows after it.
    """
    raise_for_gateway(response)
    try:
        header = orjson.loads(response.content)["response"]["header"]
        code = str(header["resultCode"])
        lacks_rows = _lacks_rows(response)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError(ApiFault.UNREADABLE, "not a response of this service", response) from None
    if code.strip("0") and _two_digits(code) != NO_DATA:
        raise _error_for_code(code, str(header.get("resultMsg") or ""), response)
    if lacks_rows:
        raise ApiError(ApiFault.UNREADABLE, "a page without the rows that it should have", response)


def _lacks_rows(response: Response) -> bool:
    """Return whether a page is empty although its list has rows for it."""
    total = _total_count(response.content)
    rows_before = _rows_before(response)
    if total == 0:
        return rows_before > 0
    return rows_before < total and not items(response.content)


def _rows_before(response: Response) -> int:
    """Return the number of rows on the pages before the requested one. A detail has no page."""
    query = parse_qs(urlsplit(response.request.url or "").query)
    (page,), (size,) = query.get("pageNo", ["1"]), query.get("numOfRows", ["0"])
    return (int(page) - 1) * int(size)


def items(content: bytes) -> list[Row]:
    """Return the rows of a response. Raise ValueError.

    `items` is their list or has it as `item`. A single row may come without a list.
    """
    rows = _body(content).get("items")
    if isinstance(rows, dict):
        if rows.keys() - {"item"}:
            raise ValueError(f"items has {min(rows)}: expected a list or item")
        rows = rows.get("item")
    if not isinstance(rows, dict):
        return list(rows or [])
    if any(isinstance(value, dict) for value in rows.values()):
        raise ValueError("item is a dict of rows: expected a list")
    return [rows]


def _total_count(content: bytes) -> int:
    return int(_body(content).get("totalCount") or 0)


def _body(content: bytes) -> Row:
    """Return the body in the envelope, which is empty if there is "no data"."""
    body: Row = orjson.loads(content)["response"].get("body") or {}
    return body
