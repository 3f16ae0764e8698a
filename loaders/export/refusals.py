"""Say which row of a mart PostgreSQL refused, why, and what mends it."""

import re
from typing import NamedTuple

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import errors

from loaders.errors import one_line
from loaders.export.marts import PREFIX, ExportError, Mart
from loaders.export.warehouse import Warehouse

REFUSED = (psycopg2.DataError, psycopg2.IntegrityError, errors.CardinalityViolation)
"""Errors that are due to rows, and not to the database."""

_REMEDIES = (
    (errors.StringDataRightTruncation, "cut it in {model}, or widen the column in its contract"),
    (errors.NumericValueOutOfRange, "limit it in {model}, or widen the column in its contract"),
    (errors.ForeignKeyViolation, "{model} may only refer to rows that the parent has"),
    (errors.UniqueViolation, "{model} may have each key once"),
    (errors.CardinalityViolation, "{model} may have each key once"),
    (errors.NotNullViolation, "fill it in {model}, or allow null in its contract"),
    (psycopg2.Error, "PostgreSQL can't store it: correct it in {model}, or make it null"),
)


class _Place(NamedTuple):
    """Where COPY stopped."""

    line: int
    column: str


def describe(error: psycopg2.Error, mart: Mart, source: Warehouse) -> str:
    """Return one line with the column, the key, PostgreSQL's reason and the remedy."""
    reason = "; ".join(
        part for part in (error.diag.message_primary, error.diag.message_detail) if part
    )
    place = _place(error)
    where = ""
    if place:
        try:
            key = _key(mart, source, place.line)
        except ExportError:  # the warehouse is not read twice at any price
            key = None
        where = f"column {place.column} at {key or f'line {place.line} of its rows'}: "
    remedy = next(text for kind, text in _REMEDIES if isinstance(error, kind))
    remedy = remedy.format(model=f"{PREFIX}{mart.table}")
    return one_line(f"{where}{reason or error}; {remedy}")


def _place(error: psycopg2.Error) -> _Place | None:
    """Return the line and the column that PostgreSQL names in the context of a COPY."""
    found = re.match(r"COPY \S+, line (\d+), column ([^:\s]+)", error.diag.context or "")
    return _Place(int(found[1]), found[2]) if found else None


def _key(mart: Mart, source: Warehouse, line: int) -> str | None:
    """Return the primary key of the row that ends in a line of the mart's CSV, or None."""
    passed = 0
    for batch in source.rows(mart.relation, mart.column_names):
        lines = _lines(batch)
        total = pc.sum(lines).as_py() or 0
        if passed + total >= line:
            ends = pc.cumulative_sum(lines)
            row = pc.index(pc.greater_equal(ends, line - passed), True).as_py()
            (key,) = batch.slice(row, 1).select(list(mart.primary_key)).to_pylist()
            return ", ".join(f"{name} {str(value)!r}" for name, value in key.items())
        passed += total
    return None


def _lines(batch: pa.RecordBatch) -> pa.Array:
    """Return the number of lines that each row has in CSV: a text may contain line breaks."""
    lines = pa.array([1] * batch.num_rows, pa.int64())
    for column in batch.columns:
        if pa.types.is_string(column.type):
            breaks = pc.fill_null(pc.count_substring(column, "\n"), 0)
            lines = pc.add(lines, breaks.cast(pa.int64()))
    return lines
