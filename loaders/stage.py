"""Stage: raw pages of one table's date become one typed arrow table, unique on its primary key.

A row that can't be typed, or has no key, is rejected with the reason and its raw file.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loaders import raw
from loaders.lake import READERS, Lake
from loaders.raw import Page
from loaders.source import Column, Row, Table

FORMS = {
    pa.float64(): r"^[-+]?\d{1,18}(\.\d+)?$",
    pa.int32(): r"^[-+]?\d{1,9}$",
    pa.bool_(): r"^[YN]$",
}
"""What the text of a typed column looks like; dates and times have a format instead."""


CONTRACTS = ("reject", "evolve", "stop")
"""What is done with answers that are not as the columns say. `reject`: rows that can't be typed
stay out; new and missing fields are told. `evolve`: the same, and new fields become columns of
text. `stop`: the table is left as it was staged before."""


class BrokenTableError(Exception):
    """Answers of which the table can't be staged: they lack a field of the primary key, or are not
    as its contract wants them."""


@dataclass
class Staged:
    """One table's date, typed."""

    rows: pa.Table
    """Unique on the primary key; with `logical_date` and `raw_file`."""
    rejected: list[Row]
    """Each with `reason`, `raw_file` and the `row` as answered."""
    bytes: int = 0
    """Of the staged file."""
    duplicates: int = 0
    """Rows that a later one of the same key replaced."""
    new_fields: dict[str, str] = field(default_factory=dict)
    """Fields that no column knows, with the first raw file that has them."""
    missing_fields: dict[str, str] = field(default_factory=dict)
    """Fields that no row of some answer has, with the first raw file that lacks them."""
    contradicted: dict[str, str] = field(default_factory=dict)
    """Fields in which rows of one key differ, with the first raw file of such a row."""


def stage(
    table: Table,
    pages: Iterable[tuple[str, Mapping[str, Any], Callable[[], bytes]]],
    on: date,
    contract: str = "reject",
) -> Staged:
    """Types the pages (raw file, values that hold for each row, body) of the logical date `on`.

    Of rows with one key the last counts. Raises BrokenTableError.
    """
    # Arrow works without holding up Python's other threads, and the lake is waited for.
    with ThreadPoolExecutor(READERS) as threads:
        read = list(threads.map(lambda page: (page[0], page[1], table.read(page[2]())), pages))
        answered = [(file, _with_same(table, rows, same)) for file, same, rows in read if len(rows)]
        new, missing = _changed_fields(table, answered)
        together = _together(answered)
        columns = list(threads.map(lambda column: _typed(column, together), table.columns))
    files = [pa.repeat(file, len(rows)) for file, rows in answered]
    length = len(together)
    typed = pa.table(
        [
            *(column.values for column in columns),
            pa.repeat(pa.scalar(on, pa.date32()), length),
            pa.chunked_array(files, pa.string()),
        ],
        schema=_nullable(schema(table)),
    )
    reasons = _reasons(table, columns)
    if contract == "stop":
        _stop_at_changes(new, missing, reasons, answered)
    keep, of_repeated_keys = _last_of_each_key(typed, table.primary_key, sorted(reasons))
    rows = (typed if len(keep) == length else typed.take(keep)).cast(schema(table))
    grown = _with_new_columns(rows, together.take(keep), new) if contract == "evolve" else rows
    return Staged(
        rows=grown,
        rejected=_rejected(reasons, answered),
        duplicates=length - len(reasons) - len(rows),
        new_fields=new,
        missing_fields=missing,
        contradicted=_contradicted(table, typed.take(of_repeated_keys)),
    )


def stage_extraction(
    lake: Lake, source: str, table: Table, on: date, folder: str, contract: str
) -> tuple[str, Staged]:
    """Stages the pages of one extraction in place of what was staged for the date.

    Returns the key of the parquet file, which is named for what it holds. Raises BrokenTableError,
    raw.RawError.
    """
    pages = raw.pages_of(lake, folder)
    staged = stage(table, as_answered(lake, pages), on, contract)
    sink = pa.BufferOutputStream()
    pq.write_table(staged.rows, sink, compression="zstd", use_dictionary=False)
    data = sink.getvalue().to_pybytes()
    place = stage_folder(source, table.name, on)
    file = f"{place}/{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    lake.write(file, data)
    for older in lake.keys(place):
        if older != file:
            lake.delete(older)
    _write_rejected(lake, rejected_file(source, table.name, on), staged.rejected)
    return file, replace(staged, bytes=len(data))


def as_answered(
    lake: Lake, pages: Iterable[Page]
) -> Iterator[tuple[str, Mapping[str, Any], Callable[[], bytes]]]:
    """Kept pages in the form in which they are staged, their bodies still to be read."""
    return ((page.file, page.row, partial(raw.read_page, lake, page)) for page in pages)


def stage_folder(source: str, table: str, on: date) -> str:
    return f"stage/{source}/{table}/dt={on}"


def staged_file(lake: Lake, source: str, table: str, on: date) -> str | None:
    """The key of the parquet file of a table's date."""
    found = lake.keys(stage_folder(source, table, on))
    return max(found, key=lake.modified_at, default=None)  # a kill may leave an older one beside


def read_staged(lake: Lake, file: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(lake.read(file)))


def rejected_file(source: str, table: str, on: date) -> str:
    return f"rejected/{source}/{table}/dt={on}/rows.jsonl"


def rejected_lines(lake: Lake, source: str, table: str, dates: list[date] | None) -> Iterator[str]:
    """What was rejected of a table, on all dates or on those named: where, why, and the row."""
    for file in lake.keys(f"rejected/{source}/{table}"):
        on = date.fromisoformat(file.split("/dt=")[1].partition("/")[0])
        if dates is not None and on not in dates:
            continue
        for line in lake.read(file).splitlines():
            it = orjson.loads(line)
            row = orjson.dumps(it["row"]).decode()
            yield f"{source}.{table} {on}: {it['reason']}, in {it['raw_file']}: {row}"


def _write_rejected(lake: Lake, key: str, rejected: list[Row]) -> None:
    if rejected:
        lake.write(key, b"".join(orjson.dumps(row) + b"\n" for row in rejected))
    else:
        lake.delete(key)


def schema(table: Table) -> pa.Schema:
    """Of a staged table's rows: the key, `logical_date` and `raw_file` are never null."""
    named = [
        pa.field(column.name, column.type, nullable=column.name not in table.primary_key)
        for column in table.columns
    ]
    origin = [("logical_date", pa.date32()), ("raw_file", pa.string())]
    return pa.schema(named + [pa.field(name, type, nullable=False) for name, type in origin])


def _nullable(of: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in of])


def _with_same(table: Table, rows: pa.Table, same: Mapping[str, Any]) -> pa.Table:
    """An answer's rows with those values that hold for each of them and that a column wants."""
    for name, value in same.items():
        if name not in {column.field for column in table.columns}:
            continue
        constant = pa.repeat(pa.scalar(value, pa.string()), len(rows))
        rows = rows.drop_columns([name]) if name in rows.column_names else rows
        rows = rows.append_column(name, constant)
    return rows


def _changed_fields(
    table: Table, answered: list[tuple[str, pa.Table]]
) -> tuple[dict[str, str], dict[str, str]]:
    """New and missing fields, each with the first raw file of it. Raises BrokenTableError."""
    known = {column.field for column in table.columns} | table.unused
    new: dict[str, str] = {}
    missing: dict[str, str] = {}
    for file, rows in answered:
        fields = set(rows.column_names)
        for name in sorted(fields - known):
            new.setdefault(name, file)
        for column in table.columns:
            if column.field in fields or column.optional:
                continue
            missing.setdefault(column.field, file)
    key = {column.field for column in table.columns if column.name in table.primary_key}
    seen = set().union(*(rows.column_names for _, rows in answered)) if answered else key
    for name in sorted(key - seen):
        raise BrokenTableError(f"{table.name}: no row has {name!r}, see {missing[name]}")
    return new, missing


def _stop_at_changes(
    new: dict[str, str],
    missing: dict[str, str],
    reasons: dict[int, str],
    answered: list[tuple[str, pa.Table]],
) -> None:
    """Raises BrokenTableError at the first thing that is not as the columns say."""
    said = [f"new field {name!r}, first in {file}" for name, file in new.items()]
    said += [f"no row has the field {name!r}, first in {file}" for name, file in missing.items()]
    said += [f"{it['reason']}, first in {it['raw_file']}" for it in _rejected(reasons, answered)]
    if said:
        raise BrokenTableError(f"stopped by its contract: {said[0]}")


def _with_new_columns(rows: pa.Table, answered: pa.Table, new: dict[str, str]) -> pa.Table:
    """The new fields as columns of text."""
    for name in new:
        taken = {*rows.column_names, "stage_file"}  # which the load adds
        rows = rows.append_column(_column_of(name, taken), _texts(answered, name))
    return rows


def _column_of(field: str, taken: Collection[str]) -> str:
    """A new field's name in snake case, or a number for what is no name or is that of another."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()
    if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) < 60 and name not in taken:
        return name
    return f"field_{hashlib.sha256(field.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class _Typed:
    """One column over all pages."""

    column: Column
    texts: pa.ChunkedArray
    values: pa.ChunkedArray

    def wrong(self) -> list[int]:
        """The rows whose text can't be the column's type."""
        if self.values.null_count == self.texts.null_count:
            return []
        unread = pc.and_(pc.is_valid(self.texts), pc.is_null(self.values))
        indices: list[int] = pc.indices_nonzero(unread).to_pylist()
        return indices

    def empty(self) -> list[int]:
        indices: list[int] = pc.indices_nonzero(pc.is_null(self.texts)).to_pylist()
        return indices


def _together(answered: list[tuple[str, pa.Table]]) -> pa.Table:
    """All rows in one piece, on which arrow is much faster than on many small ones."""
    pages = [rows for _, rows in answered] or [pa.table({})]
    return pa.concat_tables(pages, promote_options="default").combine_chunks()


def _typed(column: Column, rows: pa.Table) -> _Typed:
    texts = _texts(rows, column.field)
    if column.type == pa.string():
        return _Typed(column, texts, _without_nul(texts))
    if column.format:
        return _Typed(column, texts, _times(texts, column.format).cast(column.type))
    fits = pc.match_substring_regex(texts, FORMS[column.type])
    fitting = pc.if_else(fits, texts, pa.scalar(None, pa.string()))
    values = pc.equal(fitting, "Y") if column.type == pa.bool_() else fitting.cast(column.type)
    return _Typed(column, texts, values)


def _texts(rows: pa.Table, field: str) -> pa.ChunkedArray:
    """A field's texts without the blanks around; an empty one is null."""
    if field not in rows.column_names:
        return pa.chunked_array([pa.nulls(len(rows), pa.string())])
    trimmed = pc.utf8_trim_whitespace(rows[field].cast(pa.string()))
    empty = pc.equal(trimmed, "")
    if not pc.any(empty).as_py():  # most columns of most answers: spares a copy
        return trimmed
    return pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)


def _without_nul(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts that PostgreSQL and Redshift can hold, null in place of others."""
    has_nul = pc.match_substring(texts, "\0")
    if not pc.any(has_nul).as_py():
        return texts
    return pc.if_else(has_nul, pa.scalar(None, pa.string()), texts)


def _times(texts: pa.ChunkedArray, format: str) -> pa.ChunkedArray:
    """Times by the format, null where there is none.

    Arrow's strptime takes one digit where two are due, and 31 February for 3 March: a text must
    have its full length, and a time early in a month must read back the same.
    """
    times = pc.strptime(texts, format=format, unit="s", error_is_null=True)
    nothing = pa.scalar(None, times.type)
    full = len(f"{datetime(2000, 1, 1):{format}}")
    times = pc.if_else(pc.equal(pc.utf8_length(texts), full), times, nothing)
    early = pc.if_else(pc.less_equal(pc.day(times), 3), times, nothing)
    rolled_over = pc.not_equal(pc.strftime(early, format=format), texts)
    return pc.if_else(pc.fill_null(rolled_over, False), nothing, times)


def _reasons(table: Table, columns: list[_Typed]) -> dict[int, str]:
    """Why a row can't be staged, by its number."""
    reasons: dict[int, str] = {}
    for it in columns:
        name, field, wanted = it.column.name, it.column.field, it.column.format or it.column.type
        for index in it.wrong():
            got = it.texts[index].as_py()
            said = "has a NUL" if wanted == pa.string() else f"is {got!r}, not {wanted}"
            reasons.setdefault(index, f"{name}: {field} {said}")
        if name in table.primary_key:
            reasons |= dict.fromkeys(it.empty(), f"no {name}")
    return reasons


def _last_of_each_key(
    rows: pa.Table, key: tuple[str, ...], rejected: list[int]
) -> tuple[pa.Array, pa.Array]:
    """The numbers of the rows that are the last of their key, and of all whose key comes again;
    the rejected ones left aside."""
    good = rows.select(list(key)).to_pandas().drop(index=rejected)
    repeated = good.index[good.duplicated(keep=False)]
    return pa.array(good.index[~good.duplicated(keep="last")]), pa.array(repeated, pa.int64())


def _contradicted(table: Table, of_repeated_keys: pa.Table) -> dict[str, str]:
    rows = of_repeated_keys.to_pandas()
    by_key = rows.groupby(list(table.primary_key), sort=False)
    found = {}
    for column in table.columns:
        if column.name not in table.primary_key and len(rows):
            differs = by_key[column.name].transform("nunique", dropna=False) > 1
            if differs.any():
                found[column.field] = rows["raw_file"][differs].iloc[0]
    return found


def _rejected(reasons: dict[int, str], answered: list[tuple[str, pa.Table]]) -> list[Row]:
    rejected: list[Row] = []
    first = 0
    for file, rows in answered:
        for index in sorted(index for index in reasons if first <= index < first + len(rows)):
            (row,) = rows.slice(index - first, 1).to_pylist()
            rejected.append({"reason": reasons[index], "raw_file": file, "row": row})
        first += len(rows)
    return rejected
