"""The search for an API's key in responses, in each writing that leads back to it."""

import base64
import html
from urllib.parse import quote, quote_plus

import pytest

from loaders.pipeline.keys import contains_key

KEY = "aB3+/x9Qw==%2Bz7"


def escaped(char: str, form: str) -> str:
    return KEY.replace(char, form)


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        quote(KEY),
        quote(KEY, safe=""),
        quote_plus(KEY),
        quote(quote(KEY, safe=""), safe=""),
        escaped("+", "%2b"),
        escaped("/", r"\/"),
        escaped("+", r"\u002b"),
        escaped("+", r"\\u002B"),
        escaped("+", "&#43;"),
        escaped("=", "&#x3D;"),
        escaped("+", "&amp;#43;"),
        html.escape(KEY),
        "".join(f"%{ord(char):02x}" for char in KEY),
    ],
)
def test_a_key_is_found_in_any_escaping(written: str) -> None:
    assert contains_key(f'{{"message": "key {written} 경복궁"}}'.encode(), KEY)


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "z", "yz"])
def test_a_key_is_found_in_base64_wherever_it_begins(before: str, after: str) -> None:
    text = (before + KEY + after).encode()
    assert contains_key(base64.b64encode(text), KEY)
    assert contains_key(base64.urlsafe_b64encode(text), KEY)


def test_a_response_without_the_key_passes() -> None:
    body = rb'{"url": "http:\/\/visitkorea.or.kr?a=%2B&amp;b=%EA", "key": "aB3+/x9Qw=="}'
    assert not contains_key(body, KEY)


def test_a_short_key_is_no_secret() -> None:
    assert not contains_key(b"sample", "sample")
