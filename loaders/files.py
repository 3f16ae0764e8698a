"""Files of the home that one process writes while others read them.

The DAGs import this module, in an environment with the packages of Airflow alone.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def read_json(file: Path, default: Any) -> Any:
    """Return the content of a file, or `default` if it is missing or damaged, which is said."""
    try:
        return json.loads(file.read_bytes()) if file.is_file() else default
    except ValueError:
        print(f"{file} is damaged: the next run replaces it", file=sys.stderr)
        return default


def replace_file(file: Path, content: bytes) -> None:
    """Write a file so that a reader sees its state before or after it. Raise OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.partial")  # another process may write it too
    partial.write_bytes(content)
    partial.replace(file)
