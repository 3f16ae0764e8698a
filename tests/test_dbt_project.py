"""The dbt project: what holds for every model, and what becomes of the recorded rows."""

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
from support.dbt_checks import NO_TESTS, dbt
from support.project import PROJECT

from loaders.pipeline import history, stage
from loaders.sources import SOURCES as PIPELINES
from loaders.sources.source import Table
from loaders.web_logs import TABLES as LOGS
from loaders.web_logs.rows import SCHEMAS

SOURCES = {f"staging_{name}": source for name, source in PIPELINES.items()}
# What a rule does not hold for, and why. A test sees to it that each still needs its exception.
EXCEPTIONS = {
    "freshness": {
        "staging_kopis.performance_details": "only what is new or changed is loaded",
        "staging_kopis.venue_details": "only what is new or changed is loaded",
        "staging_tour.place_details": "only what is new or changed is loaded",
        **{f"staging_web_logs.{table}": "made for any day at any time" for table in LOGS},
        "staging_runs.steps": "each run adds to it, whatever it is of",
    },
    "key": {f"stg_web_logs__{table}": "proven once, in the star" for table in LOGS},
    "description": {},
}
UNIQUE = ("unique", "unique_combination_of_columns", "unique_integer")
LOADED = ("logical_date", "raw_file", "stage_file", "_dlt_load_id")


@dataclass
class Warehouse:
    """A DuckDB with staging tables, and what dbt made of it."""

    home: Path

    @property
    def file(self) -> str:
        return str(self.home / "warehouse.duckdb")

    def fill(self, answers: dict[str, list[bytes]]) -> dict[str, list[Any]]:
        """All staging tables, with the rows of these answers. Returns the rejected rows."""
        rejected = {}
        with duckdb.connect(self.file) as warehouse:
            for schema, source in SOURCES.items():
                warehouse.execute(f"create schema {schema}")
                for table in source.tables:
                    name = f"{schema}.{table.name}"
                    rows, rejected[name] = staged(table, answers.get(name, []))
                    warehouse.register("rows", rows)
                    warehouse.execute(f"create table {name} as select * from rows")
            warehouse.execute("create schema staging_web_logs")
            for log in LOGS:
                warehouse.register("rows", SCHEMAS[log].empty_table())
                warehouse.execute(f"create table staging_web_logs.{log} as select * from rows")
            warehouse.execute("create schema staging_runs")
            warehouse.register("rows", history.SCHEMA.empty_table())
            warehouse.execute("create table staging_runs.steps as select * from rows")
        return rejected

    def build(self, *options: str) -> subprocess.CompletedProcess[str]:
        return dbt(self.home, "build", *options)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.file, read_only=True) as warehouse:
            return warehouse.sql(sql).fetchall()

    def artifact(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.home / "target" / name).read_text())
        return loaded


def staged(table: Table, bodies: list[bytes]) -> tuple[pa.Table, list[Any]]:
    """Answers as the loader stages and loads them, and the rows that it rejects."""
    same = {"language": "ko", "is_changed": "N"}
    pages = [("raw/recording", same, lambda body=body: body) for body in bodies]
    result = stage.stage(table, pages, date(2025, 11, 21))
    rows = result.rows
    for name in LOADED[2:]:
        rows = rows.append_column(name, pa.repeat(pa.scalar("recording"), len(rows)))
    return rows, result.rejected


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse on its first day, with no row in any table."""
    warehouse = Warehouse(tmp_path_factory.mktemp("empty"))
    warehouse.fill({})
    built = warehouse.build()
    assert built.returncode == 0, built.stdout
    return warehouse


@pytest.fixture(scope="module")
def manifest(empty: Warehouse) -> dict[str, Any]:
    return empty.artifact("manifest.json")


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["package_name"] == "hello_korea"
    ]
    assert found
    return found


def layer(model: dict[str, Any]) -> str:
    name: str = model["fqn"][1]
    return name


def marts(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    layers = ("intermediate", "star", "frequent", "serving")
    return [model for model in models if layer(model) in layers]


def data_tests(manifest: dict[str, Any], model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The generic tests that stand with a model."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node") == model["unique_id"]:
            yield node


def constraints(model: dict[str, Any], kind: str) -> list[tuple[list[str], dict[str, Any]]]:
    """The constraints of one kind, each with its columns."""
    columns = model["columns"].values()
    found = [([column["name"]], it) for column in columns for it in column["constraints"]]
    found += [(it["columns"], it) for it in model["constraints"]]
    return [(columns, it) for columns, it in found if it["type"] == kind]


def test_a_warehouse_without_a_row_builds_and_passes_every_test(empty: Warehouse) -> None:
    results = Counter(it["status"] for it in empty.artifact("run_results.json")["results"])
    assert set(results) == {"success", "pass", "no-op"}  # nothing is done for an exposure
    assert empty.query("select district_id from checks_serving.rds_districts order by 1")[-2:] == [
        ("outside",),
        ("unknown",),
    ]
    assert empty.query("select venue_id from checks_serving.rds_venues") == [("unknown",)]
    assert empty.query("select * from checks_serving.rds_events") == []


def test_only_staging_reads_sources_and_each_layer_only_the_ones_below(
    models: list[dict[str, Any]],
) -> None:
    below = {
        "staging": {"staging"},
        "intermediate": {"staging", "intermediate"},
        "star": {"staging", "intermediate", "star"},
        "frequent": {"star", "frequent"},
        "serving": {"star", "serving"},  # the parents of its foreign keys
    }
    layers = {model["unique_id"]: layer(model) for model in models}
    for model in models:
        read = model["depends_on"]["nodes"]
        assert layer(model) == "staging" or not any(it.startswith("source.") for it in read), model
        assert {layers[it] for it in read if it in layers} <= below[layer(model)], model["name"]


def keyed(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that has rows and a key: models, snapshots and seeds."""
    kinds = ("model", "snapshot", "seed")
    nodes = manifest["nodes"].values()
    return [it for it in nodes if it["resource_type"] in kinds]


def excepted(rule: str, broken: set[str]) -> None:
    """Fails where a rule is broken by others than its exceptions, or an exception keeps it."""
    assert broken == set(EXCEPTIONS[rule]), f"{rule}: {broken ^ set(EXCEPTIONS[rule])}"


def test_every_model_snapshot_and_seed_has_a_test_of_its_key(manifest: dict[str, Any]) -> None:
    without = set()
    for node in keyed(manifest):
        tests = list(data_tests(manifest, node))
        columns: dict[str, set[str]] = {"unique": set(), "not_null": set()}
        for test in tests:
            columns.get(test["test_metadata"]["name"], set()).add(test["column_name"])
        names = {test["test_metadata"]["name"] for test in tests}
        proven = names & {"unique_combination_of_columns", "unique_integer"}
        if not (proven or columns["unique"] & columns["not_null"]):
            without.add(node["name"])
    excepted("key", without)


def test_every_mart_has_an_enforced_contract_with_the_key_that_its_tests_prove(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    for model in marts(models):
        assert model["config"]["contract"]["enforced"], model["name"]
        [(key, _)] = constraints(model, "primary_key")
        proven = {
            tuple(it["test_metadata"]["kwargs"].get("combination_of_columns", [it["column_name"]]))
            for it in data_tests(manifest, model)
            if it["test_metadata"]["name"] in UNIQUE
        }
        assert tuple(key) in proven, model["name"]
        required = {columns[0] for columns, _ in constraints(model, "not_null")}
        assert set(key) <= required, model["name"]


def test_every_foreign_key_has_its_test(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    keys = 0
    for model in marts(models):
        proven = {
            (it["column_name"], it["test_metadata"]["kwargs"]["to"])
            for it in data_tests(manifest, model)
            if it["test_metadata"]["name"] in ("relationships", "relationships_integer")
        }
        for columns, constraint in constraints(model, "foreign_key"):
            parent = constraint["to"].split(".")[-1].strip('"')
            assert (columns[0], f"ref('{parent}')") in proven, (model["name"], columns)
            keys += 1
    assert keys >= 20


def test_everything_is_described_in_one_sentence(manifest: dict[str, Any]) -> None:
    analyses = [it for it in manifest["nodes"].values() if it["resource_type"] == "analysis"]
    others = [*manifest["sources"].values(), *manifest["exposures"].values()]
    without = {
        f"{node['name']}.{described['name']}: {described['description']!r}"
        for node in [*keyed(manifest), *analyses, *others]
        for described in [node, *node.get("columns", {}).values()]
        if not described["description"].endswith(".")
    }
    excepted("description", without)


def test_each_node_is_described_and_tested_in_the_file_of_its_own_name(
    manifest: dict[str, Any],
) -> None:
    nodes = manifest["nodes"]
    analyses = [node for node in nodes.values() if node["resource_type"] == "analysis"]
    own = {
        node["unique_id"]: Path(node["original_file_path"]).with_name(f"{node['name']}.yml")
        for node in [*keyed(manifest), *analyses]
    }
    for unique_id, path in own.items():
        patched = nodes[unique_id]["patch_path"] or ""
        assert patched.removeprefix("hello_korea://") == str(path), unique_id
    for test in nodes.values():
        if test.get("attached_node") in own:
            assert Path(test["original_file_path"]) == own[test["attached_node"]], test["name"]
    for test in manifest["unit_tests"].values():
        assert Path(test["original_file_path"]) == own[f"model.hello_korea.{test['model']}"]
    written = {
        path.relative_to(PROJECT)
        for folder in ("dbt_project", "seeds", "analyses")
        for path in (PROJECT / folder).rglob("*.yml")
    }
    others = {path.name for path in written - set(own.values())}
    sources = {f"_{schema.removeprefix('staging_')}__sources.yml" for schema in SOURCES}
    sources |= {"_web_logs__sources.yml", "_runs__sources.yml"}
    assert others == {*sources, "exposures.yml"}


def test_each_macro_is_described_with_its_arguments(manifest: dict[str, Any]) -> None:
    for macro in manifest["macros"].values():
        name = macro["name"]
        of_an_engine = name.startswith(("default__", "duckdb__", "redshift__"))
        if macro["package_name"] != "hello_korea" or of_an_engine:
            continue
        signature = re.search(r"{% (?:macro|test) \w+\((.*?)\)", macro["macro_sql"])
        assert signature, name
        arguments = [argument.split("=")[0].strip() for argument in signature[1].split(",")]
        assert [argument["name"] for argument in macro["arguments"]] == list(
            filter(None, arguments)
        )
        for described in (macro, *macro["arguments"]):
            assert described["description"].endswith("."), name


def test_every_column_of_a_table_is_described(empty: Warehouse, manifest: dict[str, Any]) -> None:
    for node in keyed(manifest):
        built = empty.query(
            f"select column_name from information_schema.columns"
            f" where table_schema = '{node['schema']}' and table_name = '{node['alias']}'"
            f" order by ordinal_position"
        )
        assert [name for (name,) in built] == list(node["columns"]), node["name"]


def test_every_table_says_why_it_lies_and_is_sorted_as_it_is(models: list[dict[str, Any]]) -> None:
    for model in models:
        if model["config"]["materialized"] == "view":
            continue
        assert model["config"]["dist"], model["name"]
        assert model["config"]["sort"], model["name"]
        comment = re.search(r"{#-?(.*?)-?#}", model["raw_code"], re.DOTALL)
        assert comment, model["name"]
        assert "Dist:" in comment[1], model["name"]
        assert "Sort:" in comment[1], model["name"]


def test_every_source_is_known_to_be_fresh_by_its_newest_load(manifest: dict[str, Any]) -> None:
    without = set()
    for source in manifest["sources"].values():
        limits = (source["freshness"] or {}).values()
        if not any(it and it.get("count") for it in limits if isinstance(it, dict)):
            without.add(f"{source['source_name']}.{source['name']}")
        else:
            assert source["loaded_at_query"] == "{{ newest_load() }}", source["name"]
    excepted("freshness", without)


def test_the_website_reads_every_serving_table_and_bi_the_star_and_the_frequent_ones(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    readers = {it["name"]: set(it["depends_on"]["nodes"]) for it in manifest["exposures"].values()}
    served = {it["unique_id"] for it in models if it["name"].startswith("rds_")}
    asked = {it["unique_id"] for it in models if it["name"].startswith(("dim_", "fct_", "freq_"))}
    assert readers == {"website": served, "bi": asked}


def test_sources_are_described_as_the_loaders_write_them(manifest: dict[str, Any]) -> None:
    written = {
        f"{schema}.{table.name}": {*(column.name for column in table.columns), *LOADED}
        for schema, source in SOURCES.items()
        for table in source.tables
    } | {f"staging_web_logs.{table}": set(SCHEMAS[table].names) for table in LOGS}
    written["staging_runs.steps"] = {*history.SCHEMA.names, "_dlt_load_id"}
    described = {
        f"{it['schema']}.{it['name']}": set(it["columns"]) for it in manifest["sources"].values()
    }
    assert described == written


def test_the_website_has_indexes_on_columns_that_are_there(models: list[dict[str, Any]]) -> None:
    for model in models:
        if layer(model) == "serving":
            indexed = [name for index in model["config"]["meta"]["rds_indexes"] for name in index]
            assert set(indexed) <= set(model["columns"]), model["name"]


def test_a_target_of_ones_own_builds_beside_the_warehouse(empty: Warehouse) -> None:
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


def test_the_calendar_has_every_day_in_its_iso_week(empty: Warehouse) -> None:
    days = empty.query(
        "select date_day, date_id, iso_year, iso_week, iso_weekday, day_of_year, weekday_name_en"
        " from checks_star.dim_date order by date_day"
    )
    assert (days[0][0], days[-1][0]) == (date(2000, 1, 1), date(2040, 12, 31))
    assert len(days) == (days[-1][0] - days[0][0]).days + 1
    for day, date_id, *rest in days:
        week = (*day.isocalendar(), day.timetuple().tm_yday, f"{day:%A}")
        assert (date_id, *rest) == (int(f"{day:%Y%m%d}"), *week)


# What becomes of the recorded rows. The numbers come from the recordings alone.


@dataclass
class Recorded:
    """The recorded answers as they stand in their files, and the warehouse built of them."""

    items: dict[str, list[dict[str, str]]]
    """TourAPI's, by operation or content type."""
    performances: list[etree._Element]
    details: list[etree._Element]
    venues: list[etree._Element]
    warehouse: Warehouse
    rejected: dict[str, list[Any]]


@pytest.fixture(scope="module")
def recorded(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
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
            "staging_tour.places": [answer(items[kind]) for kind in ("12", "14", "32")]
            + [answer(items["festivals"])],
            "staging_tour.festivals": [answer(items["festivals"])],
            "staging_tour.stays": [answer(items["stays"])],
            "staging_kopis.performances": lists,
            "staging_kopis.performance_details": [details],
            "staging_kopis.venues": [venues],
            "staging_kopis.venue_details": [
                venue_details(recordings / "kopis/prfplc_detail_partial.csv")
            ],
        }
    )
    # That every test of dbt passes on these rows is proved by test_recordings.
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


def answer(items: list[dict[str, str]]) -> bytes:
    """Recorded items in the envelope in which the API sends them."""
    body = {"items": {"item": items}, "totalCount": len(items)}
    return json.dumps({"response": {"header": {"resultCode": "0000"}, "body": body}}).encode()


def venue_details(file: Path) -> bytes:
    """The recorded venue details, which are no longer in the API's own form, in that form."""
    root = etree.Element("dbs")
    for row in csv.DictReader(file.open(encoding="utf-8-sig")):
        db = etree.SubElement(root, "db")
        for name, value in row.items():
            etree.SubElement(db, name).text = value
    return etree.tostring(root)


def test_every_recorded_place_but_clinics_and_every_stay_reaches_the_website(
    recorded: Recorded,
) -> None:
    query = recorded.warehouse.query
    assert (len(recorded.items["12"]), len(recorded.items["14"])) == (783, 566)
    kinds = query("select kind, count(*) from checks_serving.rds_attractions group by 1 order by 1")
    clinics = sum(item["lclsSystm3"] == "EX050800" for item in recorded.items["12"])
    assert clinics == 3
    assert kinds == [("attraction", 783 - clinics), ("culture", 566)]
    assert len(recorded.items["stays"]) == 423
    assert query("select count(*) from checks_serving.rds_lodgings") == [(423,)]


def test_every_recorded_festival_reaches_the_website_or_is_rejected(recorded: Recorded) -> None:
    assert len(recorded.items["festivals"]) == 201
    dated = [it for it in recorded.items["festivals"] if it["eventstartdate"].isdigit()]
    rejected = recorded.rejected["staging_tour.festivals"]
    [(arrived,)] = recorded.warehouse.query(
        "select count(*) from checks_serving.rds_events"
        " where source = 'tour' or also_in like '%tour-%'"
    )
    assert arrived + len(rejected) == 201
    assert arrived >= len(dated)


def test_every_recorded_performance_and_venue_reaches_the_website(recorded: Recorded) -> None:
    query = recorded.warehouse.query
    performances = {f"kopis-{db.findtext('mt20id')}" for db in recorded.performances}
    venues = {f"kopis-{db.findtext('mt10id')}" for db in recorded.venues}
    assert (len(performances), len(venues)) == (1278, 3775)
    events = query("select event_id from checks_serving.rds_events where source = 'kopis'")
    assert {event for (event,) in events} == performances
    served = query("select venue_id from checks_serving.rds_venues where venue_id like 'kopis-%'")
    assert {venue for (venue,) in served} == venues


def test_every_recorded_performance_is_at_its_venue_and_hall(recorded: Recorded) -> None:
    placed = recorded.warehouse.query(
        "select event_id, venue_id, venues.name_ko, hall_name"
        " from checks_star.fct_event"
        " inner join checks_star.dim_venue as venues using (venue_id)"
        " where fct_event.source = 'kopis'"
    )
    told = {f"kopis-{db.findtext('mt20id')}": db for db in recorded.details}
    assert len(placed) == len(told) == 1278
    for event, venue, name, hall in placed:
        assert venue == f"kopis-{told[event].findtext('mt10id')}"
        text = re.sub(r"\s", "", told[event].findtext("fcltynm") or "")
        assert text == re.sub(r"\s", "", f"{name}({hall or name})")


def test_every_recorded_price_is_read(recorded: Recorded) -> None:
    read = {
        event: (least, most, free)
        for event, least, most, free in recorded.warehouse.query(
            "select event_id, min_price_krw, max_price_krw, is_free"
            " from checks_star.fct_event where source = 'kopis'"
        )
    }
    for db in recorded.details:
        text = db.findtext("pcseguidance") or ""
        prices = [int(it.replace(",", "")) for it in re.findall(r"([\d,]+)원", text)]
        prices += [0] if text.strip() == "전석무료" else []
        expected = (min(prices), max(prices), max(prices) == 0)
        assert read[f"kopis-{db.findtext('mt20id')}"] == expected, text


def test_every_recorded_performance_has_each_of_its_days(recorded: Recorded) -> None:
    def day(db: etree._Element, field: str) -> date:
        return datetime.strptime(db.findtext(field) or "", "%Y.%m.%d").date()

    lengths = {
        f"kopis-{db.findtext('mt20id')}": (day(db, "prfpdto") - day(db, "prfpdfrom")).days + 1
        for db in recorded.details
    }
    days = recorded.warehouse.query(
        "select event_id, count(*), max(day_number) from checks_star.fct_event_day"
        " where event_id like 'kopis-%' group by 1"
    )
    assert {event: (count, last) for event, count, last in days} == {
        event: (length, length) for event, length in lengths.items()
    }


def test_recorded_korean_records_lie_in_the_district_of_their_code(recorded: Recorded) -> None:
    items = [it for kind in recorded.items.values() for it in kind]
    coded = {it["contentid"]: it["lDongRegnCd"] + it["lDongSignguCd"] for it in items}
    found = recorded.warehouse.query(
        "select record_id, district_id, district_source"
        " from checks_intermediate.int_records_assigned_to_districts where source = 'tour_ko'"
    )
    assert {record: district for record, district, _ in found} == coded
    assert {source for *_, source in found} == {"code"}


def test_no_recorded_point_is_outside_korea(recorded: Recorded) -> None:
    answered = [it for kind in ("12", "14", "stays") for it in recorded.items[kind]]
    outside = [it for it in answered if float(it["mapy"]) < 33]
    assert outside
    [(unknown,)] = recorded.warehouse.query(
        "select (select count(*) from checks_star.dim_place where longitude is null)"
        " + (select count(*) from checks_star.dim_lodging where longitude is null)"
    )
    assert unknown == len(outside)
