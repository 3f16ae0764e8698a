"""Files of the home that one process writes while others read them."""

import os
from pathlib import Path


def replace_file(file: Path, content: bytes) -> None:
    """Write a file so that a reader sees its state before or after it. Raise OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.partial")  # another process may write it too
    partial.write_bytes(content)
    partial.replace(file)
