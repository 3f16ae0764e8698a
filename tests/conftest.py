"""What the tests share: a home of their own, and the recorded answers where there are any."""

import os
from datetime import date
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
RECORDINGS = Path(os.environ.get("RECORDINGS", PROJECT.parent / "shared" / "recordings"))
TODAY = date(2026, 11, 22)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of this machine's user reach no test, and no test writes into the checkout."""
    for name in list(os.environ):
        if name.startswith(("SOURCES__", "LAKE__", "RDS__", "HELLO_KOREA_", "DBT_", "DLT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    return tmp_path / "home"


@pytest.fixture(scope="session")
def recordings() -> Path:
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recorded answers at {RECORDINGS} (set RECORDINGS)")
    return RECORDINGS
