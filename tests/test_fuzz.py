"""Whatever an API answers, a reader gives rows, a rejection or a named error, and ends; whatever
marts there are, they are exported in order and the website's database equals them."""

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
from loaders.export.marts import Column, ExportError, ForeignKey, Mart, in_order
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


def taken_in(
    source: Source, table: Table, url: str, row: dict[str, str], body: bytes
) -> int | None:
    """The rows staged of an answer; None where it is refused with a named error."""
    response, request = Response(), PreparedRequest()
    request.prepare_url(url, {})
    response.status_code, response.request, response.url = 200, request, url
    response._content = body
    try:
        accept(source, table, response)
        staged = stage(table, [("raw", row, lambda: body)], TODAY)
    except (ApiError, BrokenTableError) as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert len(said.splitlines()) == 1
        return None
    assert all(it["reason"] for it in staged.rejected)
    assert staged.rows.schema.names[-1] == "raw_file"
    return len(staged.rows)


def name_of(it: tuple[Source, Table]) -> str:
    return f"{it[0].name}.{it[1].name}"


@pytest.mark.parametrize("it", TABLES, ids=name_of)
@settings(FUZZ, max_examples=60)
@given(body=st.binary() | st.text().map(str.encode))
def test_bytes_of_any_kind_are_rows_or_a_named_error(it: tuple[Source, Table], body: bytes) -> None:
    taken_in(*it, "http://127.0.0.1/a/b?pageNo=1&numOfRows=10", {}, body)


@pytest.fixture(scope="module")
def answers(built: Newcomer) -> dict[str, list[tuple[str, dict[str, str], bytes]]]:
    """Of each table, some answers of the sample API: asked where, what holds for each row, body."""
    found: dict[str, list[tuple[str, dict[str, str], bytes]]] = {}
    for source, table in TABLES:
        folder = built.home / "lake" / "raw" / source.name / table.name
        metas = sorted(folder.rglob(f"*{META}"))[:5]
        found[f"{source.name}.{table.name}"] = [
            (
                meta["request"]["url"],
                meta["row"],
                path.with_name(path.name[: -len(META)]).read_bytes(),
            )
            for path, meta in ((it, orjson.loads(it.read_bytes())) for it in metas)
        ]
    return found


@pytest.mark.parametrize("it", TABLES, ids=name_of)
def test_an_answer_with_anything_in_its_place_is_rows_or_a_named_error(
    it: tuple[Source, Table], answers: dict[str, list[tuple[str, dict[str, str], bytes]]]
) -> None:
    source, table = it
    chance = random.Random(20261122)
    kept = answers[name_of(it)]
    assert kept
    rows = [taken_in(source, table, *answer) for answer in kept]
    assert any(it is not None for it in rows)
    for _ in range(150):
        url, row, body = chance.choice(kept)
        taken_in(source, table, url, row, broken(chance, body))


ODD: list[Any] = [
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
ODD += [{"item": {}}, [None], "9" * 400, "NaN", "'; drop table x; --", "\u202e\ud7ff", {"a": [1]}]


def broken(chance: random.Random, body: bytes) -> bytes:
    """An answer in which something else stands in some place: of its bytes, or of its values."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if document is None or chance.random() < 0.3:
        return broken_bytes(chance, body)
    for _ in range(chance.randint(1, 4)):
        document = broken_value(chance, document)
    return orjson.dumps(document)


def broken_bytes(chance: random.Random, body: bytes) -> bytes:
    first = chance.randrange(len(body) + 1)
    last = min(len(body), first + chance.choice([0, 1, 5, 200, 10**6]))
    put = chance.choice([b"", b"\x00", b"\xff\xfe", b"<a>", b"</db>", b"]]>", b'"', b"{", b"&x;"])
    return body[:first] + put * chance.choice([1, 1, 1000]) + body[last:]


def broken_value(chance: random.Random, document: Any) -> Any:
    """With another value, a value less, or a value twice, somewhere down in it."""
    if not isinstance(document, dict | list) or not document or chance.random() < 0.1:
        return copy.deepcopy(chance.choice(ODD))
    places = list(document) if isinstance(document, dict) else range(len(document))
    place = chance.choice(list(places))
    action = chance.random()
    if action < 0.15:
        del document[place]
    elif action < 0.25 and isinstance(document, list):
        document.append(document[place])
    elif action < 0.25 and isinstance(document, dict):
        document[f"{place}_new"] = document[place]
    else:
        document[place] = broken_value(chance, document[place])
    return document


# The export.

TEXT = 'select "text"'
"""A column's name."""


def mart(table: str, parents: list[str]) -> Mart:
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
        foreign_keys=tuple(ForeignKey((f"{it}_id",), it, ("id",)) for it in parents),
        indexes=tuple((f"{it}_id",) for it in parents),
        max_delete_share=1.0,
    )


@settings(FUZZ, max_examples=200)
@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
    shuffled=st.randoms(use_true_random=False),
)
def test_parents_come_before_children_and_a_cycle_is_named(
    edges: list[tuple[int, int]], shuffled: random.Random
) -> None:
    parents: dict[str, set[str]] = {f"t{number}": set() for number in range(8)}
    for child, parent in edges:
        if child != parent:
            parents[f"t{child}"].add(f"t{parent}")
    marts = [mart(table, sorted(its)) for table, its in parents.items()]
    shuffled.shuffle(marts)
    try:
        graphlib.TopologicalSorter(parents).prepare()
    except graphlib.CycleError:
        with pytest.raises(ExportError, match="go round"):
            in_order(marts)
        return
    order = [it.table for it in in_order(marts)]
    assert sorted(order) == sorted(parents)
    assert all(order.index(it) < order.index(table) for table in parents for it in parents[table])
    assert order == [it.table for it in in_order(marts[::-1])]


class Rows:
    """Marts that are held in memory, as the export reads a warehouse."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]], marts: list[Mart]) -> None:
        self._tables = tables
        self._marts = {it.table: it for it in marts}

    def count(self, relation: str) -> int:
        return len(self._tables[relation])

    def rows(self, relation: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        types = {"varchar": pa.string(), "integer": pa.int32()}
        fields = [pa.field(it.name, types[it.data_type]) for it in self._marts[relation].columns]
        yield pa.RecordBatch.from_pylist(self._tables[relation], pa.schema(fields))


TEXTS = ["", "a", "b", 'quote " and , comma', "line\nbreak", "\\N", "한글 💥", None]
TABLES_OF_ODD_NAMES = ["order", 'say "x"', "o'clock; drop table t; --", "한글 %s", "Two Words"]


@pytest.mark.parametrize("seed", range(6))
def test_after_any_exports_the_database_equals_the_marts(
    database: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDS__MAX_DELETE_SHARE", "1")
    chance = random.Random(seed)
    names = chance.sample(TABLES_OF_ODD_NAMES, chance.randint(2, 5))
    marts = in_order(
        [
            mart(it, [of for of in names[:number] if chance.random() < 0.5])
            for number, it in enumerate(names)
        ]
    )
    tables: dict[str, list[dict[str, Any]]] = {it.table: [] for it in marts}
    url = new_database(database, f"fuzz_{seed}")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for _ in range(12):
            changed(chance, marts, tables)
            rds.prepare(cursor)
            export_marts(cursor, tuple(marts), Rows(tables, marts))
            connection.commit()
            for it in marts:
                columns = SQL(", ").join(map(Identifier, it.column_names))
                table = Identifier(it.table)
                cursor.execute(SQL("select {} from {} order by id").format(columns, table))
                assert cursor.fetchall() == [
                    tuple(row[name] for name in it.column_names)
                    for row in sorted(tables[it.table], key=lambda row: row["id"])
                ]


def changed(
    chance: random.Random, marts: list[Mart], tables: dict[str, list[dict[str, Any]]]
) -> None:
    """Some rows go, come, or are others, and every foreign key still finds its parent."""
    for it in marts:
        kept = [row for row in tables[it.table] if chance.random() < 0.8]
        ids = {row["id"] for row in kept}
        new = [
            {"id": number} for number in range(40) if number not in ids and chance.random() < 0.2
        ]
        for row in kept + new:
            if TEXT not in row or chance.random() < 0.3:
                row[TEXT] = chance.choice(TEXTS)
            for parent in it.parents:
                there = [one["id"] for one in tables[parent]]
                if row.get(f"{parent}_id") not in there or chance.random() < 0.2:
                    row[f"{parent}_id"] = chance.choice([*there, None])
        tables[it.table] = kept + new
