"""The dashboards, built by their command and opened in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from support.browser import chromium, console_errors, requested_urls
from support.newcomer import Newcomer
from support.project import PROJECT

from loaders.cli import dashboards

FOLDER = PROJECT / "analyses" / "dashboards"
NAMES = dashboards.names()

# Returns the number of marks of each chart: what it draws besides axes, titles and its frame.
MARKS = """
const marks = {};
for (const chart of document.querySelectorAll('[data-chart-id]')) {
    const drawn = chart.querySelectorAll(
        '[role="graphics-symbol"]:not([aria-roledescription="axis"]), [data-mark], tspan, text');
    marks[chart.dataset.chartId] = drawn.length;
}
return marks;
"""


def board(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def build(newcomer: Newcomer) -> Path:
    """Build all pages, and return their folder. dct reads a target folder in the checkout only."""
    link = PROJECT / "target" / f"of-{newcomer.home.name}"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(newcomer.home / "target")
    try:
        newcomer.check_output(
            *("python", "-m", "loaders.cli.dashboards"), DBT_TARGET_PATH=f"target/{link.name}"
        )
    finally:
        link.unlink()
    return newcomer.home / "target" / "dashboards"


@pytest.fixture(scope="module")
def pages(built: Newcomer) -> Path:
    """The pages of the sample data."""
    return build(built)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_draws_each_chart_and_asks_the_network_for_nothing(
    pages: Path, browser: WebDriver, name: str
) -> None:
    console_errors(browser), requested_urls(browser)
    browser.get((pages / f"{name}.html").as_uri())
    marks = browser.execute_script(MARKS)
    assert set(marks) == set(board(name)["charts"])
    assert [chart for chart, count in marks.items() if count == 0] == []
    assert console_errors(browser) == []
    assert {url.partition(":")[0] for url in requested_urls(browser)} <= {
        *("file", "data", "about", "chrome")
    }
    assert browser.find_element(By.TAG_NAME, "title").get_attribute("textContent")
