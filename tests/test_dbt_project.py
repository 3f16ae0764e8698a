"""The dbt project: rules for every model, and the path of the recorded rows to the website."""

import csv
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from lxml import etree
from support.browser import chromium
from support.dbt_checks import NO_TESTS, dbt
from support.newcomer import Newcomer
from support.pages import FOLDER, LOCAL, build_pages, open_page
from support.project import PROJECT

from loaders import web_logs
from loaders.cli import dashboards
from loaders.export.marts import UPDATED_AT, parse_mart
from loaders.pipeline import history, loaded_dates, stage
from loaders.sources import SOURCES as PIPELINES
from loaders.sources.source import Table
from loaders.web_logs import TABLES as LOGS
from loaders.web_logs.rows import SCHEMAS

SOURCES = {f"staging_{name}": source for name, source in PIPELINES.items()}
# Exceptions to a rule, with the reason. The rule's test fails on an exception no longer needed.
EXCEPTIONS = {
    "freshness": {
        "staging_kopis.performance_details": "only new or changed records are loaded",
        "staging_kma.past_observations": "asked for once a year",
        "staging_kopis.venue_details": "only new or changed records are loaded",
        "staging_tour.images": "only new or changed records are loaded",
        "staging_tour.place_details": "only new or changed records are loaded",
        "staging_tour.place_intros": "only new or changed records are loaded",
        **{f"staging_web_logs.{table}": "generated for any date at any time" for table in LOGS},
        "staging_runs.steps": "any run adds rows to it, whichever source it loads",
        "staging_runs.loaded_dates": "any load adds rows to it, whichever source it loads",
    },
    "key": {f"stg_web_logs__{table}": "tested once, in the star" for table in LOGS},
    "description": {},
}
UNIQUE = ("unique", "unique_combination_of_columns", "unique_integer")
LOADED = ("logical_date", "raw_file", "stage_file", "_dlt_load_id")


@dataclass
class Warehouse:
    """A DuckDB file with staging tables, and the tables and artifacts that dbt builds from them."""

    home: Path

    @property
    def file(self) -> str:
        return str(self.home / "warehouse.duckdb")

    def fill(self, responses: dict[str, list[bytes]]) -> dict[str, list[Any]]:
        """Create all staging tables and load these responses. Return the rejected rows by table."""
        rejected = {}
        with duckdb.connect(self.file) as warehouse:
            for schema, source in SOURCES.items():
                warehouse.execute(f"create schema {schema}")
                for table in source.tables:
                    name = f"{schema}.{table.name}"
                    rows, rejected[name] = stage_and_load(table, responses.get(name, []))
                    warehouse.register("rows", rows)
                    warehouse.execute(f"create table {name} as select * from rows")
            warehouse.execute("create schema staging_web_logs")
            for log in LOGS:
                warehouse.register("rows", SCHEMAS[log].empty_table())
                warehouse.execute(f"create table staging_web_logs.{log} as select * from rows")
            warehouse.execute("create schema staging_runs")
            warehouse.register("rows", history.SCHEMA.empty_table())
            warehouse.execute("create table staging_runs.steps as select * from rows")
            columns = ", ".join(loaded_dates.COLUMNS)
            warehouse.execute(f"create table {loaded_dates.NAME} ({columns})")
        return rejected

    def build(self, *options: str) -> subprocess.CompletedProcess[str]:
        return dbt(self.home, "build", *options)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.file, read_only=True) as warehouse:
            return warehouse.sql(sql).fetchall()

    def artifact(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.home / "target" / name).read_text())
        return loaded


def stage_and_load(table: Table, bodies: list[bytes]) -> tuple[pa.Table, list[Any]]:
    """Return the rows of the responses as the loader loads them, and the rows it rejects."""
    request_values = {"language": "ko", "is_changed": "N"}
    pages = [
        ("raw/recording", request_values, lambda body=body: table.read(body)) for body in bodies
    ]
    result = stage.stage(table, pages, date(2025, 11, 21))
    rows = result.rows
    for name, value in zip(LOADED[2:], ("recording", "1763650800.5"), strict=True):
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), len(rows)))
    return rows, result.rejected


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A built warehouse whose staging tables have no rows."""
    warehouse = Warehouse(tmp_path_factory.mktemp("empty"))
    warehouse.fill({})
    built = warehouse.build(*NO_TESTS)
    assert built.returncode == 0, built.stdout
    return warehouse


@pytest.fixture(scope="module")
def manifest(empty: Warehouse) -> dict[str, Any]:
    return empty.artifact("manifest.json")


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    models = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["package_name"] == "hello_korea"
    ]
    assert models
    return models


def layer(model: dict[str, Any]) -> str:
    name: str = model["fqn"][1]
    return name


def marts(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    layers = ("intermediate", "star", "frequent", "serving")
    return [model for model in models if layer(model) in layers]


def data_tests(manifest: dict[str, Any], tested: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the generic tests attached to a model, snapshot or seed."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node") == tested["unique_id"]:
            yield node


def constraints(model: dict[str, Any], kind: str) -> list[tuple[list[str], dict[str, Any]]]:
    """Return the constraints of one type, each with its columns."""
    every = [
        ([column["name"]], constraint)
        for column in model["columns"].values()
        for constraint in column["constraints"]
    ]
    every += [(constraint["columns"], constraint) for constraint in model["constraints"]]
    return [(columns, constraint) for columns, constraint in every if constraint["type"] == kind]


def test_an_empty_warehouse_builds_with_the_district_for_what_has_none(empty: Warehouse) -> None:
    results = Counter(result["status"] for result in empty.artifact("run_results.json")["results"])
    assert set(results) == {"success", "no-op"}  # an exposure is a no-op
    assert empty.query("select district_id from checks_serving.rds_districts order by 1")[-2:] == [
        ("outside",),
        ("unknown",),
    ]
    assert empty.query("select venue_id from checks_serving.rds_venues") == []
    assert empty.query("select * from checks_serving.rds_events") == []


@pytest.mark.long
def test_an_empty_warehouse_passes_every_test(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.fill({})
    assert warehouse.build().returncode == 0
    results = Counter(
        result["status"] for result in warehouse.artifact("run_results.json")["results"]
    )
    assert set(results) == {"success", "pass", "no-op"}


def test_only_staging_reads_sources_and_each_layer_reads_only_lower_layers(
    models: list[dict[str, Any]],
) -> None:
    below = {
        "staging": {"staging"},
        "intermediate": {"staging", "intermediate"},
        "star": {"staging", "intermediate", "star"},
        "frequent": {"star", "frequent"},
        "serving": {"star", "frequent", "serving"},  # the parents of its foreign keys
    }
    layers = {model["unique_id"]: layer(model) for model in models}
    for model in models:
        parents = model["depends_on"]["nodes"]
        sources = [parent for parent in parents if parent.startswith("source.")]
        assert layer(model) == "staging" or not sources, model
        parent_layers = {layers[parent] for parent in parents if parent in layers}
        if model["name"] == "int_history_days":  # for the loader, which may not read the star
            continue
        assert parent_layers <= below[layer(model)], model["name"]


def tables_with_keys(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return everything that has rows and a key: models, snapshots and seeds."""
    kinds = ("model", "snapshot", "seed")
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def assert_only_exceptions(rule: str, broken: set[str]) -> None:
    """Fail if anything but the exceptions breaks the rule, or if an exception keeps it."""
    assert broken == set(EXCEPTIONS[rule]), f"{rule}: {broken ^ set(EXCEPTIONS[rule])}"


def test_every_model_snapshot_and_seed_has_a_key_test(manifest: dict[str, Any]) -> None:
    without = set()
    for node in tables_with_keys(manifest):
        tests = list(data_tests(manifest, node))
        columns: dict[str, set[str]] = {"unique": set(), "not_null": set()}
        for test in tests:
            columns.get(test["test_metadata"]["name"], set()).add(test["column_name"])
        if node["resource_type"] == "model" and node["config"]["contract"]["enforced"]:
            # Both engines enforce it, so that a test would prove nothing more.
            columns["not_null"] |= {names[0] for names, _ in constraints(node, "not_null")}
        names = {test["test_metadata"]["name"] for test in tests}
        tested = names & {"unique_combination_of_columns", "unique_integer"}
        if not (tested or columns["unique"] & columns["not_null"]):
            without.add(node["name"])
    assert_only_exceptions("key", without)


def test_every_mart_has_an_enforced_contract_whose_primary_key_is_tested(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    for model in marts(models):
        assert model["config"]["contract"]["enforced"], model["name"]
        [(key, _)] = constraints(model, "primary_key")
        tested = {
            tuple(
                test["test_metadata"]["kwargs"].get("combination_of_columns", [test["column_name"]])
            )
            for test in data_tests(manifest, model)
            if test["test_metadata"]["name"] in UNIQUE
        }
        assert tuple(key) in tested, model["name"]
        required = {columns[0] for columns, _ in constraints(model, "not_null")}
        assert set(key) <= required, model["name"]


def test_every_foreign_key_has_a_relationships_test(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    keys = 0
    for model in marts(models):
        tested = {
            (test["column_name"], test["test_metadata"]["kwargs"]["to"])
            for test in data_tests(manifest, model)
            if test["test_metadata"]["name"] in ("relationships", "relationships_integer")
        }
        for columns, constraint in constraints(model, "foreign_key"):
            parent = constraint["to"].split(".")[-1].strip('"')
            assert (columns[0], f"ref('{parent}')") in tested, (model["name"], columns)
            keys += 1
    assert keys >= 20


def test_every_node_and_column_has_a_description_that_ends_with_a_full_stop(
    manifest: dict[str, Any],
) -> None:
    nodes = manifest["nodes"].values()
    analyses = [node for node in nodes if node["resource_type"] == "analysis"]
    others = [*manifest["sources"].values(), *manifest["exposures"].values()]
    without = {
        f"{node['name']}.{described['name']}: {described['description']!r}"
        for node in [*tables_with_keys(manifest), *analyses, *others]
        for described in [node, *node.get("columns", {}).values()]
        if not described["description"].endswith(".")
    }
    assert_only_exceptions("description", without)


def test_every_node_is_described_and_tested_in_the_yaml_file_of_its_name(
    manifest: dict[str, Any],
) -> None:
    nodes = manifest["nodes"]
    analyses = [node for node in nodes.values() if node["resource_type"] == "analysis"]
    yaml_files = {
        node["unique_id"]: Path(node["original_file_path"]).with_name(f"{node['name']}.yml")
        for node in [*tables_with_keys(manifest), *analyses]
    }
    for unique_id, path in yaml_files.items():
        patched = nodes[unique_id]["patch_path"] or ""
        assert patched.removeprefix("hello_korea://") == str(path), unique_id
    for test in nodes.values():
        if test.get("attached_node") in yaml_files:
            expected = yaml_files[test["attached_node"]]
            assert Path(test["original_file_path"]) == expected, test["name"]
    for test in manifest["unit_tests"].values():
        expected = yaml_files[f"model.hello_korea.{test['model']}"]
        assert Path(test["original_file_path"]) == expected
    present = {
        path.relative_to(PROJECT)
        for folder in ("dbt_project", "seeds", "analyses")
        for path in (PROJECT / folder).rglob("*.yml")
        if not path.is_relative_to(FOLDER)
    }
    not_read = {Path("analyses/dbt_charts.yml")}  # nor are the dashboards: .dbtignore
    others = {path.name for path in present - set(yaml_files.values()) - not_read}
    sources = {f"_{schema.removeprefix('staging_')}__sources.yml" for schema in SOURCES}
    sources |= {"_web_logs__sources.yml", "_runs__sources.yml"}
    assert others == {*sources, "exposures.yml", "metrics.yml"}


def test_every_fixture_of_a_unit_test_has_a_row_without_nulls(manifest: dict[str, Any]) -> None:
    """The adapter of Redshift takes the types of a fixture's columns from such a row."""
    without = [
        (test["name"], fixture["input"])
        for test in manifest["unit_tests"].values()
        for fixture in test["given"]
        if isinstance(fixture["rows"], list) and fixture["rows"]
        if all(None in row.values() for row in fixture["rows"])
    ]
    assert without == []


def test_every_macro_and_its_arguments_have_a_description(manifest: dict[str, Any]) -> None:
    for macro in manifest["macros"].values():
        name = macro["name"]
        # A materialization is described by the macro that it calls.
        is_variant = name.startswith(("default__", "duckdb__", "redshift__", "materialization_"))
        if macro["package_name"] != "hello_korea" or is_variant:
            continue
        signature = re.search(r"{% (?:macro|test) \w+\((.*?)\)", macro["macro_sql"])
        assert signature, name
        arguments = [argument.split("=")[0].strip() for argument in signature[1].split(",")]
        assert [argument["name"] for argument in macro["arguments"]] == list(
            filter(None, arguments)
        )
        for described in (macro, *macro["arguments"]):
            assert described["description"].endswith("."), name


def test_every_column_of_a_built_table_is_in_its_yaml_in_order(
    empty: Warehouse, manifest: dict[str, Any]
) -> None:
    for node in tables_with_keys(manifest):
        built = empty.query(
            f"select column_name from information_schema.columns"
            f" where table_schema = '{node['schema']}' and table_name = '{node['alias']}'"
            f" order by ordinal_position"
        )
        assert [name for (name,) in built] == list(node["columns"]), node["name"]


def test_every_table_has_a_comment_on_its_dist_and_sort_keys(models: list[dict[str, Any]]) -> None:
    for model in models:
        if model["config"]["materialized"] == "view":
            continue
        file = model["original_file_path"]
        comment = re.search(r"{#-?(.*?)-?#}", model["raw_code"], re.DOTALL)
        for word in ("dist", "sort"):
            assert model["config"][word], f"{file}: set {word} in its config"
            is_said = comment and f"{word.title()}:" in comment[1]
            assert is_said, f"{file}: begin with a comment that says {word.title()}: and the reason"


def test_every_source_has_freshness_limits_on_its_newest_load(manifest: dict[str, Any]) -> None:
    without = set()
    for source in manifest["sources"].values():
        limits = (source["freshness"] or {}).values()
        if not any(limit.get("count") for limit in limits if isinstance(limit, dict)):
            without.add(f"{source['source_name']}.{source['name']}")
        else:
            assert source["loaded_at_query"] == "{{ newest_load() }}", source["name"]
    assert_only_exceptions("freshness", without)


def test_the_website_exposure_lists_all_serving_tables_and_bi_all_star_and_frequent_ones(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    exposures = {
        exposure["name"]: set(exposure["depends_on"]["nodes"])
        for exposure in manifest["exposures"].values()
    }

    def ids_with(*prefixes: str) -> set[str]:
        return {model["unique_id"] for model in models if model["name"].startswith(prefixes)}

    for name, ids in (("website", ids_with("rds_")), ("bi", ids_with("dim_", "fct_", "freq_"))):
        differing = sorted(ids ^ exposures.pop(name))
        assert not differing, f"dbt_project/models/exposures.yml, {name}: add or remove {differing}"
    assert set(exposures) == set(dashboards.names())


def test_sources_have_exactly_the_columns_that_the_loaders_write(manifest: dict[str, Any]) -> None:
    written = {
        f"{schema}.{table.name}": {*(column.name for column in table.columns), *LOADED}
        for schema, source in SOURCES.items()
        for table in source.tables
    } | {f"staging_web_logs.{table}": set(SCHEMAS[table].names) for table in LOGS}
    written["staging_runs.steps"] = {*history.SCHEMA.names, "_dlt_load_id"}
    written[loaded_dates.NAME] = {column.split()[0] for column in loaded_dates.COLUMNS}
    described = {
        f"{source['schema']}.{source['name']}": set(source["columns"])
        for source in manifest["sources"].values()
    }
    assert described == written


def test_every_rds_index_is_on_existing_columns(models: list[dict[str, Any]]) -> None:
    for model in models:
        if layer(model) == "serving":
            for index in parse_mart(model).indexes:
                words = re.findall(r"\b[a-z_]+\b(?!\()", " ".join(index.expressions))
                names = {*index.columns, *words} - {"simple", "gin_trgm_ops", UPDATED_AT}
                assert names <= set(model["columns"]), model["name"]


def test_the_age_of_the_data_is_that_of_every_staging_table_of_a_source(
    manifest: dict[str, Any],
) -> None:
    parents = manifest["parent_map"]["model.hello_korea.stg_runs__newest_loads"]
    sources = [manifest["sources"][parent] for parent in parents]
    read = {(source["schema"], source["identifier"]) for source in sources}
    written = {
        (f"staging_{name}", table.name)
        for name, source in PIPELINES.items()
        for table in source.tables
    }
    assert read == written, f"macros/select_loads.sql: add or remove {sorted(read ^ written)}"


def test_every_source_of_rows_has_a_name_and_an_attribution(empty: Warehouse) -> None:
    described = empty.query("select source, attribution from checks_serving.rds_data_as_of")
    sources = {*PIPELINES, web_logs.NAME}
    differing = sorted({source for source, _ in described} ^ sources)
    assert not differing, f"macros/data_sources.sql: add or remove {differing}"
    assert all(attribution for _, attribution in described)


def test_another_target_builds_in_schemas_with_its_own_prefix(empty: Warehouse) -> None:
    schemas = empty.query("select distinct table_schema from information_schema.tables")
    assert {name for (name,) in schemas if not name.startswith("staging_")} == {
        "checks_seeds",
        "checks_staging",
        "checks_intermediate",
        "checks_star",
        "checks_frequent",
        "checks_serving",
        "checks_snapshots",
    }


def test_duckdb_enforces_no_more_keys_than_redshift(empty: Warehouse) -> None:
    kinds = empty.query("select distinct constraint_type from duckdb_constraints()")
    assert kinds == [("NOT NULL",)]


def test_the_calendar_has_every_date_with_its_iso_week(empty: Warehouse) -> None:
    days = empty.query(
        "select date_day, date_id, iso_year, iso_week, iso_weekday, day_of_year, weekday_name_en"
        " from checks_star.dim_date order by date_day"
    )
    assert (days[0][0], days[-1][0]) == (date(2000, 1, 1), date(2040, 12, 31))
    assert len(days) == (days[-1][0] - days[0][0]).days + 1
    for day, date_id, *rest in days:
        week = (*day.isocalendar(), day.timetuple().tm_yday, f"{day:%A}")
        assert (date_id, *rest) == (int(f"{day:%Y%m%d}"), *week)


# The path of the recorded rows. The expected numbers come from the recordings only.


@dataclass
class Recorded:
    """The recorded responses as in their files, and the warehouse built from them."""

    items: dict[str, list[dict[str, str]]]
    """Items of TourAPI by content type, or `festivals` and `stays`."""
    performances: list[etree._Element]
    details: list[etree._Element]
    venues: list[etree._Element]
    warehouse: Warehouse
    rejected: dict[str, list[Any]]


@pytest.fixture(scope="module")
def recorded_rows(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    korean = recordings / "tourapi" / "KorService2"
    items = {
        **{kind: read_items(korean / f"areaBasedList2/{kind}.json") for kind in ("12", "14", "32")},
        "festivals": read_items(korean / "searchFestival2.json"),
        "stays": read_items(korean / "searchStay2.json"),
    }
    lists = [path.read_bytes() for path in sorted((recordings / "kopis/pblprfr").glob("*.xml"))]
    details = (recordings / "kopis/pblprfr_detail.xml").read_bytes()
    venues = (recordings / "kopis/prfplc.xml").read_bytes()
    warehouse = Warehouse(tmp_path_factory.mktemp("recorded"))
    rejected = warehouse.fill(
        {
            "staging_tour.places": [tour_response(items[kind]) for kind in ("12", "14", "32")]
            + [tour_response(items["festivals"])],
            "staging_tour.festivals": [tour_response(items["festivals"])],
            "staging_tour.stays": [tour_response(items["stays"])],
            "staging_kopis.performances": lists,
            "staging_kopis.performance_details": [details],
            "staging_kopis.venues": [venues],
            "staging_kopis.venue_details": [
                venue_details(recordings / "kopis/prfplc_detail_partial.csv")
            ],
        }
    )
    # test_recordings runs dbt's own tests on these rows.
    built = warehouse.build(*NO_TESTS)
    assert built.returncode == 0, built.stdout
    return Recorded(
        items=items,
        performances=[db for body in lists for db in etree.fromstring(body)],
        details=list(etree.fromstring(details)),
        venues=list(etree.fromstring(venues)),
        warehouse=warehouse,
        rejected=rejected,
    )


def read_items(file: Path) -> list[dict[str, str]]:
    items: list[dict[str, str]] = json.loads(file.read_text())
    return items


def tour_response(items: list[dict[str, str]]) -> bytes:
    """Return recorded items in the envelope of the API's responses."""
    body = {"items": {"item": items}, "totalCount": len(items)}
    return json.dumps({"response": {"header": {"resultCode": "0000"}, "body": body}}).encode()


def venue_details(file: Path) -> bytes:
    """Return the recorded venue details in the API's format, which the recording has lost."""
    root = etree.Element("dbs")
    for row in csv.DictReader(file.open(encoding="utf-8-sig")):
        db = etree.SubElement(root, "db")
        for name, value in row.items():
            etree.SubElement(db, name).text = value
    return etree.tostring(root)


def test_every_recorded_place_except_clinics_and_every_stay_reaches_the_website(
    recorded_rows: Recorded,
) -> None:
    query = recorded_rows.warehouse.query
    assert (len(recorded_rows.items["12"]), len(recorded_rows.items["14"])) == (783, 566)
    kinds = query("select kind, count(*) from checks_serving.rds_attractions group by 1 order by 1")
    clinics = sum(item["lclsSystm3"] == "EX050800" for item in recorded_rows.items["12"])
    assert clinics == 3
    assert kinds == [("attraction", 783 - clinics), ("culture", 566)]
    assert len(recorded_rows.items["stays"]) == 423
    listed_twice = 2
    lodgings = query("select count(*) from checks_serving.rds_lodgings")
    assert lodgings == [(423 - listed_twice,)]


def test_every_recorded_festival_reaches_the_website_or_is_rejected(
    recorded_rows: Recorded,
) -> None:
    assert len(recorded_rows.items["festivals"]) == 201
    items = recorded_rows.items["festivals"]
    dated = [item for item in items if item["eventstartdate"].isdigit()]
    rejected = recorded_rows.rejected["staging_tour.festivals"]
    [(arrived,)] = recorded_rows.warehouse.query(
        "select count(*) from checks_serving.rds_events"
        " where source = 'tour' or also_in like '%tour-%'"
    )
    assert arrived + len(rejected) == 201
    assert arrived >= len(dated)


def test_every_recorded_performance_and_venue_reaches_the_website(recorded_rows: Recorded) -> None:
    query = recorded_rows.warehouse.query
    performances = {f"kopis-{db.findtext('mt20id')}" for db in recorded_rows.performances}
    venues = {f"kopis-{db.findtext('mt10id')}" for db in recorded_rows.venues}
    assert (len(performances), len(venues)) == (1278, 3775)
    events = query("select event_id from checks_serving.rds_events where source = 'kopis'")
    assert {event for (event,) in events} == performances
    served = query("select venue_id from checks_serving.rds_venues where venue_id like 'kopis-%'")
    assert {venue for (venue,) in served} == venues


def test_every_recorded_performance_is_at_its_venue_and_hall(recorded_rows: Recorded) -> None:
    placed = recorded_rows.warehouse.query(
        "select event_id, venue_id, venues.name_ko, hall_name"
        " from checks_star.fct_event"
        " inner join checks_star.dim_venue as venues using (venue_id)"
        " where fct_event.source = 'kopis'"
    )
    details = {f"kopis-{db.findtext('mt20id')}": db for db in recorded_rows.details}
    assert len(placed) == len(details) == 1278
    for event, venue, name, hall in placed:
        assert venue == f"kopis-{details[event].findtext('mt10id')}"
        text = re.sub(r"\s", "", details[event].findtext("fcltynm") or "")
        assert text == re.sub(r"\s", "", f"{name}({hall or name})")


def test_every_recorded_price_is_parsed(recorded_rows: Recorded) -> None:
    parsed = {
        event: (min_price, max_price, is_free)
        for event, min_price, max_price, is_free in recorded_rows.warehouse.query(
            "select event_id, min_price_krw, max_price_krw, is_free"
            " from checks_star.fct_event where source = 'kopis'"
        )
    }
    for db in recorded_rows.details:
        text = db.findtext("pcseguidance") or ""
        prices = [int(price.replace(",", "")) for price in re.findall(r"([\d,]+)원", text)]
        prices += [0] if text.strip() == "전석무료" else []
        expected = (min(prices), max(prices), max(prices) == 0)
        assert parsed[f"kopis-{db.findtext('mt20id')}"] == expected, text


def test_every_recorded_performance_has_a_row_for_each_of_its_days(recorded_rows: Recorded) -> None:
    def day(db: etree._Element, field: str) -> date:
        return datetime.strptime(db.findtext(field) or "", "%Y.%m.%d").date()

    lengths = {
        f"kopis-{db.findtext('mt20id')}": (day(db, "prfpdto") - day(db, "prfpdfrom")).days + 1
        for db in recorded_rows.details
    }
    days = recorded_rows.warehouse.query(
        "select event_id, count(*), max(day_number) from checks_star.fct_event_day"
        " where event_id like 'kopis-%' group by 1"
    )
    assert {event: (count, last) for event, count, last in days} == {
        event: (length, length) for event, length in lengths.items()
    }


def test_every_recorded_performance_is_on_the_weekdays_of_its_schedule(
    recorded_rows: Recorded,
) -> None:
    def weekdays(schedule: str) -> set[int]:
        """Return the weekdays of a schedule, from 0 for Monday, as a person reads them."""
        names = "월화수목금토일"
        found: set[int] = set()
        for part in re.sub(r"\([^)]*\)", "", schedule).split(","):
            ends = [names.index(name) for name in re.findall("([월화수목금토일])요일", part)]
            if ends:
                found |= {(ends[0] + day) % 7 for day in range((ends[-1] - ends[0]) % 7 + 1)}
        return found

    schedules = {
        f"kopis-{db.findtext('mt20id')}": weekdays(db.findtext("dtguidance") or "")
        for db in recorded_rows.details
    }
    days = recorded_rows.warehouse.query(
        """
        select event_id, date_day, is_closed, date_day in (starts_on, ends_on)
        from checks_star.fct_event_day join checks_star.dim_date using (date_id)
        join checks_star.fct_event using (event_id)
        where event_id like 'kopis-%'
        """
    )
    assert sum(is_closed for _, _, is_closed, _ in days) > 1000
    for event_id, day, is_closed, is_first_or_last in days:
        listed = schedules[event_id]
        expected = bool(listed) and day.weekday() not in listed and not is_first_or_last
        assert is_closed == expected, (event_id, day)


def test_recorded_korean_records_are_in_the_district_of_their_code(recorded_rows: Recorded) -> None:
    districts_by_code = {
        item["contentid"]: item["lDongRegnCd"] + item["lDongSignguCd"]
        for items in recorded_rows.items.values()
        for item in items
    }
    assigned = recorded_rows.warehouse.query(
        "select record_id, district_id, district_source"
        " from checks_intermediate.int_records_assigned_to_districts where source = 'tour_ko'"
    )
    assert {record: district for record, district, _ in assigned} == districts_by_code
    assert {source for *_, source in assigned} == {"code"}


def test_recorded_points_outside_korea_become_null(recorded_rows: Recorded) -> None:
    items = [item for kind in ("12", "14", "stays") for item in recorded_rows.items[kind]]
    outside = [item for item in items if float(item["mapy"]) < 33]
    assert outside
    [(unknown,)] = recorded_rows.warehouse.query(
        "select (select count(*) from checks_star.dim_place where longitude is null)"
        " + (select count(*) from checks_star.dim_lodging where longitude is null)"
    )
    assert unknown == len(outside)


def test_events_at_unlisted_venues_are_listed_beyond_one_in_twenty_and_without_details_always() -> (
    None
):
    text = (PROJECT / "tests" / "dbt" / "events_have_a_known_venue.sql").read_text("utf-8")
    sql = re.sub(r"{{ ref\('(\w+)'\) }}", r"\1", re.sub(r"{{ config.*? }}", "", text))

    def listed(unlisted: int, without_details: int) -> set[str]:
        """Return the listed events of twenty performances."""
        with duckdb.connect() as warehouse:
            warehouse.execute(
                "create table fct_event as"
                " select 'e' || i as event_id, 'kopis' as source, 'title' as title_ko,"
                " 'PF' || i as performance_id, true as is_listed,"
                f" if(i < {unlisted + without_details}, 'unknown', 'v1') as venue_id"
                " from range(20) as t (i)"
            )
            warehouse.execute(
                "create table stg_kopis__performance_details as"
                " select performance_id from fct_event"
                f" where substr(performance_id, 3)::integer >= {without_details}"
            )
            return {event for (event, *_) in warehouse.execute(sql).fetchall()}

    assert listed(unlisted=1, without_details=0) == set()
    assert listed(unlisted=2, without_details=0) == {"e0", "e1"}
    assert listed(unlisted=1, without_details=1) == {"e0"}


@pytest.mark.long
def test_no_chart_breaks_without_data(
    empty: Warehouse, profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pages = build_pages(Newcomer(empty.home, profiles))
    assert {page.stem for page in pages.glob("*.html")} == set(dashboards.names())
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        for name in dashboards.names():
            page = open_page(browser, name, (pages / f"{name}.html").as_uri())
            assert page.errors == []
            assert page.origins <= LOCAL
            assert None not in page.marks.values(), name
            assert "no data yet" in page.text
