"""The gateway of data.go.kr: its error responses, and the envelope of the services behind it.

Facts: the portal's table of error codes, and responses recorded in 2026.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson

from loaders.sample_api.service import KEY, ApiResponse, Request

JSON = "application/json;charset=UTF-8"
XML = "text/xml;charset=UTF-8"
TEXT = "text/plain;charset=UTF-8"

Params = Mapping[str, str]
T = TypeVar("T")


def _gateway_error(status: int, code: str, name: str, message: str) -> ApiResponse:
    header = {"errMsg": name, "returnAuthMsg": message, "returnReasonCode": code}
    body = orjson.dumps({"OpenAPI_ServiceResponse": {"cmmMsgHeader": header}})
    return ApiResponse(status, JSON, body)


def _legacy_error(code: str, name: str) -> ApiResponse:
    """Return an error of the older gateway: XML under HTTP 200, regardless of `_type`."""
    body = (
        "<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg>"
        f"<returnAuthMsg>{name}</returnAuthMsg><returnReasonCode>{code}</returnReasonCode>"
        "</cmmMsgHeader></OpenAPI_ServiceResponse>"
    )
    return ApiResponse(200, XML, body.encode())


def _plain_error(status: int, text: str) -> ApiResponse:
    return ApiResponse(status, TEXT, text.encode())


def service_error(code: str, message: str) -> ApiResponse:
    """Return an error of the service behind the gateway, in the service's envelope."""
    header = {"resultCode": code, "resultMsg": message}
    return ApiResponse(200, JSON, orjson.dumps({"response": {"header": header}}))


_BAD_KEY = "SERVICE_KEY_IS_NOT_REGISTERED_ERROR"
_QUOTA = "LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR"
_QUOTA_MESSAGE = "일일 서비스 요청제한 횟수 초과 에러"
GATEWAY_ERRORS = {
    "bad_key": _gateway_error(403, "30", _BAD_KEY, "등록되지 않은 서비스키"),
    "retired": _gateway_error(400, "12", "NO_OPENAPI_SERVICE_ERROR", "폐기된 서비스"),
    "quota": _plain_error(429, "API token quota exceeded"),
    "quota_envelope_200": _gateway_error(200, "22", _QUOTA, _QUOTA_MESSAGE),
    "quota_envelope_403": _gateway_error(403, "22", _QUOTA, _QUOTA_MESSAGE),
    "rate_limit": _plain_error(429, "API rate limit exceeded"),
    "forwarding": _plain_error(502, "Error forwarding request to backend server"),
    "receiving": _plain_error(502, "Error receiving response from backend server"),
    "unexpected": _plain_error(500, "Unexpected error"),
    "not_found": _plain_error(404, "API not found"),
    "legacy_bad_key": _legacy_error("30", _BAD_KEY),
    "legacy_quota": _legacy_error("22", _QUOTA),
    "legacy_timeout": _legacy_error("05", "SERVICETIME_OUT"),
}


def authorization_error(request: Request) -> ApiResponse | None:
    """Return the gateway's error for a wrong key or a spent quota, or None."""
    if request.params.get("serviceKey") != KEY:
        return GATEWAY_ERRORS["bad_key"]
    return GATEWAY_ERRORS["quota"] if request.is_quota_spent else None


def page_number(params: Params) -> int:
    return int(params.get("pageNo", 1))


def rows_of_page(rows: Sequence[T], params: Params) -> Sequence[T]:
    """Return the rows of the requested page. A page has 10 rows by default."""
    size = int(params.get("numOfRows", 10))
    first = (page_number(params) - 1) * size
    return rows[first : first + size]


def json_page(
    items: Any,
    row_count: int,
    page: int,
    total: int,
    *,
    code: str = "00",
    message: str = "OK",
    **more: Any,
) -> ApiResponse:
    """Return a page in the JSON envelope.

    `items` has the service's own form. `numOfRows` echoes the number of rows returned. `more` are
    further fields of the body.
    """
    body = {**more, "items": items, "numOfRows": row_count, "pageNo": page, "totalCount": total}
    header = {"resultCode": code, "resultMsg": message}
    return ApiResponse(200, JSON, orjson.dumps({"response": {"header": header, "body": body}}))
