"""The gateway of data.go.kr, which stands in front of several APIs, and its error forms.

The gateway has changed over the years, so an error is known by what it says and not by its
status: a JSON or XML envelope, a flat JSON object, or a line of text, under 200, 400, 403 or 429.
"""

import re
from urllib.parse import parse_qs, urlsplit

import orjson
import pyarrow as pa
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from loaders.sources.source import ApiError, ApiFault, Row, fault_of_429

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
PLAIN_TEXT = {
    "API token quota exceeded": ApiFault.QUOTA_SPENT,
    "API rate limit exceeded": ApiFault.BUSY,
    "API not found": ApiFault.GONE,
    "Error forwarding request to backend server": ApiFault.DOWN,
    "Error receiving response from backend server": ApiFault.DOWN,
    "Unexpected error": ApiFault.DOWN,
}

_REASON_CODE = re.compile(r'returnReasonCode"?\s*[:>]\s*"?(\d+)')
_RESULT_CODE = re.compile(r'"resultCode"\s*:\s*"(\d+)"')
_MESSAGE = re.compile(r'(?:returnAuthMsg|resultMsg|errMsg)"?\s*[:>]\s*"?([^"<]+)')


def raise_for_gateway(response: Response) -> None:
    """Returns when the answer is the service's own JSON. Raises ApiError for every other form.

    The service's own result code is left to the source: each has its own idea of "no data".
    """
    start = response.content[:2000].decode("utf-8", "replace").strip()
    code = _REASON_CODE.search(start)
    if code:
        raise fault_of_code(code.group(1), start, response)
    for said, fault in PLAIN_TEXT.items():
        if start.startswith(said):
            raise ApiError(fault, said, response)
    if '"response"' not in start:
        flat = _RESULT_CODE.search(start)
        if flat:
            raise fault_of_code(flat.group(1), start, response)
    if response.status_code == 429:
        raise ApiError(fault_of_429(response), "HTTP 429", response)
    if response.status_code in (401, 403):
        raise ApiError(ApiFault.BAD_KEY, f"HTTP {response.status_code} {start[:80]}", response)
    if response.status_code >= 500 or response.status_code == 408:
        raise ApiError(ApiFault.DOWN, f"HTTP {response.status_code}", response)
    if response.status_code != 200:
        raise ApiError(ApiFault.BAD_REQUEST, f"HTTP {response.status_code} {start[:80]}", response)
    if not start.startswith("{"):
        raise ApiError(ApiFault.UNREADABLE, f"not JSON: {start[:80]!r}", response)


def fault_of_code(code: str, said: str, response: Response) -> ApiError:
    message = _MESSAGE.search(said)
    words = message.group(1) if message else said[:80]
    fault = FAULTS.get(code.zfill(2)[-2:], ApiFault.DOWN)
    return ApiError(fault, f"code {code} {words}", response)


class TotalCountPaginator(BasePaginator):
    """Asks the next page while the rows of the pages asked for stay below `totalCount`.

    `numOfRows` in the answer echoes the rows returned, so the size asked for is kept here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.page = 1
        self.size = 0
        self.total = 0
        self.left = 0
        """Pages still to come."""

    def init_request(self, request: Request) -> None:
        request.params = {**request.params, "pageNo": "1"}
        self.size = int(request.params["numOfRows"])

    def update_state(self, response: Response, data: list[pa.Table] | None = None) -> None:
        self.total = _total_count(response.content)
        self.left = max(0, -(-self.total // self.size) - self.page)
        self._has_next_page = self.left > 0
        self.page += 1

    def update_request(self, request: Request) -> None:
        request.params["pageNo"] = str(self.page)


def check_pages(response: Response) -> None:
    """Accepts a service's own envelope with result 0 or "no data"; all else is a named fault.

    So is a page without rows that should have some: taken for the end of the list, it would lose
    all that follow.
    """
    raise_for_gateway(response)
    try:
        header = orjson.loads(response.content)["response"]["header"]
        code = str(header["resultCode"])
        total = _total_count(response.content)
        rows_before = _rows_before(response)
        is_cut = rows_before > 0 and total == 0
        is_cut |= rows_before < total and not items(response.content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError(ApiFault.UNREADABLE, "none of this service's answers", response) from None
    if code.strip("0") and code.zfill(2)[-2:] != NO_DATA:
        raise fault_of_code(code, str(header.get("resultMsg") or ""), response)
    if is_cut:
        raise ApiError(ApiFault.UNREADABLE, "a page without the rows that it should have", response)


def body_of(answer: bytes) -> Row:
    """What the envelope holds; nothing where there is "no data"."""
    body: Row = orjson.loads(answer)["response"].get("body") or {}
    return body


def items(answer: bytes) -> list[Row]:
    """The rows of an answer: `items` is their list, or has it as `item`; a single row may come
    without a list. Raises ValueError."""
    found = body_of(answer).get("items")
    if isinstance(found, dict):
        if found.keys() - {"item"}:
            raise ValueError(f"items has {min(found)}, where a list or item was due")
        found = found.get("item")
    if not isinstance(found, dict):
        return list(found or [])
    if any(isinstance(value, dict) for value in found.values()):
        raise ValueError("item is a dict of rows, where a list was due")
    return [found]


def _total_count(answer: bytes) -> int:
    return int(body_of(answer).get("totalCount") or 0)


def _rows_before(response: Response) -> int:
    """The rows of the pages before the one that was asked for. A detail has no page."""
    query = parse_qs(urlsplit(response.request.url or "").query)
    (page,), (size,) = query.get("pageNo", ["1"]), query.get("numOfRows", ["0"])
    return (int(page) - 1) * int(size)
