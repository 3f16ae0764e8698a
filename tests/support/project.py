"""Paths, dates and settings shared by the tests and their helpers."""

import os
import signal
from datetime import date
from pathlib import Path

import pytest

from loaders.sample_api import SampleApi

PROJECT = Path(__file__).resolve().parents[2]
RECORDINGS = Path(os.environ.get("RECORDINGS", PROJECT.parent / "shared" / "recordings"))
FOLDER = Path(os.environ["DLT_PROJECT_DIR"])
"""Temporary folder of this test process."""
TODAY = date(2026, 11, 22)
ENOUGH_SECONDS = 300
"""When a test gives up waiting for what takes seconds, also on a machine where much else runs."""
SETTINGS = (
    *("SOURCES__", "LAKE__", "STAGING__", "RUNS__", "AWS_", "DESTINATION__", "RDS__"),
    *("HELLO_KOREA_", "DBT_", "UNIT_TESTS", "NOTIFY__", "RUNTIME__LOG_FORMAT", "INVOCATION_ID"),
)
"""Prefixes of the environment variables that configure the project."""


def restore_interrupts() -> None:
    """Make Ctrl-C reach this child process: background jobs inherit a handler that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def point_at(api: SampleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the base URL and the key of every source to those of `api`."""
    for source, url in api.base_urls().items():
        monkeypatch.setenv(f"SOURCES__{source.upper()}__BASE_URL", url)
        monkeypatch.setenv(f"SOURCES__{source.upper()}__SERVICE_KEY", "sample")
