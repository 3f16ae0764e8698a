"""The gateway of data.go.kr, which stands in front of several APIs, and its error forms.

The gateway has changed over the years, so an error is known by what it says and not by its
status: a JSON or XML envelope, a flat JSON object, or a line of text, under 200, 400, 403 or 429.
"""

import re

from requests import Response

from loaders.source import AnswerError, Fault, fault_of_429

# https://www.data.go.kr: the portal's table of error codes.
FAULTS = {
    **dict.fromkeys(("01", "02", "04", "05", "99"), Fault.DOWN),
    **dict.fromkeys(("10", "11"), Fault.BAD_REQUEST),
    "12": Fault.GONE,
    **dict.fromkeys(("20", "21", "30", "31", "32", "33"), Fault.BAD_KEY),
    "22": Fault.QUOTA_SPENT,
}
PLAIN_TEXT = {
    "API token quota exceeded": Fault.QUOTA_SPENT,
    "API rate limit exceeded": Fault.BUSY,
    "API not found": Fault.GONE,
    "Error forwarding request to backend server": Fault.DOWN,
    "Error receiving response from backend server": Fault.DOWN,
    "Unexpected error": Fault.DOWN,
}

_REASON_CODE = re.compile(r'returnReasonCode"?\s*[:>]\s*"?(\d+)')
_RESULT_CODE = re.compile(r'"resultCode"\s*:\s*"(\d+)"')
_MESSAGE = re.compile(r'(?:returnAuthMsg|resultMsg|errMsg)"?\s*[:>]\s*"?([^"<]+)')


def raise_for_gateway(response: Response) -> None:
    """Returns when the answer is the service's own JSON. Raises AnswerError for every other form.

    The service's own result code is left to the source: each has its own idea of "no data".
    """
    start = response.content[:2000].decode("utf-8", "replace").strip()
    code = _REASON_CODE.search(start)
    if code:
        raise fault_of_code(code.group(1), start, response)
    for said, fault in PLAIN_TEXT.items():
        if start.startswith(said):
            raise AnswerError(fault, said, response)
    if '"response"' not in start:
        flat = _RESULT_CODE.search(start)
        if flat:
            raise fault_of_code(flat.group(1), start, response)
    if response.status_code == 429:
        raise AnswerError(fault_of_429(response), "HTTP 429", response)
    if response.status_code in (401, 403):
        raise AnswerError(Fault.BAD_KEY, f"HTTP {response.status_code} {start[:80]}", response)
    if response.status_code >= 500 or response.status_code == 408:
        raise AnswerError(Fault.DOWN, f"HTTP {response.status_code}", response)
    if response.status_code != 200:
        raise AnswerError(Fault.BAD_REQUEST, f"HTTP {response.status_code} {start[:80]}", response)
    if not start.startswith("{"):
        raise AnswerError(Fault.UNREADABLE, f"not JSON: {start[:80]!r}", response)


def fault_of_code(code: str, said: str, response: Response) -> AnswerError:
    message = _MESSAGE.search(said)
    words = message.group(1) if message else said[:80]
    fault = FAULTS.get(code.zfill(2)[-2:], Fault.DOWN)
    return AnswerError(fault, f"code {code} {words}", response)
