"""Seoul Open Data Plaza: key and row range in the path, with its quirks and errors.

Facts: data.seoul.go.kr's documentation of its Open API, and responses recorded from 2024 to 2026.
"""

import re

import orjson

from loaders.sample_api.seoul_rows import SeoulRows, generated_rows, recorded_rows
from loaders.sample_api.service import KEY, ApiResponse, Request, Service

JSON = "application/json;charset=UTF-8"
XML = "text/xml;charset=UTF-8"
MAX_ROWS = 1000
POSITIVE_INTEGER = re.compile(r"[1-9]\d{0,8}")


def _result(code: str, message: str) -> ApiResponse:
    """Return an error or "no data": HTTP 200, without the envelope of the service."""
    return ApiResponse(200, JSON, orjson.dumps({"RESULT": {"CODE": code, "MESSAGE": message}}))


def _xml_result(code: str, message: str) -> ApiResponse:
    """Return the same as XML, regardless of the format in the path."""
    body = f"<RESULT><CODE>{code}</CODE><MESSAGE><![CDATA[{message}]]></MESSAGE></RESULT>"
    return ApiResponse(200, XML, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode())


_BAD_KEY = "인증키가 유효하지 않습니다.\n인증키가 없는 경우, 홈페이지에서 인증키를 신청하십시오."
_TOO_MANY = "데이터요청은 한번에 최대 1000건을 넘을 수 없습니다."
ERRORS = {
    "bad_key": _result("INFO-100", _BAD_KEY),
    "xml_bad_key": _xml_result("INFO-100", _BAD_KEY),
    "no_data": _result("INFO-200", "해당하는 데이터가 없습니다."),
    "missing_value": _result("ERROR-300", "필수 값이 누락되어 있습니다."),
    "bad_type": _result("ERROR-301", "파일타입 값이 누락 혹은 유효하지 않습니다."),
    "no_service": _result("ERROR-310", "해당하는 서비스를 찾을 수 없습니다."),
    "bad_start": _result("ERROR-331", "요청시작위치 값을 확인하십시오."),
    "bad_end": _result("ERROR-332", "요청종료위치 값을 확인하십시오."),
    "not_whole": _result("ERROR-333", "요청위치 값의 타입이 유효하지 않습니다."),
    "backwards": _result("ERROR-334", "요청종료위치 보다 요청시작위치가 더 큽니다."),
    # On the real plaza the key `sample` is limited to five rows. Here it has no such limit.
    "sample_limit": _result(
        "ERROR-335", "샘플데이터(샘플키:sample) 는 한번에 최대 5건을 넘을 수 없습니다."
    ),
    "too_many_rows": _result("ERROR-336", _TOO_MANY),
    "server": _result("ERROR-500", "서버 오류입니다."),
    "database": _result("ERROR-600", "데이터베이스 연결 오류입니다."),
    "sql": _result("ERROR-601", "SQL 문장 오류 입니다."),
    # The response of the plaza to a spent daily quota is not published.
    "quota": ApiResponse(429, "text/plain;charset=UTF-8", b"Too Many Requests"),
}


def operation(path: str) -> str:
    """Return the service of a path such as `<key>/json/culturalEventInfo/1/1000/`.

    The key is left out, so that it is never counted or printed.
    """
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""


def respond(request: Request, rows: SeoulRows) -> ApiResponse:
    key, file_type, service, start, end, *_ = [*request.path.split("/"), "", "", "", "", ""]
    if key != KEY:
        return ERRORS["bad_key"]
    if request.is_quota_spent:
        return ERRORS["quota"]
    if file_type != "json":
        return ERRORS["bad_type"]
    if service not in rows:
        return ERRORS["no_service"]
    if not start or not end:
        return ERRORS["missing_value"]
    if not POSITIVE_INTEGER.fullmatch(start) or not POSITIVE_INTEGER.fullmatch(end):
        return ERRORS["not_whole"]
    if int(start) > int(end):
        return ERRORS["backwards"]
    if int(end) - int(start) >= MAX_ROWS:
        return ERRORS["too_many_rows"]
    page = rows[service][int(start) - 1 : int(end)]
    if not page:
        return ERRORS["no_data"]
    envelope = {
        "list_total_count": len(rows[service]),
        "RESULT": {"CODE": "INFO-000", "MESSAGE": "정상 처리되었습니다"},
        "row": page,
    }
    return ApiResponse(200, JSON, orjson.dumps({service: envelope}))


SERVICE = Service(
    name="seoul",
    operation=operation,
    respond=respond,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
