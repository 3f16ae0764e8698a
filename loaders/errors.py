"""Text from outside, made fit for a terminal or a log."""

import unicodedata


def one_line(error: Exception | str) -> str:
    """Return the message of an error in one printable line, without repeated blanks."""
    return printable(" ".join(str(error).split()))


def printable(text: str) -> str:
    """Return a text with its control characters escaped, such as ESC as `\\x1b`, but not its lines
    and tabs.

    Without this, what an API responds could move the cursor or set colours.
    """
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char)[0] == "C" and char not in "\n\t"
        else char
        for char in text
    )
