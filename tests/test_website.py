"""The queries of `docs/website.md`, on the exported sample rows and on many copies of them."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from support.newcomer import Newcomer
from support.project import PROJECT

from loaders.export import embedded_postgres
from loaders.export.roles import READER

DOCUMENT = (PROJECT / "docs" / "website.md").read_text("utf-8")
QUERIES = dict(re.findall(r"^### (.+?)\n[^#]*?```sql\n(.*?)```", DOCUMENT, re.M | re.S))
"""The questions and their queries."""
COPIES = 30
KEYS = {
    "attractions": "place_id",
    "lodgings": "lodging_id",
    "venues": "venue_id",
    "events": "event_id",
    "event_days": "event_id",
    "fares": "fare_id",
    "weather": None,
    "exchange_rates": None,
}
"""The tables that a page must not scan, each with the text column that makes a copy another row."""
SMALL = {
    "weather",
    "exchange_rates",
    "climate",
    "districts",
    "airports",
    "categories",
    "data_as_of",
}
"""Tables whose size the number of districts, airports, currencies or sources limits."""


class Website:
    """A database with the exported tables, and the parameters of the queries."""

    def __init__(self, url: str) -> None:
        self.url = url
        ((today,),) = self.rows("select max(newest_logical_date) from data_as_of")
        on, district = self.rows(
            f"""
            select event_on, district_id
            from event_days join weather using (district_id)
            where weather_on = event_on and event_on > '{today}'
            group by 1, 2 order by count(*) desc, 1, 2 limit 1
            """
        )[0]
        longitude, latitude = self.rows(
            f"""
            select longitude, latitude from events join event_days using (event_id)
            where event_on = '{on}' and longitude is not null order by event_id limit 1
            """
        )[0]
        self.parameters: dict[str, Any] = {
            "today": today,
            "on": on,
            "district": district,
            "longitude": longitude,
            "latitude": latitude,
            "west": 126.97,
            "east": 126.99,
            "south": 37.56,
            "north": 37.58,
            "city": "TYO",
            "currency": "JPY",
            "event": self.rows(f"select event_id from event_days where event_on > '{today}'")[0][0],
            "since": datetime(2026, 1, 1),
            "search": "",
        }

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """Run SQL as the website, and return the rows."""
        website = urlsplit(self.url)._replace(netloc=f"{READER}@").geturl()
        with closing(psycopg2.connect(website)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            rows: list[Any] = cursor.fetchall()
            return rows

    def answer(self, question: str, **parameters: Any) -> list[Any]:
        return self.rows(QUERIES[question], **{**self.parameters, **parameters})

    def plan(self, question: str, **parameters: Any) -> str:
        plan = self.rows("explain " + QUERIES[question], **{**self.parameters, **parameters})
        return "\n".join(line for (line,) in plan)


def question(number: int) -> str:
    (name,) = [name for name in QUERIES if name.startswith(f"{number}. ")]
    return str(name)


def execute(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def exported(built: Newcomer) -> Iterator[str]:
    """The URL of a database that an export has filled."""
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(built.home))
        yield embedded_postgres.start(embedded_postgres.SUPERUSER)


@pytest.fixture(scope="module")
def website(exported: str) -> Website:
    return Website(exported)


@pytest.fixture(scope="module")
def crowded(exported: str) -> Website:
    """The same tables with many more rows, in other places and unchanged for long."""
    name = "crowded"
    execute(
        exported,
        f"drop database if exists {name}",
        f"create database {name} template {embedded_postgres.DATABASE}",
    )
    url = exported.replace(f"/{embedded_postgres.DATABASE}", f"/{name}")
    for table, key in KEYS.items():
        if key:
            execute(url, *copies(url, table, key))
    execute(url, "analyze")
    return Website(url)


def copies(url: str, table: str, key: str) -> Iterator[str]:
    """Yield the statements that add copies of a table's rows. Foreign keys are not checked."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"select * from {table} limit 0")
        assert cursor.description
        names = [column.name for column in cursor.description]
    moved = {
        "event_day_id": "md5(event_day_id || copy)",
        "venue_id": "md5(venue_id || copy)" if table == "events" else "",
        "longitude": "longitude + random() * 2",
        "latitude": "latitude + random() * 2",
        "search_text": "'copied ' || md5(search_text || copy)",
        "updated_at": "timestamptz '2025-01-01'",
    }
    moved[key] = f"md5({key} || copy)"
    moved = {name: sql for name, sql in moved.items() if sql}
    values = ", ".join(moved.get(name, name) for name in names)
    yield "set session_replication_role = replica"
    yield (
        f"insert into {table} ({', '.join(names)}) select {values}"
        f" from {table} cross join generate_series(1, {COPIES}) as copies (copy)"
    )


def test_the_page_has_twelve_questions_each_with_a_query() -> None:
    numbers = [name.partition(".")[0] for name in QUERIES if name[0].isdigit()]
    assert numbers == [str(number) for number in range(1, 13)]
    assert DOCUMENT.count("```sql") == len(QUERIES)


def words(website: Website, column: str) -> str:
    """Return the beginnings of the words of an attraction's name."""
    ((title,), *_) = website.rows(
        f"select {column} from attractions where {column} is not null order by place_id"
    )
    return " ".join(word[:2] for word in re.findall(r"\w{2,}", title)[:2])


@pytest.mark.parametrize("name", QUERIES)
def test_each_query_returns_rows_to_the_role_of_the_website(website: Website, name: str) -> None:
    assert website.answer(name, search=words(website, "title_ko"))


@pytest.mark.parametrize("column", ["title_ko", "title_en"])
def test_a_search_finds_the_beginnings_of_words_in_each_language(
    website: Website, column: str
) -> None:
    asked = words(website, column)
    found = website.answer(question(8), search=asked)
    assert found
    for row in found:
        names = re.findall(r"\w+", " ".join(filter(None, row[2:])).lower())
        for word in asked.lower().split():
            assert any(name.startswith(word) for name in names), (asked, row)


@pytest.mark.parametrize("search", ["", "   ", "'", "a & | ! b", "\\", "';--", "a:*", "<->", "(("])
def test_a_search_for_anything_a_visitor_types_is_no_error(website: Website, search: str) -> None:
    assert len(website.answer(question(8), search=search)) <= 60


def test_the_nearest_ten_are_those_of_all_rows_by_metres(website: Website) -> None:
    ten = website.answer(question(6))
    every = website.rows(
        """
        select place_id from attractions where longitude is not null
        order by (88.3 * (longitude - %(longitude)s)) ^ 2 + (111 * (latitude - %(latitude)s)) ^ 2
        limit 10
        """,
        **website.parameters,
    )
    assert {row[0] for row in ten} == {place_id for (place_id,) in every}
    metres = [row[-1] for row in ten]
    assert metres == sorted(metres)


def test_a_query_for_a_day_has_the_events_that_the_days_say_and_no_other(website: Website) -> None:
    found = website.answer(question(1))
    expected = website.rows(
        "select event_id from event_days where event_on = %(on)s and district_id = %(district)s",
        **website.parameters,
    )
    assert len(found) == min(50, len(expected))
    assert {row[0] for row in found} <= {event_id for (event_id,) in expected}


def test_every_price_in_yen_is_that_of_the_newest_rate(website: Website) -> None:
    ((rate, rate_on),) = website.rows(
        "select krw_per_unit, rate_on from exchange_rates where currency_code = 'JPY' and is_newest"
    )
    fares = website.answer(question(9))
    assert [row[5] for row in fares] == sorted(row[5] for row in fares)
    for row in fares:
        assert (float(row[6]), row[7]) == (round(float(row[5] / rate), 2), rate_on)


def test_a_fare_in_a_currency_without_a_rate_has_no_price_and_stays(website: Website) -> None:
    fares = website.answer(question(9), currency="VND")
    assert fares
    assert {row[6] for row in fares} == {None}


@pytest.mark.parametrize("name", QUERIES)
def test_each_query_reads_the_large_tables_through_an_index(crowded: Website, name: str) -> None:
    plan = crowded.plan(name, search="copied")
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert scanned <= SMALL, plan
    if "data_as_of" not in plan:
        assert "Index" in plan


@pytest.mark.parametrize(
    ("number", "condition"),
    [
        (1, r"Index Cond: \(\(event_on = .*\) AND \(\(district_id\)::text = "),
        (2, r"Index Cond: \(point\(longitude, latitude\) <@ "),
        (3, r"Index Cond: \(\(COALESCE\(ends_on, starts_on\) >= "),
        (4, r"Index Cond: \(\(event_id\)::text = "),
        (5, r"Index Cond: \(\(event_on = .*\) AND \(\(district_id\)::text = "),
        (6, r"Order By: \(point\(longitude, latitude\) <-> "),
        (7, r"Index Cond: \(point\(longitude, latitude\) <@ "),
        (8, r"(?s)Index Cond: \(to_tsvector\(.*Index Cond: \(to_tsvector\(.*Index Cond: \(to_ts"),
        (9, r"Index Cond: \(\(\(origin_airport_code\)::text = .*price_krw IS NOT NULL"),
        (12, r"Index Cond: \(updated_at > "),
    ],
)
def test_each_query_uses_the_index_that_is_meant_for_it(
    crowded: Website, number: int, condition: str
) -> None:
    plan = crowded.plan(question(number), search="seoul")
    assert re.search(condition, plan), plan


def test_every_exported_table_is_on_the_page_with_its_key(exported: str, website: Website) -> None:
    tables = website.rows(
        """
        select relname::text from pg_class
        where relkind = 'r' and relnamespace = 'public'::regnamespace
            and has_table_privilege(oid, 'select')
        """
    )
    documented = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| `(\w+)`", DOCUMENT, re.M))
    assert set(documented) >= {table for (table,) in tables}
    for table, key in documented.items():
        assert website.rows(f"select count({key}) = count(*) from {table}") == [(True,)], table


def test_the_composite_keys_have_a_unique_column_beside_them(website: Website) -> None:
    composite = website.rows(
        """
        select conrelid::regclass::text from pg_constraint
        where contype = 'p' and cardinality(conkey) > 1
            and has_table_privilege(conrelid, 'select')
            and connamespace = 'public'::regnamespace
        order by 1
        """
    )
    single = website.rows(
        """
        select indrelid::regclass::text from pg_index
        join pg_class on pg_class.oid = indrelid and relnamespace = 'public'::regnamespace
        where indisunique and not indisprimary and indnkeyatts = 1
            and has_table_privilege(indrelid, 'select')
        order by 1
        """
    )
    assert (
        composite
        == single
        == [(name,) for name in ("event_days", "exchange_rates", "images", "weather")]
    )


def test_every_row_with_an_image_names_its_source_and_kopis_its_line(website: Website) -> None:
    line = "출처: (재)예술경영지원센터 공연예술통합전산망, www.kopis.or.kr"
    assert line in DOCUMENT
    for table in ("attractions", "lodgings", "venues", "events"):
        without = f"""
            select count(*) from {table}
            where (image_url is null) <> (image_source is null)
                or (image_url is null) <> (image_attribution is null)
                or source <> 'none' and attribution is null
        """
        assert website.rows(without) == [(0,)], table
    of_kopis = "select count(*), bool_and(attribution like %(line)s) from events where {}"
    for condition in ("source = 'kopis'", "also_in like '%%kopis-%%'"):
        count, is_credited = website.rows(of_kopis.format(condition), line=f"%{line}%")[0]
        assert not count or is_credited, condition
    assert website.rows("select attribution from data_as_of where source = 'kopis'") == [(line,)]


def test_a_second_export_of_the_same_build_changes_no_row(
    built: Newcomer, exported: str, website: Website
) -> None:
    versions = "select tableoid::regclass::text, ctid, xmin, xmax, updated_at from {} order by 2"
    tables = re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.M)[:17]

    def rows() -> list[Any]:
        return [website.rows(versions.format(table)) for table in tables]

    before = rows()
    output = built.check_output("dlt", "pipeline", "rds", "run")
    assert "Exported 17 tables" in output
    assert rows() == before
