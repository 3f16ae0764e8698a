"""Seoul Open Data Plaza: the key and the range of rows in the path, and its habits.

Facts: data.seoul.go.kr's documentation of its Open API and answers recorded from 2024 to 2026.
"""

import re

import orjson

from loaders.sample_api.seoul_rows import SeoulRows, generated_rows, recorded_rows
from loaders.sample_api.service import KEY, Answer, Request, Service

JSON = "application/json;charset=UTF-8"
XML = "text/xml;charset=UTF-8"
MOST_ROWS = 1000
RANGE = re.compile(r"[1-9]\d{0,8}")


def _result(code: str, message: str) -> Answer:
    """An error, or no data: under HTTP 200, without the envelope of the service."""
    return Answer(200, JSON, orjson.dumps({"RESULT": {"CODE": code, "MESSAGE": message}}))


def _xml(code: str, message: str) -> Answer:
    """The same as XML, whatever the path asks for."""
    said = f"<RESULT><CODE>{code}</CODE><MESSAGE><![CDATA[{message}]]></MESSAGE></RESULT>"
    return Answer(200, XML, f'<?xml version="1.0" encoding="UTF-8"?>\n{said}'.encode())


_BAD_KEY = "인증키가 유효하지 않습니다.\n인증키가 없는 경우, 홈페이지에서 인증키를 신청하십시오."
_TOO_MANY = "데이터요청은 한번에 최대 1000건을 넘을 수 없습니다."
ERRORS = {
    "bad_key": _result("INFO-100", _BAD_KEY),
    "xml_bad_key": _xml("INFO-100", _BAD_KEY),
    "no_data": _result("INFO-200", "해당하는 데이터가 없습니다."),
    "missing_value": _result("ERROR-300", "필수 값이 누락되어 있습니다."),
    "bad_type": _result("ERROR-301", "파일타입 값이 누락 혹은 유효하지 않습니다."),
    "no_service": _result("ERROR-310", "해당하는 서비스를 찾을 수 없습니다."),
    "bad_start": _result("ERROR-331", "요청시작위치 값을 확인하십시오."),
    "bad_end": _result("ERROR-332", "요청종료위치 값을 확인하십시오."),
    "not_whole": _result("ERROR-333", "요청위치 값의 타입이 유효하지 않습니다."),
    "backwards": _result("ERROR-334", "요청종료위치 보다 요청시작위치가 더 큽니다."),
    # The real plaza's own key `sample` gets no more; here it is the one key, without that limit.
    "sample_limit": _result(
        "ERROR-335", "샘플데이터(샘플키:sample) 는 한번에 최대 5건을 넘을 수 없습니다."
    ),
    "too_many_rows": _result("ERROR-336", _TOO_MANY),
    "server": _result("ERROR-500", "서버 오류입니다."),
    "database": _result("ERROR-600", "데이터베이스 연결 오류입니다."),
    "sql": _result("ERROR-601", "SQL 문장 오류 입니다."),
    # How the plaza says that the day's quota is spent is nowhere published.
    "quota": Answer(429, "text/plain;charset=UTF-8", b"Too Many Requests"),
}


def operation(path: str) -> str:
    """Of `<key>/json/culturalEventInfo/1/1000/` the service: the key is told to nobody."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""


def answer(request: Request, rows: SeoulRows) -> Answer:
    key, form, service, *asked = [*request.path.split("/"), "", "", ""]
    if key != KEY:
        return ERRORS["bad_key"]
    if request.is_quota_spent:
        return ERRORS["quota"]
    if form != "json":
        return ERRORS["bad_type"]
    if service not in rows:
        return ERRORS["no_service"]
    start, end = asked[:2]
    if not start or not end:
        return ERRORS["missing_value"]
    if not RANGE.fullmatch(start) or not RANGE.fullmatch(end):
        return ERRORS["not_whole"]
    if int(start) > int(end):
        return ERRORS["backwards"]
    if int(end) - int(start) >= MOST_ROWS:
        return ERRORS["too_many_rows"]
    found = rows[service][int(start) - 1 : int(end)]
    if not found:
        return ERRORS["no_data"]
    held = {
        "list_total_count": len(rows[service]),
        "RESULT": {"CODE": "INFO-000", "MESSAGE": "정상 처리되었습니다"},
        "row": found,
    }
    return Answer(200, JSON, orjson.dumps({service: held}))


SERVICE = Service(
    name="seoul",
    operation=operation,
    answer=answer,
    generated=generated_rows,
    recorded=recorded_rows,
    errors=ERRORS,
)
