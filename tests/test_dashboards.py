"""The dashboards, built by their command and opened in a real browser without a network."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import duckdb
import psycopg2
import pytest
import sqlglot
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify
from support import district_shapes
from support.browser import chromium
from support.cases import mostly_long
from support.newcomer import BIN, Newcomer
from support.pages import (
    LOCAL,
    MARKS,
    board,
    build_pages,
    compile_query,
    empty_tables,
    open_page,
    relations,
    warehouse_queries,
)
from support.project import ENOUGH_SECONDS, PROJECT
from support.redshift import DATABASE, PASSWORD, RedshiftServer
from support.small_project import new_database

from loaders.cli import dashboards
from loaders.settings import SettingError

NAMES = dashboards.names()
QUERIES = [(name, query) for name in NAMES for query in warehouse_queries(name)]
EMPTY_AFTER_SUCCESS = {"failures", "build_problems"}
"""Charts without rows when everything succeeded."""
EXACT = ("custom", "heatmap")
"""Types of charts that draw one mark for each row."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(built: Newcomer) -> Path:
    """The pages of the sample data."""
    return build_pages(built)


@pytest.fixture(scope="module")
def manifest(built: Newcomer) -> dict[str, Any]:
    return built.artifact("manifest.json")


@pytest.fixture(scope="module")
def warehouse(built: Newcomer) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(built.home / "warehouse.duckdb", read_only=True) as warehouse:
        yield warehouse


@pytest.mark.parametrize("name", NAMES)
def test_a_page_draws_each_row_and_asks_the_network_for_nothing(
    pages: Path,
    browser: WebDriver,
    warehouse: duckdb.DuckDBPyConnection,
    manifest: dict[str, Any],
    name: str,
) -> None:
    page = open_page(browser, name, (pages / f"{name}.html").as_uri())
    assert page.errors == []
    assert page.origins <= LOCAL
    queries = warehouse_queries(name)
    variables = board(name).get("variables", {})
    defaults = {name: each["default"] for name, each in variables.items() if "default" in each}
    for chart, content in board(name)["charts"].items():
        marks = page.marks[chart]
        assert marks, chart
        if content["query"] not in queries or chart in EMPTY_AFTER_SUCCESS:
            continue
        sql = compile_query(queries[content["query"]], relations(manifest), **defaults)
        rows = len(warehouse.execute(sql).fetchall())
        assert rows, chart
        if content["type"] in EXACT:
            assert marks == rows, chart
        elif content["type"] == "bar":
            assert marks % rows == 0, chart


def test_the_figures_are_those_of_the_star(
    pages: Path, browser: WebDriver, warehouse: duckdb.DuckDBPyConnection
) -> None:
    expected = {
        "seoul_this_week": {
            "Events": """
                select count(distinct event_id) from star.fct_event_day
                inner join star.fct_event using (event_id)
                inner join star.dim_date using (date_id)
                where is_listed and not is_closed and date_day between
                    (select max(logical_date) from star.fct_event)
                    and (select max(logical_date) + 6 from star.fct_event)
            """
        },
        "what_visitors_do": {
            "Sessions": "select count(*) from star.fct_session",
            "Searches": "select count(*) from star.fct_search",
            "Clicks": "select count(*) from star.fct_click",
            "Purchases": "select count(*) from star.fct_purchase",
        },
        "the_pipeline": {
            "Calls in 30 Days": "select sum(call_count) from star.run_history",
        },
    }
    for name, figures in expected.items():
        text = open_page(browser, name, (pages / f"{name}.html").as_uri()).text
        for label, sql in figures.items():
            row = warehouse.execute(sql).fetchone()
            assert row is not None
            assert re.search(rf"\b{row[0]:,}\s*{label}", text), (name, label, row)


@pytest.mark.parametrize("name", NAMES)
def test_each_chart_has_a_title_for_a_screen_reader_and_a_sentence_with_its_day(
    pages: Path, browser: WebDriver, name: str
) -> None:
    page = open_page(browser, name, (pages / f"{name}.html").as_uri())
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('[data-chart-id]')]"
        ".filter(chart => !chart.getAttribute('aria-label')).map(chart => chart.dataset.chartId)"
    )
    assert unnamed == []
    assert browser.title.lower() == board(name)["title"].lower()
    for query in ("as_of", "credits"):
        assert query in board(name)["queries"]
    assert "no data yet" not in page.text


LOW_CONTRAST = """
const luminance = colour => colour
    .map(part => part / 255)
    .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const numbers = colour => colour.match(/[\\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
const over = (front, share, back) => front.map((part, i) => part * share + back[i] * (1 - share));
const background = (text, x, y) => {
    for (const shape of document.elementsFromPoint(x, y)) {
        if (!shape.matches('path, rect, polygon')) continue;  // points may lie on a name
        const style = getComputedStyle(shape);
        const [red, green, blue, alpha = 1] = numbers(style.fill);
        const share = alpha * style.fillOpacity * style.opacity;
        if (share > 0) return over([red, green, blue], share, [255, 255, 255]);
    }
    return [255, 255, 255];
};
return [...document.querySelectorAll('svg text')].flatMap(text => {
    const box = text.getBoundingClientRect();
    const style = getComputedStyle(text);
    const [red, green, blue, alpha = 1] = numbers(style.fill);
    const share = alpha * style.fillOpacity * style.opacity;
    if (!text.textContent.trim() || !box.width || share === 0) return [];
    const back = background(text, box.x + box.width / 2, box.y + box.height / 2);
    const [dark, light] = [luminance(back), luminance(over([red, green, blue], share, back))]
        .sort((one, other) => one - other);
    const contrast = (light + 0.05) / (dark + 0.05);
    return contrast < 4.5 ? [[text.textContent, contrast]] : [];
});
"""
"""Texts whose contrast to the shape below them is too low to read for many (WCAG 2.2, AA)."""


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_readable_in_contrast_language_and_on_a_phone(
    pages: Path, browser: WebDriver, name: str
) -> None:
    def resize(width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    open_page(browser, name, (pages / f"{name}.html").as_uri())
    try:
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            resize(1200, browser.execute_script("return document.documentElement.scrollHeight"))
            assert browser.execute_script(LOW_CONTRAST) == [], scheme
            colour = "return getComputedStyle(document.body).backgroundColor"
            assert browser.execute_script(colour) == "rgb(255, 255, 255)"
        assert browser.execute_script("return document.documentElement.lang") == "en"
        resize(390, 800)
        width = "document.querySelector('.dbt-charts-board > svg').getBoundingClientRect().width"
        assert browser.execute_script(f"return {width}") == 2 * 390  # a column fills the screen
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("name", NAMES)
def test_the_exposure_of_a_dashboard_names_the_models_that_it_reads(
    manifest: dict[str, Any], name: str
) -> None:
    exposure = manifest["exposures"][f"exposure.hello_korea.{name}"]
    read = {
        model
        for sql in warehouse_queries(name).values()
        for model in re.findall(r"ref\('(\w+)'\)", sql)
    }
    assert {node.rpartition(".")[2] for node in exposure["depends_on"]["nodes"]} == read
    assert exposure["label"] == board(name)["title"]
    layers = {manifest["nodes"][node]["schema"] for node in exposure["depends_on"]["nodes"]}
    assert layers <= {"star", "frequent", "serving"}


@pytest.mark.parametrize(("name", "query"), QUERIES)
def test_each_column_that_a_dashboard_reads_is_in_a_contract(
    manifest: dict[str, Any], name: str, query: str
) -> None:
    schema: dict[str, Any] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["schema"] in ("star", "frequent", "serving"):
            columns = {column: each["data_type"] for column, each in node["columns"].items()}
            schema.setdefault(node["schema"], {})[node["name"]] = columns
    sql = compile_query(warehouse_queries(name)[query], relations(manifest))
    assert not re.search(r"\bwith\b|\bover\s*\(|\bqualify\b", sql), "a plain select"

    def check(sql: str) -> None:
        qualify(sqlglot.parse_one(sql, dialect="redshift"), schema=schema, dialect="redshift")

    check(sql)
    column = next(iter(schema["star"]["dim_source"]))
    with pytest.raises(OptimizeError):
        check(f"select no_{column} from star.dim_source")


@pytest.fixture(scope="module")
def server(built: Newcomer, browser: WebDriver) -> Iterator[str]:
    """The URL of the dashboards as `make dashboards-serve` serves them."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    link = PROJECT / "target" / f"served-{built.home.name}"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(built.home / "target")
    process = subprocess.Popen(
        [BIN / "python", "-m", "loaders.cli.dashboards", "--serve", "--port", str(port)],
        cwd=PROJECT,
        env=built.environment | {"DBT_TARGET_PATH": f"target/{link.name}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        WebDriverWait(browser, ENOUGH_SECONDS).until(lambda _: is_answering(url))
        yield url
    finally:
        process.terminate()
        process.wait(ENOUGH_SECONDS)
        link.unlink()


def is_answering(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def test_the_server_watches_the_dashboards_and_not_what_runs_write(server: str) -> None:
    with urlopen(f"{server}/health", timeout=ENOUGH_SECONDS) as response:
        assert json.load(response)["project"] == str(PROJECT / "analyses")


FILTERS = [
    (
        *("the_pipeline", "pipeline", "Calls in 30 Days"),
        "select 'kma'",
        "select sum(call_count) from star.run_history where source_name = ?",
    ),
    (
        *("seoul_this_week", "genre", "Events"),
        "select max(genre_en) from frequent.freq_upcoming_event_day where days_ahead < 7",
        "select count(distinct event_id) from frequent.freq_upcoming_event_day"
        " where days_ahead < 7 and genre_en = ?",
    ),
    (
        *("seoul_this_week", "district", "Events"),
        "select max(district_en) from frequent.freq_upcoming_event_day where days_ahead < 7",
        "select count(distinct event_id) from frequent.freq_upcoming_event_day"
        " where days_ahead < 7 and district_en = ?",
    ),
    (
        *("seoul_this_week", "day", "Events"),
        "select cast(max(date_day) as varchar) from frequent.freq_upcoming_event_day"
        " where days_ahead < 7",
        "select count(distinct event_id) from frequent.freq_upcoming_event_day where date_day = ?",
    ),
    (
        *("what_visitors_do", "channel", "Sessions"),
        "select max(name_en) from star.dim_channel",
        "select count(*) from star.fct_session inner join star.dim_channel using (channel_code)"
        " where name_en = ?",
    ),
]


@pytest.mark.parametrize(("name", "variable", "label", "value", "figure"), mostly_long(FILTERS))
def test_a_filter_changes_the_figures_of_the_served_page(
    server: str,
    browser: WebDriver,
    warehouse: duckdb.DuckDBPyConnection,
    name: str,
    variable: str,
    label: str,
    value: str,
    figure: str,
) -> None:
    (chosen,) = warehouse.execute(value).fetchone() or (None,)
    (expected,) = warehouse.execute(figure, [chosen]).fetchone() or (None,)
    page = open_page(browser, name, f"{server}/{name}/?{urlencode({variable: chosen})}")
    assert re.search(rf"\b{expected:,}\s*{label}", page.text), (chosen, expected)
    assert [error for error in page.errors if "favicon.ico" not in error] == []
    assert page.origins <= {*LOCAL, "http://127.0.0.1"}


SELECTED = {
    ("when_to_come", "origin", "fares"): (
        "select max(city_en) from serving.rds_fares"
        " inner join serving.rds_airports on origin_airport_code = airport_code"
        " where not is_one_way and price_usd is not null",
        """
        select format(
            '{}; {}; Dollars: {:,}',
            strftime(departs_at, '%b %Y'), city_en, cast(round(min(price_usd)) as bigint)
        )
        from serving.rds_fares
        inner join serving.rds_airports on origin_airport_code = airport_code
        where not is_one_way and price_usd is not null and city_en = ?
        group by strftime(departs_at, '%b %Y'), city_en
        """,
    ),
    ("districts_compared", "subject", "kinds"): (
        "select 'venues'",
        """
        select format('{}; Records in all districts: {:,}', kind, cast(sum(record_count) as bigint))
        from frequent.freq_district_kind
        where subject = ?
        group by kind
        """,
    ),
}
"""Queries for a value of a filter, and for what a screen reader then says of a chart's marks."""


@pytest.mark.long
@pytest.mark.parametrize(("name", "variable", "chart"), SELECTED)
def test_a_filter_leaves_a_mark_for_each_row_with_its_number(
    server: str,
    browser: WebDriver,
    warehouse: duckdb.DuckDBPyConnection,
    name: str,
    variable: str,
    chart: str,
) -> None:
    value, labels = SELECTED[name, variable, chart]
    (chosen,) = warehouse.execute(value).fetchone() or (None,)
    expected = warehouse.execute(labels, [chosen]).fetchall()
    open_page(browser, name, f"{server}/{name}/?{urlencode({variable: chosen})}")
    selector = f'[data-chart-id="{chart}"] {MARKS[board(name)["charts"][chart]["type"]]}'
    said = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(mark => mark.getAttribute('aria-label').replaceAll('\u2061', ''))",
        selector,
    )
    assert set(said) == {label for (label,) in expected}


@pytest.mark.long
def test_the_keyboard_reaches_and_opens_each_filter(server: str, browser: WebDriver) -> None:
    browser.get(f"{server}/seoul_this_week/")

    def focus(key: str) -> WebElement:
        browser.switch_to.active_element.send_keys(key)
        return browser.switch_to.active_element

    names = [focus(Keys.TAB).accessible_name for _ in range(12)]
    assert [name for name in names if name in ("Genre", "District", "Day")][:3] == [
        *("Genre", "District", "Day")
    ]
    while focus(Keys.TAB).accessible_name != "Genre":
        pass
    assert focus(Keys.ENTER).get_attribute("aria-expanded") == "true"
    options = browser.execute_script(
        "return [...document.querySelectorAll('.dbt-popover-open [role=option]')].length"
    )
    assert options > 1


CHOICES = {
    ("the_pipeline", "pipeline"): "select distinct source_name from star.run_history",
    ("seoul_this_week", "genre"): (
        "select distinct genre_en from frequent.freq_upcoming_event_day where days_ahead < 7"
    ),
    ("seoul_this_week", "district"): (
        "select distinct district_en from frequent.freq_upcoming_event_day where days_ahead < 7"
    ),
    ("seoul_this_week", "day"): (
        "select distinct cast(date_day as varchar) from frequent.freq_upcoming_event_day"
        " where days_ahead < 7"
    ),
    ("when_to_come", "origin"): (
        "select distinct city_en from serving.rds_fares"
        " inner join serving.rds_airports on origin_airport_code = airport_code"
        " where not is_one_way"
    ),
    ("districts_compared", "subject"): ("select distinct subject from frequent.freq_district_kind"),
    ("what_visitors_do", "channel"): "select name_en from star.dim_channel",
}
"""Queries for the values that the filters offer."""


def test_each_filter_has_its_choices() -> None:
    assert set(CHOICES) == {
        (name, variable) for name in NAMES for variable in board(name).get("variables", {})
    }


@pytest.mark.parametrize(("name", "variable"), mostly_long(CHOICES))
def test_a_wrong_filter_value_is_named_with_what_to_choose_instead_of_charts(
    server: str,
    browser: WebDriver,
    warehouse: duckdb.DuckDBPyConnection,
    name: str,
    variable: str,
) -> None:
    url = f"{server}/{name}/?{urlencode({variable: '<b>Atlantis'})}"
    page = open_page(browser, name, url, has_charts=False)
    assert '"<b>Atlantis"' in page.text
    (offered,) = re.findall(r"Choose one of: ([^.]*)\.", re.sub(r"\s+", " ", shown(browser)))
    choices = warehouse.execute(CHOICES[name, variable]).fetchall()
    assert set(offered.split(", ")) == {choice for (choice,) in choices}
    assert set(page.marks.values()) == {None}


def shown(browser: WebDriver) -> str:
    """Return the words of the page's texts, whose lines are elements of their own."""
    return str(
        browser.execute_script(
            "return [...document.querySelectorAll('[data-authored-kind=text] text')]"
            ".map(line => line.textContent).join(' ')"
        )
    )


def test_each_query_runs_on_redshift_with_the_readers_role_alone(
    redshift: RedshiftServer, manifest: dict[str, Any]
) -> None:
    redshift.query("create group dashboard_readers")
    redshift.query(f"create user dashboards password '{PASSWORD}' in group dashboard_readers")
    for schema in ("star", "frequent", "serving"):
        redshift.query(f"drop schema if exists {schema} cascade")
        redshift.query(f"create schema {schema}")
    for statement in empty_tables(manifest):
        redshift.query(statement)
    for schema in ("star", "frequent", "serving"):
        redshift.query(f"grant usage on schema {schema} to group dashboard_readers")
        redshift.query(f"grant select on all tables in schema {schema} to group dashboard_readers")
    url = f"postgresql://dashboards:{PASSWORD}@{redshift.host}:{redshift.port}/{DATABASE}"
    run_queries(url, manifest)


@pytest.mark.long
def test_a_reader_of_redshift_builds_every_page(
    redshift: RedshiftServer, profiles: Path, manifest: dict[str, Any], tmp_path: Path
) -> None:
    redshift.query("create group page_readers")
    redshift.query(f"create user pages password '{PASSWORD}' in group page_readers")
    for schema in ("star", "frequent", "serving"):
        redshift.query(f"drop schema if exists {schema} cascade")
        redshift.query(f"create schema {schema}")
    for statement in empty_tables(manifest):
        redshift.query(statement)
    for schema in ("star", "frequent", "serving"):
        redshift.query(f"grant usage on schema {schema} to group page_readers")
        redshift.query(f"grant select on all tables in schema {schema} to group page_readers")
    settings = redshift.environment("pages", PASSWORD)
    reader = Newcomer(tmp_path, profiles, **settings, DBT_TARGET="redshift")
    reader.check_output("dbt", "parse")
    assert {page.stem for page in build_pages(reader).glob("*.html")} == set(NAMES)


def test_each_query_runs_on_postgresql(database: str, manifest: dict[str, Any]) -> None:
    url = new_database(database, "dashboards")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for schema in ("star", "frequent", "serving"):
            cursor.execute(f"create schema {schema}")
        for statement in empty_tables(manifest):
            cursor.execute(statement)
    run_queries(url, manifest)


def run_queries(url: str, manifest: dict[str, Any]) -> None:
    """Run each query of each dashboard, with its filters unset and set."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for name, query in QUERIES:
            variables = dict.fromkeys(board(name).get("variables", {}), "2026-11-22")
            for filters in ({}, variables):
                sql = compile_query(warehouse_queries(name)[query], relations(manifest), **filters)
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    assert cursor.description, (name, query)


def test_without_a_build_or_a_warehouse_one_line_says_what_to_do(tmp_path: Path) -> None:
    def run(**environment: str) -> tuple[int, str]:
        process = subprocess.run(
            [BIN / "python", "-m", "loaders.cli.dashboards"],
            cwd=PROJECT,
            env={"HELLO_KOREA_HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
        )
        return process.returncode, process.stderr

    code, line = run(DBT_TARGET_PATH=f"target/{tmp_path.name}")
    assert code == 2
    assert re.fullmatch(r"dbt's manifest is '.*manifest.json': .*`dbt build`.*\n", line)
    code, line = run(DBT_TARGET_PATH=str(tmp_path))
    assert code == 2
    assert line.startswith(f"DBT_TARGET_PATH is '{tmp_path}': ")
    assert line.count("\n") == 1


def test_a_warehouse_that_is_written_is_named_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    target = PROJECT / "target" / tmp_path.name
    target.mkdir(parents=True)
    (target / "manifest.json").touch()
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(file)!r}); print(1); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout
    writer.stdout.readline()
    with pytest.raises(SettingError, match="wait for the process that writes"):
        dashboards.check_warehouse(file, target)
    writer.communicate(b"\n")
    dashboards.check_warehouse(file, target)
    shutil.rmtree(target)


@pytest.mark.long
def test_a_chart_over_a_column_that_is_gone_is_one_line_and_the_other_pages_are_built(
    built: Newcomer, profiles: Path, tmp_path: Path
) -> None:
    copy = Newcomer(tmp_path, profiles)
    (tmp_path / "target").mkdir()
    for file in ("manifest.json", "run_results.json", "export.json"):
        (tmp_path / "target" / file).write_bytes((built.home / "target" / file).read_bytes())
    copied = tmp_path / "warehouse.duckdb"
    copied.write_bytes((built.home / "warehouse.duckdb").read_bytes())
    with duckdb.connect(copied) as warehouse:
        warehouse.execute("create table frequent.u as select * from frequent.freq_user_skew")
        warehouse.execute("drop table frequent.freq_user_skew")
        warehouse.execute("alter table frequent.u drop column top_share")
        warehouse.execute("alter table frequent.u rename to freq_user_skew")
    with pytest.raises(AssertionError) as failure:
        build_pages(copy)
    lines = [line for line in str(failure.value).splitlines() if "top_share" in line]
    assert len(lines) >= 1
    assert all("analyses/dashboards/what_visitors_do.yml:" in line for line in lines)
    built_pages = {page.stem for page in (tmp_path / "target" / "dashboards").glob("*.html")}
    assert built_pages == set(NAMES) - {"what_visitors_do"}


def test_the_shapes_of_the_districts_are_those_that_the_script_draws() -> None:
    seed = (PROJECT / "seeds" / "district_shapes.csv").read_text(encoding="utf-8").splitlines()
    drawn = district_shapes.rows()
    assert len(drawn) == 25
    assert [line.partition(",")[0] for line in seed[1:]] == [row[0] for row in drawn]
    for line, row in zip(seed[1:], drawn, strict=True):
        assert line == ",".join((row[0], f'"{row[1]}"', str(row[2]), str(row[3])))
