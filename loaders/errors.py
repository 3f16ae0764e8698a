"""Error messages in one line."""


def one_line(error: Exception | str) -> str:
    """Return the message of an error without line breaks and repeated blanks."""
    return " ".join(str(error).split())
