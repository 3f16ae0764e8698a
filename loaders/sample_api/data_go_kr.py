"""The gateway of data.go.kr: its error answers, and the envelope of the services behind it.

Facts: the portal's table of error codes and answers recorded in 2026.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson

from loaders.sample_api.service import KEY, Answer, Request

JSON = "application/json;charset=UTF-8"
XML = "text/xml;charset=UTF-8"
TEXT = "text/plain;charset=UTF-8"

Params = Mapping[str, str]
T = TypeVar("T")


def _envelope(status: int, code: str, name: str, said: str) -> Answer:
    header = {"errMsg": name, "returnAuthMsg": said, "returnReasonCode": code}
    body = orjson.dumps({"OpenAPI_ServiceResponse": {"cmmMsgHeader": header}})
    return Answer(status, JSON, body)


def _legacy(code: str, name: str) -> Answer:
    """The form of the older gateway: XML under HTTP 200, whatever `_type` asks for."""
    body = (
        "<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg>"
        f"<returnAuthMsg>{name}</returnAuthMsg><returnReasonCode>{code}</returnReasonCode>"
        "</cmmMsgHeader></OpenAPI_ServiceResponse>"
    )
    return Answer(200, XML, body.encode())


def _plain(status: int, text: str) -> Answer:
    return Answer(status, TEXT, text.encode())


def result(code: str, message: str) -> Answer:
    """An error of the service itself, inside its own envelope."""
    header = {"resultCode": code, "resultMsg": message}
    return Answer(200, JSON, orjson.dumps({"response": {"header": header}}))


_BAD_KEY = "SERVICE_KEY_IS_NOT_REGISTERED_ERROR"
_QUOTA = "LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR"
_QUOTA_SAID = "일일 서비스 요청제한 횟수 초과 에러"
GATEWAY_ERRORS = {
    "bad_key": _envelope(403, "30", _BAD_KEY, "등록되지 않은 서비스키"),
    "retired": _envelope(400, "12", "NO_OPENAPI_SERVICE_ERROR", "폐기된 서비스"),
    "quota": _plain(429, "API token quota exceeded"),
    "quota_envelope_200": _envelope(200, "22", _QUOTA, _QUOTA_SAID),
    "quota_envelope_403": _envelope(403, "22", _QUOTA, _QUOTA_SAID),
    "rate_limit": _plain(429, "API rate limit exceeded"),
    "forwarding": _plain(502, "Error forwarding request to backend server"),
    "receiving": _plain(502, "Error receiving response from backend server"),
    "unexpected": _plain(500, "Unexpected error"),
    "not_found": _plain(404, "API not found"),
    "legacy_bad_key": _legacy("30", _BAD_KEY),
    "legacy_quota": _legacy("22", _QUOTA),
    "legacy_timeout": _legacy("05", "SERVICETIME_OUT"),
}


def refusal(request: Request) -> Answer | None:
    """The gateway's answer to a wrong key or a spent quota."""
    if request.params.get("serviceKey") != KEY:
        return GATEWAY_ERRORS["bad_key"]
    return GATEWAY_ERRORS["quota"] if request.is_quota_spent else None


def page_number(params: Params) -> int:
    return int(params.get("pageNo", 1))


def rows_of_page(found: Sequence[T], params: Params) -> Sequence[T]:
    """The rows of the page that is asked for; ten a page unless told."""
    size = int(params.get("numOfRows", 10))
    first = (page_number(params) - 1) * size
    return found[first : first + size]


def json_page(
    items: Any,
    rows: int,
    page: int,
    total: int,
    *,
    code: str = "00",
    message: str = "OK",
    **more: Any,
) -> Answer:
    """`items` in the service's own form; `numOfRows` echoes the rows returned."""
    body = {**more, "items": items, "numOfRows": rows, "pageNo": page, "totalCount": total}
    header = {"resultCode": code, "resultMsg": message}
    return Answer(200, JSON, orjson.dumps({"response": {"header": header, "body": body}}))
