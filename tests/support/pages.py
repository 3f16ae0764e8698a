"""The dashboards' files, their queries, and their pages in a browser."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import yaml
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from support.browser import console_errors, requested_urls
from support.newcomer import Newcomer
from support.project import ENOUGH_SECONDS, PROJECT

FOLDER = PROJECT / "analyses" / "dashboards"
WAREHOUSE = "warehouse"
LOCAL = {"file://", "data://", "about://", "chrome://", "chrome-untrusted://"}
MARKS = {
    "bar": '.role-mark path[aria-roledescription="bar"]',
    "custom": "polygon, circle",
    "heatmap": 'path[aria-roledescription="rect mark"]',
    "line": ".mark-line.role-mark path",
    "area": ".mark-area.role-mark path",
    "kpi": "text",
    "table": "text",
}
"""CSS selector of what a type of chart draws for the rows of its query."""
COUNT_MARKS = """
const marks = {};
for (const [chart, selector] of Object.entries(arguments[0])) {
    const drawn = document.querySelector(`[data-chart-id="${chart}"]`);
    marks[chart] = drawn ? drawn.querySelectorAll(selector).length : null;
}
return marks;
"""


def empty_tables(manifest: dict[str, Any]) -> list[str]:
    """Return the statements that create the tables of the readers' layers, without rows."""
    models = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] in ("star", "frequent", "serving")
    ]
    return [
        f"create table {node['schema']}.{node['name']} ("
        + ", ".join(f"{name} {column['data_type']}" for name, column in node["columns"].items())
        + ")"
        for node in models
    ]


def relations(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the relation of each model of the readers' layers."""
    return {
        node["name"]: f"{node['schema']}.{node['name']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }


@dataclass(frozen=True)
class Page:
    """What a browser sees of a page."""

    marks: dict[str, int | None]
    """Number of marks by chart, None if it is missing."""
    text: str
    errors: list[str]
    """Errors in the console."""
    origins: set[str]
    """Scheme and host of the URLs that it requested."""


def board(name: str) -> dict[str, Any]:
    """Return the content of a dashboard's file, with the queries that it shares."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    shared = yaml.safe_load((FOLDER / "meta.yml").read_text(encoding="utf-8"))
    return {**content, "queries": {**shared["queries"], **content["queries"]}}


def warehouse_queries(name: str) -> dict[str, str]:
    """Return the queries of a dashboard that run in the warehouse, as they are written."""
    return {
        query: content if isinstance(content, str) else content["sql"]
        for query, content in board(name)["queries"].items()
        if isinstance(content, str) or content.get("source", WAREHOUSE) == WAREHOUSE
    }


def compile_query(sql: str, relations: dict[str, str], **filters: str) -> str:
    """Return a query with the models' relations, and predicates for the filters that are set."""

    def predicate(column: str, value: object) -> str:
        return "1 = 1" if isinstance(value, jinja2.Undefined) else f"{column} = '{value}'"

    return jinja2.Template(sql).render(
        ref=lambda model: relations[model], filter=predicate, **filters
    )


def build_pages(newcomer: Newcomer) -> Path:
    """Build all pages and return their folder. dct reads only a target folder in the checkout."""
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


def origin(url: str) -> str:
    parts = urlsplit(url)
    return (
        f"{parts.scheme}://{parts.hostname or ''}"
        if parts.scheme == "http"
        else f"{parts.scheme}://"
    )


def open_page(browser: WebDriver, name: str, url: str, *, has_charts: bool = True) -> Page:
    """Open the page of a dashboard, and return what the browser sees.

    With charts, that is once all of them are there.
    """
    console_errors(browser)
    requested_urls(browser)
    browser.get(url)
    selectors = {chart: MARKS[each["type"]] for chart, each in board(name)["charts"].items()}

    def marks(browser: WebDriver) -> dict[str, int | None]:
        found: dict[str, int | None] = browser.execute_script(COUNT_MARKS, selectors)
        return found

    with suppress(TimeoutException):  # the test says which is missing
        WebDriverWait(browser, ENOUGH_SECONDS).until(
            lambda browser: not has_charts or None not in marks(browser).values()
        )
    return Page(
        marks=marks(browser),
        text=str(browser.execute_script("return document.body.textContent")),
        errors=console_errors(browser),
        origins={origin(url) for url in requested_urls(browser)},
    )
