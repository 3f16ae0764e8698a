"""The metrics say what the frequent tables say: `mf query` on DuckDB and on Redshift."""

import csv
import io
import re
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.cases import mostly_long
from support.newcomer import BIN, Newcomer
from support.pages import empty_tables
from support.project import PROJECT
from support.redshift import USER, RedshiftServer

pytest.importorskip("dbt_metricflow", reason="expected the extra metrics")

USAGE = """
select
    {group},
    sum(session_count),
    sum(click_count),
    sum(purchase_count),
    1.0 * sum(purchase_count) / nullif(sum(click_count), 0)
from frequent.{table}
group by {group}
"""
CASES = {
    "usage by day": (
        *("sessions,clicks,purchases,conversion", "metric_time__day"),
        USAGE.format(group="log_date", table="freq_daily_funnel"),
    ),
    "usage by channel and age group": (
        *("sessions,clicks,purchases,conversion", "session__channel_code,user__age_group"),
        USAGE.format(group="channel_code, age_group", table="freq_usage"),
    ),
    "events by day and district": (
        *("events_on,free_events_on", "metric_time__day,district"),
        "select date_day, district_id, event_count, free_event_count"
        " from frequent.freq_upcoming_events_by_district",
    ),
    "share of free events by genre": (
        *("events_on,free_share", "genre__name_en"),
        """
        select
            genre_en,
            count(distinct event_id),
            1.0 * count(distinct case when admission = 'free' then event_id end)
            / nullif(count(distinct case when admission <> 'not said' then event_id end), 0)
        from frequent.freq_upcoming_event_day
        group by genre_en
        """,
    ),
    "cheapest fare by day, origin and month": (
        *("cheapest_fare", "metric_time__day,origin_airport__city_code,fare__departs_at__month"),
        """
        select seen_on, origin_city_code, departure_month, min(cheapest_usd)
        from frequent.freq_cheapest_fare
        where not is_one_way
        group by seen_on, origin_city_code, departure_month
        """,
    ),
}
"""Metrics, what they are grouped by, and a query of the frequent tables for the same columns, the
groups first."""

SCHEMAS = ("star", "frequent", "serving")

Rows = set[tuple[object, ...]]


def project_folder(folder: Path, newcomer: Newcomer) -> Path:
    """Return a folder in which `mf` finds a build: it knows no target folder but `target`."""
    (folder / "dbt_project.yml").symlink_to(PROJECT / "dbt_project.yml")
    (folder / "target").symlink_to(newcomer.home / "target")
    return folder


@pytest.fixture(scope="module")
def project(built: Newcomer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_folder(tmp_path_factory.mktemp("project"), built)


@pytest.fixture(scope="module")
def window(built: Newcomer) -> tuple[str, ...]:
    """The options for the days of the frequent tables of events."""
    with duckdb.connect(built.home / "warehouse.duckdb", read_only=True) as warehouse:
        days = warehouse.execute(
            "select min(date_day), max(date_day) from frequent.freq_upcoming_event_day"
        ).fetchone()
    assert days
    return ("--start-time", str(days[0]), "--end-time", str(days[1]))


def mf(project: Path, environment: dict[str, str], *words: str) -> str:
    """Run `mf` without a network, and return what it prints."""
    process = subprocess.run(
        [BIN / "mf", *words],
        cwd=project,
        env=environment | {"HTTPS_PROXY": "http://127.0.0.1:9", "TMPDIR": str(project)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout


def metric_rows(
    project: Path, environment: dict[str, str], metrics: str, groups: str, *options: str
) -> Rows:
    """Return the rows of a query of metrics, with the groups first."""
    file = project / "rows.csv"
    query = ("--metrics", metrics, "--group-by", groups, *options)
    mf(project, environment, "query", "--quiet", "--csv", str(file), *query)
    rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    names = (*groups.split(","), *metrics.split(","))
    return {tuple(comparable(row[name]) for name in names) for row in rows}


def comparable(value: object) -> object:
    """Return a value as it is the same from a driver and from a file of `mf`."""
    text = "" if value is None else str(value)
    try:
        return round(float(text), 6)
    except ValueError:
        return text.removesuffix(" 00:00:00") or None


@pytest.mark.parametrize("case", mostly_long(CASES))
def test_a_metric_is_what_the_frequent_table_has(
    built: Newcomer, project: Path, window: tuple[str, ...], case: str
) -> None:
    metrics, groups, sql = CASES[case]
    options = window if metrics.startswith("events") else ()
    with duckdb.connect(built.home / "warehouse.duckdb", read_only=True) as warehouse:
        expected = warehouse.execute(sql).fetchall()
    assert expected
    assert metric_rows(project, built.environment, metrics, groups, *options) == {
        tuple(map(comparable, row)) for row in expected
    }


@pytest.fixture(scope="module")
def on_redshift(
    redshift: RedshiftServer,
    built: Newcomer,
    profiles: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Newcomer:
    """Somebody with a Redshift that has the rows of the built star and frequent tables."""
    folder = tmp_path_factory.mktemp("redshift_metrics")
    newcomer = Newcomer(folder, profiles, **redshift.environment(), DBT_TARGET="redshift")
    newcomer.check_output("dbt", "parse", "--quiet")
    for schema in SCHEMAS:
        redshift.query(f"drop schema if exists {schema} cascade")
        redshift.query(f"create schema {schema}")
    for statement in empty_tables(newcomer.artifact("manifest.json")):
        redshift.query(statement)
    file = folder / "rows.csv"
    with duckdb.connect(built.home / "warehouse.duckdb", read_only=True) as warehouse:
        for table in tables(newcomer.artifact("semantic_manifest.json")):
            warehouse.execute(f"copy {table} to '{file}' (format csv, header false)")
            redshift.fill(table, file)
    for schema in SCHEMAS:
        redshift.query(f"grant usage on schema {schema} to {USER}")
        redshift.query(f"grant select on all tables in schema {schema} to {USER}")
    return newcomer


def tables(semantic_manifest: dict[str, Any]) -> set[str]:
    """Return the tables that the metrics and the cases read."""
    counted = {
        f"star.{model['node_relation']['alias']}" for model in semantic_manifest["semantic_models"]
    }
    frequent = re.findall(r"frequent\.\w+", " ".join(sql for *_, sql in CASES.values()))
    return {"star.dim_date", *counted, *frequent}


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_a_metric_is_what_the_frequent_table_has_on_redshift(
    on_redshift: Newcomer,
    redshift: RedshiftServer,
    window: tuple[str, ...],
    tmp_path: Path,
    case: str,
) -> None:
    metrics, groups, sql = CASES[case]
    options = window if metrics.startswith("events") else ()
    folder = project_folder(tmp_path, on_redshift)
    expected = redshift.query(sql)
    assert expected
    assert metric_rows(folder, on_redshift.environment, metrics, groups, *options) == {
        tuple(map(comparable, row)) for row in expected
    }


@pytest.mark.long
def test_the_definitions_of_the_metrics_are_valid_on_redshift(
    on_redshift: Newcomer, tmp_path: Path
) -> None:
    folder = project_folder(tmp_path, on_redshift)
    said = mf(folder, on_redshift.environment, "validate-configs")
    assert said.count("ERRORS: 0, FUTURE_ERRORS: 0, WARNINGS: 0") == 6


def test_every_metric_is_compared_and_is_described_in_a_sentence(built: Newcomer) -> None:
    manifest = built.artifact("manifest.json")
    described = [*manifest["metrics"].values(), *manifest["semantic_models"].values()]
    for node in described:
        assert re.fullmatch(r"[A-Z].*\.", node["description"], re.DOTALL), node["name"]
    for model in manifest["semantic_models"].values():
        for measure in model["measures"]:
            assert re.fullmatch(r"[A-Z].*\.", measure["description"]), measure["name"]
    compared = {name for metrics, *_ in CASES.values() for name in metrics.split(",")}
    parts = {"priced_events_on"}  # the denominator of free_share
    assert {metric["name"] for metric in manifest["metrics"].values()} == compared | parts


def test_each_measure_is_defined_once(built: Newcomer) -> None:
    models = built.artifact("manifest.json")["semantic_models"].values()
    counted = [
        (model["model"], measure["agg"], measure["expr"])
        for model in models
        for measure in model["measures"]
    ]
    assert len(counted) == len(set(counted))
