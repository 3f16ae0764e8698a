"""A real browser without a network."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.remote.remote_connection import RemoteConnection

from support.project import ENOUGH_SECONDS

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # resolves no other host
)


@contextmanager
def chromium(profile: Path) -> Iterator[WebDriver]:
    """Start a headless Chromium on a new profile, then quit. Skip without one, but fail in CI."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        missing = "no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    assert isinstance(browser.command_executor, RemoteConnection)
    browser.command_executor.client_config.timeout = ENOUGH_SECONDS
    try:
        yield browser
    finally:
        browser.quit()


def requested_urls(browser: WebDriver) -> list[str]:
    """Return the URLs that the browser requested since the last call."""
    log = browser.get_log("performance")  # type: ignore[no-untyped-call]
    events: list[dict[str, Any]] = [json.loads(entry["message"])["message"] for entry in log]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


def console_errors(browser: WebDriver) -> list[str]:
    """Return the messages of errors in the console since the last call."""
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in log if entry["level"] == "SEVERE"]
