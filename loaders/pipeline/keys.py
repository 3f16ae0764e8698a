"""Search for an API's key in what the API responds, in any writing that leads back to the key."""

import base64
import html
import re
from urllib.parse import unquote_to_bytes

SHORTEST = 8
"""Characters from which a key is a secret."""
LAYERS = 4
"""How often a text may be encoded on top of another encoding."""
ESCAPE = re.compile(
    rb"%(?:25)*[2-7][0-9a-f]|\\u00[2-7]|&(?:amp;)*(?:#|plus|sol|equals|num|percnt)", re.IGNORECASE
)
"""Escapes of the characters of a key. A body without one need not be decoded, which takes long."""


def contains_key(body: bytes, key: str) -> bool:
    """Return whether a body contains the key: as it is, escaped as in JSON, HTML or a URL, in part
    or several times, or in base64."""
    if len(key) < SHORTEST:
        return False
    wanted = _plain(key.encode())
    found = _plain(body)
    forms = {wanted, wanted.replace(b"+", b" "), *_base64_forms(key.encode())}
    return any(form in text for form in forms for text in (body, found))


def _plain(text: bytes) -> bytes:
    """Return a text without escapes."""
    text = text.replace(rb"\/", b"/")
    for _ in range(LAYERS):
        if not ESCAPE.search(text):
            break
        text = re.sub(rb"\\+u00([2-7][0-9a-fA-F])", lambda match: bytes([int(match[1], 16)]), text)
        text = unquote_to_bytes(text)
        decoded = html.unescape(text.decode("utf-8", "surrogateescape"))
        text = decoded.encode("utf-8", "surrogateescape").replace(rb"\/", b"/")
    return text


def _base64_forms(key: bytes) -> set[bytes]:
    """Return the middle of the key's base64, wherever it begins in the encoded bytes."""
    forms = set()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + key)
        # The characters at both ends also hold bits of the neighbours.
        middle = encoded[(0, 2, 3)[offset] :].rstrip(b"=")
        middle = middle[: len(middle) - (0 if (offset + len(key)) % 3 == 0 else 1)]
        forms |= {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms
