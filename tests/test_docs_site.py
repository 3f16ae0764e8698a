"""The docs site in a real browser, opened from its file and without a network, as a user has it."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from support.newcomer import Newcomer

from loaders.web_logs import TABLES as LOGS

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
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name leads out of this machine
)
PATIENCE = 30
"""Seconds in which a part of the page must be there."""

WEBSITE = "exposure.hello_korea.website"
NOT_FROM_A_SOURCE = {"rds_districts": "the districts are a seed"}
NOT_ON_THE_WEBSITE = {
    "staging_tour.districts": "the seed has the districts' names in both languages",
    **{f"staging_web_logs.{table}": "what users did is for BI alone" for table in LOGS},
    "staging_runs.steps": "what the loaders did is for those who run them",
}

# The part of the page that draws the lineage, and what it has drawn, as lists of ids.
DRAWN = """
const page = angular.element(document.querySelector('[ng-app]') || document.body).injector();
const graph = page.get('graph').graph_element;
return graph.nodes ? {
    nodes: graph.nodes(':visible').map(node => node.id()),
    edges: graph.edges(':visible').map(edge => [edge.source().id(), edge.target().id()]),
} : {nodes: [], edges: []};
"""


@dataclass
class Lineage:
    """What a lineage graph shows: the ids of its nodes, and its edges from what is read."""

    nodes: set[str]
    edges: list[tuple[str, str]]

    def upstream(self, node: str) -> set[str]:
        """All that a node is made of, itself included."""
        found, todo = {node}, [node]
        while todo:
            reader = todo.pop()
            parents = {source for source, target in self.edges if target == reader} - found
            found |= parents
            todo += parents
        return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        missing = "no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def site(built: Newcomer, docs: Path, browser: WebDriver) -> str:
    """The address of the site, in a folder where there is nothing else."""
    alone = built.home / "site" / "index.html"
    alone.parent.mkdir()
    shutil.copy(docs, alone)
    return alone.as_uri()


@pytest.fixture(scope="module")
def manifest(built: Newcomer, site: str) -> dict[str, Any]:
    return built.artifact("manifest.json")


def opens(browser: WebDriver, address: str, text: str) -> str:
    """The words of a page, once it shows this text."""
    browser.get("about:blank")  # or the site would take the address for a click
    browser.get(address)
    WebDriverWait(browser, PATIENCE).until(lambda it: text in words(it))
    return words(browser)


def words(browser: WebDriver) -> str:
    return str(browser.execute_script("return document.body.textContent"))


def clicks(browser: WebDriver, title: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f'[title="{title}"]').click()


def drawn(browser: WebDriver, nodes: int) -> Lineage:
    """The lineage graph, once it shows at least so many nodes."""

    def graph(browser: WebDriver) -> dict[str, Any]:
        found: dict[str, Any] = browser.execute_script(DRAWN)
        return found

    WebDriverWait(browser, PATIENCE).until(lambda it: len(graph(it)["nodes"]) >= nodes)
    found = graph(browser)
    return Lineage(set(found["nodes"]), [(source, target) for source, target in found["edges"]])


def test_the_page_of_a_model_has_its_description_columns_and_sql(
    browser: WebDriver, site: str, manifest: dict[str, Any]
) -> None:
    event = manifest["nodes"]["model.hello_korea.fct_event"]
    page = opens(browser, f"{site}#!/model/{event['unique_id']}", event["description"])
    for column in event["columns"].values():
        assert column["name"] in page
        assert column["description"] in page
    for line in event["raw_code"].splitlines():
        assert line.strip() in page
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("fct_event")


def test_the_lineage_runs_from_each_source_to_each_table_of_the_website(
    browser: WebDriver, site: str, manifest: dict[str, Any], tmp_path: Path
) -> None:
    served = {
        name: unique_id
        for unique_id, node in manifest["nodes"].items()
        if (name := node["name"]).startswith("rds_") and node["resource_type"] == "model"
    }
    sources = {
        f"{it['source_name']}.{it['name']}": unique_id
        for unique_id, it in manifest["sources"].items()
    }
    opens(browser, f"{site}#!/exposure/{WEBSITE}", "The website")
    clicks(browser, "View Lineage Graph")
    around = drawn(browser, len(served) + 1)
    assert around.nodes == {WEBSITE, *served.values()}

    clicks(browser, "View Fullscreen")
    whole = drawn(browser, len(around.nodes) + len(sources) - len(NOT_ON_THE_WEBSITE))
    assert browser.save_screenshot(str(tmp_path / "lineage.png"))
    website = whole.upstream(WEBSITE)
    assert website == whole.nodes
    for name, unique_id in sources.items():
        assert (unique_id in website) == (name not in NOT_ON_THE_WEBSITE), name
    for name, unique_id in served.items():
        assert unique_id in website, name
        from_a_source = whole.upstream(unique_id) & set(sources.values())
        assert bool(from_a_source) == (name not in NOT_FROM_A_SOURCE), name


def test_the_site_asks_nothing_of_the_network(browser: WebDriver, site: str) -> None:
    opens(browser, f"{site}#!/overview", "hello_korea")
    log = browser.get_log("performance")  # type: ignore[no-untyped-call]
    events = [json.loads(it["message"])["message"] for it in log]
    asked = [
        it["params"]["request"]["url"]
        for it in events
        if it["method"] == "Network.requestWillBeSent"
    ]
    assert any(url.startswith(site) for url in asked)
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "about", "chrome"}
