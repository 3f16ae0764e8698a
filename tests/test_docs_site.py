"""The docs site, opened from its file in a real browser without a network."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from support import erd
from support.browser import chromium, requested_urls
from support.newcomer import Newcomer
from support.project import ENOUGH_SECONDS, PROJECT

from loaders.cli import dashboards

COLIBRI = PROJECT / ".venv-lineage" / "bin" / "colibri"
"""Seconds to wait for a part of the page."""

WEBSITE = "exposure.hello_korea.website"
NOT_FROM_A_SOURCE = {"rds_districts": "the districts are a seed"}
"""Exported tables that read no source, and why."""
NOT_ON_THE_WEBSITE = {
    "staging_web_logs.purchases": "what users buy is only for BI",
    "staging_runs.steps": "the history of runs is only for operators",
}
"""Sources that the website does not use, and why."""

# Returns the ids of the nodes and edges that the page's lineage graph shows.
SHOWN_LINEAGE = """
const page = angular.element(document.querySelector('[ng-app]') || document.body).injector();
const graph = page.get('graph').graph_element;
return graph.nodes ? {
    nodes: graph.nodes(':visible').map(node => node.id()),
    edges: graph.edges(':visible').map(edge => [edge.source().id(), edge.target().id()]),
} : {nodes: [], edges: []};
"""


@dataclass
class Lineage:
    """The ids of the nodes of a lineage graph, and its edges from parent to child."""

    nodes: set[str]
    edges: list[tuple[str, str]]

    def upstream(self, node: str) -> set[str]:
        """Return the node and all its ancestors."""
        ancestors, unvisited = {node}, [node]
        while unvisited:
            child = unvisited.pop()
            parents = {source for source, target in self.edges if target == child} - ancestors
            ancestors |= parents
            unvisited += parents
        return ancestors


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(built: Newcomer, docs: Path, browser: WebDriver) -> str:
    """The URL of the site's file, in a folder without other files."""
    page = built.home / "site" / "index.html"
    page.parent.mkdir()
    shutil.copy(docs, page)
    return page.as_uri()


@pytest.fixture(scope="module")
def manifest(built: Newcomer, site: str) -> dict[str, Any]:
    return built.artifact("manifest.json")


def open_page(browser: WebDriver, url: str, text: str) -> str:
    """Open a page and wait until it shows `text`. Return all its text."""
    browser.get("about:blank")  # otherwise a new fragment would not reload the site
    browser.get(url)
    WebDriverWait(browser, ENOUGH_SECONDS).until(lambda driver: text in page_text(driver))
    return page_text(browser)


def page_text(browser: WebDriver) -> str:
    return str(browser.execute_script("return document.body.textContent"))


def click(browser: WebDriver, title: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f'[title="{title}"]').click()


def shown_lineage(browser: WebDriver, node_count: int) -> Lineage:
    """Return the lineage graph, once it shows at least so many nodes."""

    def graph(browser: WebDriver) -> dict[str, Any]:
        shown: dict[str, Any] = browser.execute_script(SHOWN_LINEAGE)
        return shown

    WebDriverWait(browser, ENOUGH_SECONDS).until(
        lambda driver: len(graph(driver)["nodes"]) >= node_count
    )
    shown = graph(browser)
    return Lineage(set(shown["nodes"]), [(source, target) for source, target in shown["edges"]])


def test_the_page_of_a_model_has_its_description_columns_and_sql(
    browser: WebDriver, site: str, manifest: dict[str, Any]
) -> None:
    event = manifest["nodes"]["model.hello_korea.fct_event"]
    page = open_page(browser, f"{site}#!/model/{event['unique_id']}", event["description"])
    for column in event["columns"].values():
        assert column["name"] in page
        assert column["description"] in page
    for line in event["raw_code"].splitlines():
        assert line.strip() in page
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("fct_event")


def test_the_lineage_runs_from_each_source_to_each_table_of_the_website(
    browser: WebDriver, site: str, manifest: dict[str, Any], tmp_path: Path
) -> None:
    exported = {
        name: unique_id
        for unique_id, node in manifest["nodes"].items()
        if (name := node["name"]).startswith("rds_") and node["resource_type"] == "model"
    }
    sources = {
        f"{source['source_name']}.{source['name']}": unique_id
        for unique_id, source in manifest["sources"].items()
    }
    open_page(browser, f"{site}#!/exposure/{WEBSITE}", "The website")
    click(browser, "View Lineage Graph")
    neighbours = shown_lineage(browser, len(exported) + 1)
    assert neighbours.nodes == {WEBSITE, *exported.values()}

    click(browser, "View Fullscreen")
    lineage = shown_lineage(browser, len(neighbours.nodes) + len(sources) - len(NOT_ON_THE_WEBSITE))
    assert browser.save_screenshot(str(tmp_path / "lineage.png"))
    website = lineage.upstream(WEBSITE)
    assert website == lineage.nodes
    for name, unique_id in sources.items():
        assert (unique_id in website) == (name not in NOT_ON_THE_WEBSITE), name
    for name, unique_id in exported.items():
        assert unique_id in website, name
        sources_of_table = lineage.upstream(unique_id) & set(sources.values())
        assert bool(sources_of_table) == (name not in NOT_FROM_A_SOURCE), name


def test_the_site_makes_no_network_request(browser: WebDriver, site: str) -> None:
    open_page(browser, f"{site}#!/overview", "hello_korea")
    urls = requested_urls(browser)
    assert any(url.startswith(site) for url in urls)
    schemes = {url.partition(":")[0] for url in urls}
    assert schemes <= {"file", "data", "about", "chrome", "chrome-untrusted"}


def test_the_overview_shows_the_star_as_its_contracts_have_it(
    browser: WebDriver, site: str, manifest: dict[str, Any]
) -> None:
    page = open_page(browser, f"{site}#!/overview", "Where to look")
    for name in dashboards.names():
        assert browser.find_elements(By.CSS_SELECTOR, f'a[href$="dashboards/{name}.html"]'), name
    image = browser.find_element(By.CSS_SELECTOR, 'img[src^="data:image/svg"]')
    assert browser.execute_script("return arguments[0].naturalWidth", image) > 0
    drawn = erd.PICTURE.search(erd.OVERVIEW.read_text(encoding="utf-8"))
    assert drawn, page
    assert drawn.group() == erd.picture(manifest), "run python tests/support/erd.py"
    assert browser.find_elements(By.CSS_SELECTOR, 'a[href$="columns/index.html"]')


def test_the_lineage_of_columns_runs_through_unions_and_asks_the_network_for_nothing(
    browser: WebDriver, docs: Path, tmp_path: Path
) -> None:
    if not COLIBRI.exists():
        pytest.skip("no .venv-lineage: make run makes it")
    files = {name: str(docs.with_name(f"{name}.json")) for name in ("manifest", "catalog")}
    process = subprocess.run(
        [
            *(COLIBRI, "generate", "--light", "--debug", "--output-dir", tmp_path),
            *("--manifest", files["manifest"], "--catalog", files["catalog"]),
        ],
        env={"DO_NOT_TRACK": "1", "DBT_COLIBRI_NO_VERSION_CHECK": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout
    assert "[ERROR]" not in process.stdout + process.stderr
    edges = json.loads((tmp_path / "colibri-manifest.json").read_text("utf-8"))["lineage"]["edges"]
    flows = {
        (model_name(edge["source"]), edge["sourceColumn"], model_name(edge["target"]))
        for edge in edges
        if edge["sourceColumn"] == edge["targetColumn"]
    }
    assert ("int_venues_unioned", "venue_id", "int_venues_placed") in flows
    assert ("fct_event", "title_en", "rds_events") in flows

    requested_urls(browser)
    browser.get((tmp_path / "index.html").as_uri())
    WebDriverWait(browser, ENOUGH_SECONDS).until(lambda driver: "hello_korea" in page_text(driver))
    schemes = {url.partition(":")[0] for url in requested_urls(browser)}
    assert schemes <= {"file", "data", "about", "blob", "chrome", "chrome-untrusted"}


def model_name(unique_id: str) -> str:
    return unique_id.rpartition(".")[2]
