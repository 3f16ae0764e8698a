"""Readers return rows, rejected rows or a named error, whatever an API returns.

The export writes any marts in order, and the website's database then equals them.
"""

import copy
import graphlib
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import orjson
import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.sql import SQL, Identifier
from requests import PreparedRequest, Response
from support.newcomer import Newcomer
from support.project import TODAY
from support.small_project import new_database

from loaders.export import rds
from loaders.export.export import export_marts
from loaders.export.marts import Column, ExportError, ForeignKey, Index, Mart, sort_parents_first
from loaders.lake.raw import META
from loaders.pipeline.extract import accept
from loaders.pipeline.stage import BrokenTableError, stage
from loaders.sources import SOURCES
from loaders.sources.source import ApiError, Source, Table

TABLES = [(source, table) for source in SOURCES.values() for table in source.tables]
FUZZ = settings(
    deadline=timedelta(seconds=5),
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


def count_staged(
    source: Source, table: Table, url: str, constants: dict[str, str], body: bytes
) -> int | None:
    """Return the number of rows staged of a response, or None if a named error refuses it.

    `constants` are the values that apply to each row.
    """
    response, request = Response(), PreparedRequest()
    request.prepare_url(url, {})
    response.status_code, response.request, response.url = 200, request, url
    response._content = body
    try:
        rows = accept(source, table, response)
        staged = stage(table, [("raw", constants, lambda: rows)], TODAY)
    except (ApiError, BrokenTableError) as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert len(message.splitlines()) == 1
        return None
    assert all(row["reason"] for row in staged.rejected)
    assert staged.rows.schema.names[-1] == "raw_file"
    return len(staged.rows)


def name_of(source_table: tuple[Source, Table]) -> str:
    source, table = source_table
    return f"{source.name}.{table.name}"


@pytest.mark.parametrize("source_table", TABLES, ids=name_of)
@settings(FUZZ, max_examples=60)
@given(body=st.binary() | st.text().map(str.encode))
def test_any_bytes_become_rows_or_a_named_error(
    source_table: tuple[Source, Table], body: bytes
) -> None:
    count_staged(*source_table, "http://127.0.0.1/a/b?pageNo=1&numOfRows=10", {}, body)


SampleResponse = tuple[str, dict[str, str], bytes]
"""Its URL, the values that apply to each row, and its body."""


@pytest.fixture(scope="module")
def responses(built: Newcomer) -> dict[str, list[SampleResponse]]:
    """A few responses of the sample API for each table."""
    responses: dict[str, list[SampleResponse]] = {}
    for source, table in TABLES:
        folder = built.home / "lake" / "raw" / source.name / table.name
        metas = sorted(folder.rglob(f"*{META}"))[:5]
        responses[name_of((source, table))] = [
            (
                meta["request"]["url"],
                meta["row"],
                path.with_name(path.name[: -len(META)]).read_bytes(),
            )
            for path, meta in ((path, orjson.loads(path.read_bytes())) for path in metas)
        ]
    return responses


@pytest.mark.parametrize("source_table", TABLES, ids=name_of)
def test_a_response_with_any_value_anywhere_becomes_rows_or_a_named_error(
    source_table: tuple[Source, Table], responses: dict[str, list[SampleResponse]]
) -> None:
    source, table = source_table
    generator = random.Random(20261122)
    originals = responses[name_of(source_table)]
    assert originals
    counts = [count_staged(source, table, *response) for response in originals]
    assert any(count is not None for count in counts)
    for _ in range(150):
        url, constants, body = generator.choice(originals)
        count_staged(source, table, url, constants, mutate(generator, body))


UNUSUAL: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    "",
    " ",
    "\x00",
    "💥" * 3,
    "2026-02-31",
    "<b>&amp;",
    [],
    {},
    [[]],
]
UNUSUAL += [
    {"item": {}},
    [None],
    "9" * 400,
    "NaN",
    "'; drop table x; --",
    "\u202e\ud7ff",
    {"a": [1]},
]


def mutate(generator: random.Random, body: bytes) -> bytes:
    """Return a response in which some bytes, or some of its values, are replaced."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if document is None or generator.random() < 0.3:
        return mutate_bytes(generator, body)
    for _ in range(generator.randint(1, 4)):
        document = mutate_value(generator, document)
    return orjson.dumps(document)


def mutate_bytes(generator: random.Random, body: bytes) -> bytes:
    first = generator.randrange(len(body) + 1)
    last = min(len(body), first + generator.choice([0, 1, 5, 200, 10**6]))
    inserted = generator.choice(
        [b"", b"\x00", b"\xff\xfe", b"<a>", b"</db>", b"]]>", b'"', b"{", b"&x;"]
    )
    return body[:first] + inserted * generator.choice([1, 1, 1000]) + body[last:]


def mutate_value(generator: random.Random, document: Any) -> Any:
    """Replace, remove or repeat a value somewhere in the document."""
    if not isinstance(document, dict | list) or not document or generator.random() < 0.1:
        return copy.deepcopy(generator.choice(UNUSUAL))
    keys = list(document) if isinstance(document, dict) else range(len(document))
    key = generator.choice(list(keys))
    action = generator.random()
    if action < 0.15:
        del document[key]
    elif action < 0.25 and isinstance(document, list):
        document.append(document[key])
    elif action < 0.25 and isinstance(document, dict):
        document[f"{key}_new"] = document[key]
    else:
        document[key] = mutate_value(generator, document[key])
    return document


# The export.

TEXT = 'select "text"'
"""Name of a column."""


def make_mart(table: str, parents: list[str]) -> Mart:
    """Return a mart with an id, a text, and a foreign key to each parent."""
    columns = ["id", TEXT, *(f"{parent}_id" for parent in parents)]
    return Mart(
        model_id=f"model.x.rds_{table}",
        table=table,
        relation=table,
        description="",
        columns=tuple(
            Column(name, "varchar" if name == TEXT else "integer", "", name == "id")
            for name in columns
        ),
        primary_key=("id",),
        foreign_keys=tuple(ForeignKey((f"{parent}_id",), parent, ("id",)) for parent in parents),
        indexes=tuple(Index((f"{parent}_id",)) for parent in parents),
        max_delete_share=1.0,
    )


@settings(FUZZ, max_examples=200)
@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
    generator=st.randoms(use_true_random=False),
)
def test_parents_come_before_children_and_a_cycle_is_named(
    edges: list[tuple[int, int]], generator: random.Random
) -> None:
    parents: dict[str, set[str]] = {f"t{number}": set() for number in range(8)}
    for child, parent in edges:
        if child != parent:
            parents[f"t{child}"].add(f"t{parent}")
    marts = [make_mart(table, sorted(parents[table])) for table in parents]
    generator.shuffle(marts)
    try:
        graphlib.TopologicalSorter(parents).prepare()
    except graphlib.CycleError:
        with pytest.raises(ExportError, match="form a cycle"):
            sort_parents_first(marts)
        return
    order = [mart.table for mart in sort_parents_first(marts)]
    assert sorted(order) == sorted(parents)
    assert all(
        order.index(parent) < order.index(table) for table in parents for parent in parents[table]
    )
    assert order == [mart.table for mart in sort_parents_first(marts[::-1])]


class WarehouseInMemory:
    """A warehouse, as the export reads it, whose marts are lists of rows."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]], marts: list[Mart]) -> None:
        self._tables = tables
        self._marts = {mart.table: mart for mart in marts}

    def count(self, relation: str) -> int:
        return len(self._tables[relation])

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        types = {"varchar": pa.string(), "integer": pa.int32()}
        fields = [
            pa.field(column.name, types[column.data_type])
            for column in self._marts[relation].columns
        ]
        yield pa.RecordBatch.from_pylist(self._tables[relation], pa.schema(fields))


TEXTS = ["", "a", "b", 'quote " and , comma', "line\nbreak", "\\N", "한글 💥", None]
UNUSUAL_NAMES = ["order", 'say "x"', "o'clock; drop table t; --", "한글 %s", "Two Words"]


@pytest.mark.parametrize("seed", range(6))
def test_after_each_of_many_exports_the_database_equals_the_marts(
    database: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__MAX_DELETE_SHARE", "1")
    generator = random.Random(seed)
    names = generator.sample(UNUSUAL_NAMES, generator.randint(2, 5))
    marts = sort_parents_first(
        [
            make_mart(name, [other for other in names[:number] if generator.random() < 0.5])
            for number, name in enumerate(names)
        ]
    )
    tables: dict[str, list[dict[str, Any]]] = {mart.table: [] for mart in marts}
    url = new_database(database, f"fuzz_{seed}")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for _ in range(12):
            change_rows(generator, marts, tables)
            rds.prepare(cursor)
            export_marts(cursor, tuple(marts), WarehouseInMemory(tables, marts))
            connection.commit()
            for mart in marts:
                columns = SQL(", ").join(map(Identifier, mart.column_names))
                table = Identifier(mart.table)
                cursor.execute(SQL("select {} from {} order by id").format(columns, table))
                assert cursor.fetchall() == [
                    tuple(row[name] for name in mart.column_names)
                    for row in sorted(tables[mart.table], key=lambda row: row["id"])
                ]


def change_rows(
    generator: random.Random, marts: list[Mart], tables: dict[str, list[dict[str, Any]]]
) -> None:
    """Delete, add and change some rows, such that every foreign key still finds its parent."""
    for mart in marts:
        kept = [row for row in tables[mart.table] if generator.random() < 0.8]
        ids = {row["id"] for row in kept}
        new = [
            {"id": number} for number in range(40) if number not in ids and generator.random() < 0.2
        ]
        for row in kept + new:
            if TEXT not in row or generator.random() < 0.3:
                row[TEXT] = generator.choice(TEXTS)
            for parent in mart.parents:
                parent_ids = [parent_row["id"] for parent_row in tables[parent]]
                if row.get(f"{parent}_id") not in parent_ids or generator.random() < 0.2:
                    row[f"{parent}_id"] = generator.choice([*parent_ids, None])
        tables[mart.table] = kept + new
