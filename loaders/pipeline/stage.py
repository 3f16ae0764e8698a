"""Stage: turn the raw pages of one table's date into a typed arrow table with a unique key.

A row that can't be typed or has no key is rejected, with the reason and its raw file.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loaders import sources
from loaders.lake import raw
from loaders.lake.lake import READERS, Lake, map_parallel
from loaders.lake.raw import Folder, Page
from loaders.sources.source import Column, Row, Table

PATTERNS = {
    pa.float64(): r"^[-+]?\d{1,12}(\.\d+)?$",  # as many digits as the contracts have
    pa.int32(): r"^[-+]?\d{1,9}$",
    pa.bool_(): r"^[YN]$",
}
"""The text form of each type. Dates and times have a strptime format instead."""

CONTRACTS = ("reject", "evolve", "stop")
"""How to handle responses that differ from the columns.

`reject`: keep out rows that can't be typed, and report new and missing fields. `evolve`: also turn
new fields into text columns. `stop`: leave the table as it was staged before.
"""

ORIGIN = b"hello_korea.staged"
"""Key of a parquet file's metadata: what the file was staged from, and what to report of it."""

StagedPage = tuple[str, Mapping[str, Any], Callable[[], pa.Table]]
"""A page to stage: its raw file, the values that apply to each row, and a function that returns
its rows."""


class BrokenTableError(Exception):
    """Raised when a key column is missing or the contract is violated."""


@dataclass
class Staged:
    """The typed rows of one table's date."""

    rows: pa.Table
    """Unique on the primary key; with `logical_date` and `raw_file`."""
    rejected: list[Row]
    """Each with `reason`, `raw_file` and the original `row`."""
    duplicates: int = 0
    """Number of rows that a later row with the same key replaced."""
    new_fields: dict[str, str] = field(default_factory=dict)
    """Fields without a column, with the first raw file that has them."""
    missing_fields: dict[str, str] = field(default_factory=dict)
    """Fields that some page lacks in every row, with the first such raw file."""
    conflicting_fields: dict[str, str] = field(default_factory=dict)
    """Fields in which rows of one key differ, with the raw file of the first such row."""
    long_fields: dict[str, str] = field(default_factory=dict)
    """Fields with texts that are too long, with what was done to how many, and the first raw file.
    """


def stage(
    table: Table, pages: Iterable[StagedPage], logical_date: date, contract: str = "reject"
) -> Staged:
    """Type the rows of the pages and keep the last row of each key. Raise BrokenTableError."""
    # Arrow releases the GIL, and reads from the lake mostly wait.
    with ThreadPoolExecutor(READERS) as threads:
        read = list(threads.map(lambda page: (page[0], page[1], page[2]()), pages))
        parsed = [
            (file, _with_constants(table, rows, constants))
            for file, constants, rows in read
            if len(rows)
        ]
        new, missing = _changed_fields(table, parsed)
        combined = _concatenated(parsed)
        columns = list(threads.map(lambda column: _typed(table, column, combined), table.columns))
    length = len(combined)
    typed = pa.table(
        [
            *(column.values for column in columns),
            pa.repeat(pa.scalar(logical_date, pa.date32()), length),
            pa.chunked_array([pa.repeat(file, len(rows)) for file, rows in parsed], pa.string()),
        ],
        schema=_nullable(schema(table)),
    )
    reasons = _reasons(table, columns)
    long_fields = _long_fields(columns, typed["raw_file"])
    if contract == "stop":
        _stop_at_changes(new, missing, long_fields, reasons, parsed)
    last, repeated = _last_and_repeated(typed, table.primary_key, reasons)
    rows = (typed if len(last) == length else typed.take(last)).cast(schema(table))
    if contract == "evolve":
        rows = _with_new_columns(rows, combined.take(last), new)
    return Staged(
        rows=rows,
        rejected=_rejected(reasons, parsed),
        duplicates=length - len(reasons) - len(rows),
        new_fields=new,
        missing_fields=missing,
        conflicting_fields=_conflicting_fields(table, typed.take(repeated)),
        long_fields=long_fields,
    )


@dataclass(frozen=True)
class StagedFile:
    """A staged parquet file, and what to report of it."""

    key: str
    """Its key in the lake."""
    bytes: int
    rows: int
    rejected: int
    first_rejected: str
    """Reason and raw file of the first rejected row."""
    duplicates: int
    new_fields: Mapping[str, str]
    missing_fields: Mapping[str, str]
    conflicting_fields: Mapping[str, str]
    long_fields: Mapping[str, str]
    """As in `Staged`."""


def stage_extraction(
    lake: Lake,
    source: str,
    table: Table,
    logical_date: date,
    folder: Folder,
    pages: Sequence[Page],
    contract: str,
    rows: Mapping[str, pa.Table],
) -> tuple[StagedFile, pa.Table]:
    """Stage the pages of an extraction, and replace what was staged for the date.

    `rows` are pages that are already parsed, by raw file. Return the parquet file, whose name is a
    digest of its contents, and its rows. Raise BrokenTableError, raw.RawError.
    """
    staged = stage(table, staged_pages(table, lake, pages, rows), logical_date, contract)
    first = staged.rejected[0] if staged.rejected else {}
    origin = _origin(table, folder, len({page.file for page in pages}), contract)
    report: dict[str, Any] = {
        "rejected": len(staged.rejected),
        "first_rejected": f"{first['reason']}, in {first['raw_file']}" if first else "",
        "duplicates": staged.duplicates,
        "new_fields": staged.new_fields,
        "missing_fields": staged.missing_fields,
        "conflicting_fields": staged.conflicting_fields,
        "long_fields": staged.long_fields,
    }
    data = parquet(staged.rows, origin, report)
    date_folder = stage_folder(source, table.name, logical_date)
    key = f"{date_folder}/{file_name(data)}"
    # The parquet file comes last: it says that all of the extraction is staged.
    _write_rejected(lake, rejected_file(source, table.name, logical_date), staged.rejected)
    lake.write(key, data)
    _delete_others(lake, lake.keys(date_folder), key)
    return StagedFile(key=key, bytes=len(data), rows=len(staged.rows), **report), staged.rows


def already_staged(
    lake: Lake, source: str, table: Table, logical_date: date, folder: Folder, contract: str
) -> StagedFile | None:
    """Return the staged file of a date, if it was staged from the same pages in the same way."""
    keys = lake.keys(stage_folder(source, table.name, logical_date))
    key = max(keys, key=lake.modified_at) if len(keys) > 1 else next(iter(keys), None)
    if key is None:
        return None
    data = lake.read(key)
    try:
        found = recorded(key, data, table)
    except DamagedFileError:
        return None
    if found.origin != _origin(table, folder, len(folder.bodies), contract):
        return None
    _delete_others(lake, keys, key)
    return StagedFile(key=key, bytes=len(data), rows=found.rows, **found.report)


def is_sound(lake: Lake, source: str, table: Table, logical_date: date, key: str) -> bool:
    """Return whether a staged file is as it was written, and of this table and date."""
    try:
        read_recorded(lake, source, table, logical_date, key)
    except DamagedFileError:
        return False
    return True


class DamagedFileError(Exception):
    """Raised for a staged file that is not as it was written. The message says how it differs."""


@dataclass(frozen=True)
class Recorded:
    """What a parquet file says of itself."""

    origin: dict[str, Any]
    """What it was staged from: `extraction`, `pages` and `definition`."""
    report: dict[str, Any]
    """Of what to tell, as in `StagedFile`."""
    rows: int


def read_recorded(lake: Lake, source: str, table: Table, logical_date: date, key: str) -> Recorded:
    """Return what a staged file of a table's date says of itself. Raise DamagedFileError."""
    found = recorded(key, lake.read(key), table)
    extraction = found.origin.get("extraction", "")
    if not extraction.startswith(f"raw/{source}/{table.name}/dt={logical_date}/"):
        raise DamagedFileError(f"it was staged from {extraction or 'nothing that it names'}")
    return found


def recorded(key: str, data: bytes, table: Table) -> Recorded:
    """Return what a staged file says of itself. Raise DamagedFileError if its contents differ from
    the digest that is its name, or its columns from those of the table."""
    if file_name(data) != key.rpartition("/")[2]:
        raise DamagedFileError("its contents differ from the digest that is its name")
    file = pq.ParquetFile(pa.BufferReader(data))
    columns = file.schema_arrow
    types = dict(zip(columns.names, columns.types, strict=True))
    for each in schema(table):
        if types.get(each.name) != each.type:
            raise DamagedFileError(f"its column {each.name} is not that of {table.name}")
    origin, report = orjson.loads((columns.metadata or {}).get(ORIGIN, b"[{}, {}]"))
    return Recorded(origin, report, file.metadata.num_rows)


def parquet(rows: pa.Table, origin: dict[str, Any], report: dict[str, Any]) -> bytes:
    """Return rows as a parquet file that says what they were staged from, and what to report."""
    metadata = {**(rows.schema.metadata or {}), ORIGIN: orjson.dumps([origin, report])}
    sink = pa.BufferOutputStream()
    with_origin = rows.replace_schema_metadata(metadata)
    pq.write_table(with_origin, sink, compression="zstd", use_dictionary=False)
    return bytes(sink.getvalue())


def file_name(data: bytes) -> str:
    """Return the name of a parquet file: a digest of its contents."""
    return f"{hashlib.sha256(data).hexdigest()[:16]}.parquet"


def _delete_others(lake: Lake, keys: Iterable[str], kept: str) -> None:
    for key in keys:
        if key != kept:
            lake.delete(key)


def _origin(table: Table, folder: Folder, pages: int, contract: str) -> dict[str, Any]:
    """Return from which pages, and by which definition and code, a file is staged."""
    columns = [(one.name, one.field, str(one.type), one.format) for one in table.columns]
    definition = repr((columns, table.primary_key, sorted(table.ignored_fields), contract))
    digest = hashlib.sha256(_code() + definition.encode()).hexdigest()[:16]
    return {"extraction": folder.name, "pages": pages, "definition": digest}


@cache
def _code() -> bytes:
    """Return a digest of the code that reads and stages responses."""
    files = [Path(__file__), *sorted(Path(sources.__file__).parent.glob("*.py"))]
    code = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(code + pa.__version__.encode()).digest()


def staged_pages(
    table: Table, lake: Lake, pages: Iterable[Page], rows: Mapping[str, pa.Table]
) -> Iterator[StagedPage]:
    """Return raw pages for `stage`. Those in `rows`, by raw file, are not read again."""

    def read(page: Page) -> pa.Table:
        parsed = rows.get(page.file)
        return table.read(raw.read_page(lake, page)) if parsed is None else parsed

    return ((page.file, page.row, partial(read, page)) for page in pages)


def stage_folder(source: str, table: str, logical_date: date) -> str:
    return f"stage/{source}/{table}/dt={logical_date}"


def staged_file(lake: Lake, source: str, table: str, logical_date: date) -> str | None:
    """Return the key of the parquet file of a table's date, if it is staged."""
    files = lake.keys(stage_folder(source, table, logical_date))
    return max(files, key=lake.modified_at, default=None)  # a kill may leave an older one


def staged_files(lake: Lake, source: str, table: str) -> dict[date, str]:
    """Return the key of the parquet file of each date of a table that is staged."""
    folders = lake.folders(f"stage/{source}/{table}")
    dates = [date.fromisoformat(folder.removeprefix("dt=")) for folder in folders]
    files = map_parallel(partial(staged_file, lake, source, table), dates)
    return {day: file for day, file in zip(dates, files, strict=True) if file}


def rejected_file(source: str, table: str, logical_date: date) -> str:
    return f"rejected/{source}/{table}/dt={logical_date}/rows.jsonl"


def rejected_lines(lake: Lake, source: str, table: str, dates: list[date] | None) -> Iterator[str]:
    """Yield a line for each rejected row of a table, on `dates` or on all dates if None."""
    for file in lake.keys(f"rejected/{source}/{table}"):
        logical_date = date.fromisoformat(file.split("/dt=")[1].partition("/")[0])
        if dates is not None and logical_date not in dates:
            continue
        try:
            rows = [orjson.loads(line) for line in lake.read(file).splitlines()]
            for rejected in rows:
                reason, raw_file = rejected["reason"], rejected["raw_file"]
                row = orjson.dumps(rejected["row"]).decode()
                yield f"{source}.{table} {logical_date}: {reason}, in {raw_file}: {row}"
        except (ValueError, TypeError, KeyError):
            again = f"dlt pipeline {source} run --only stage --table {table} --date {logical_date}"
            yield f"{source}.{table} {logical_date}: {file} is damaged: write it with `{again}`"


def _write_rejected(lake: Lake, key: str, rejected: list[Row]) -> None:
    if rejected:
        lake.write(key, b"".join(orjson.dumps(row) + b"\n" for row in rejected))
    else:
        lake.delete(key)


def schema(table: Table) -> pa.Schema:
    """Return the schema of a staged table. The key, `logical_date` and `raw_file` are not null."""
    columns = [
        pa.field(column.name, column.type, nullable=column.name not in table.primary_key)
        for column in table.columns
    ]
    return pa.schema(
        [
            *columns,
            pa.field("logical_date", pa.date32(), nullable=False),
            pa.field("raw_file", pa.string(), nullable=False),
        ]
    )


def _nullable(fields: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in fields])


def _with_constants(table: Table, rows: pa.Table, constants: Mapping[str, Any]) -> pa.Table:
    """Add to rows the values that apply to each of them and that a column uses."""
    for name, value in constants.items():
        if name not in {column.field for column in table.columns}:
            continue
        constant = pa.repeat(pa.scalar(value, pa.string()), len(rows))
        rows = rows.drop_columns([name]) if name in rows.column_names else rows
        rows = rows.append_column(name, constant)
    return rows


def _changed_fields(
    table: Table, parsed: list[tuple[str, pa.Table]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return new and missing fields, each with its first raw file. Raise BrokenTableError."""
    known = {column.field for column in table.columns} | table.ignored_fields
    required = [column.field for column in table.columns if not column.optional]
    new: dict[str, str] = {}
    missing: dict[str, str] = {}
    for file, rows in parsed:
        fields = set(rows.column_names)
        for name in sorted(fields - known):
            new.setdefault(name, file)
        for name in required:
            if name not in fields:
                missing.setdefault(name, file)
    key = {column.field for column in table.columns if column.name in table.primary_key}
    present = set().union(*(rows.column_names for _, rows in parsed)) if parsed else key
    for name in sorted(key - present):
        raise BrokenTableError(f"{table.name}: no row has {name!r}, see {missing[name]}")
    return new, missing


def differences(table: Table, rows: pa.Table, constants: Mapping[str, Any]) -> list[str]:
    """Return how the fields of a page differ from the columns, which the values that apply to each
    of its rows are part of."""
    page = _with_constants(table, rows, constants)
    try:
        new, missing = _changed_fields(table, [("this page", page)])
    except BrokenTableError:
        fields = {column.field for column in table.columns if column.name in table.primary_key}
        return [f"no row has {name!r}" for name in sorted(fields - set(page.column_names))]
    return [f"new field {name!r}" for name in new] + [f"no row has {name!r}" for name in missing]


def _stop_at_changes(
    new: dict[str, str],
    missing: dict[str, str],
    long: dict[str, str],
    reasons: dict[int, str],
    parsed: list[tuple[str, pa.Table]],
) -> None:
    """Raise BrokenTableError at the first difference from the columns."""
    changes = [f"new field {name!r}, first in {file}" for name, file in new.items()]
    changes += [f"no row has the field {name!r}, first in {file}" for name, file in missing.items()]
    changes += [f"{name!r}: {what}" for name, what in long.items()]
    changes += [
        f"{rejected['reason']}, first in {rejected['raw_file']}"
        for rejected in _rejected(reasons, parsed)
    ]
    if changes:
        raise BrokenTableError(f"stopped by its contract: {changes[0]}")


def _with_new_columns(rows: pa.Table, parsed: pa.Table, new: dict[str, str]) -> pa.Table:
    """Add the new fields as text columns."""
    for name in new:
        taken = {*rows.column_names, "stage_file"}  # the load adds stage_file
        rows = rows.append_column(_column_name(name, taken), _texts(parsed, name))
    return rows


def _column_name(field: str, taken: Collection[str]) -> str:
    """Return a field's name in snake case, or a digest if that is taken or not an identifier."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()
    if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) < 60 and name not in taken:
        return name
    return f"field_{hashlib.sha256(field.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class _Typed:
    """One column of all pages."""

    column: Column
    texts: pa.ChunkedArray
    values: pa.ChunkedArray
    shortened: tuple[int, ...] = ()
    """The numbers of the rows whose text was too long, and is cut or left out."""

    def untypable(self) -> list[int]:
        """Return the numbers of the rows whose text does not fit the type."""
        if self.values.null_count == self.texts.null_count:
            return []
        failed = pc.and_(pc.is_valid(self.texts), pc.is_null(self.values))
        indices: list[int] = pc.indices_nonzero(failed).to_pylist()
        return [index for index in indices if index not in self.shortened]

    def empty(self) -> list[int]:
        """Return the numbers of the rows without a text."""
        indices: list[int] = pc.indices_nonzero(pc.is_null(self.texts)).to_pylist()
        return indices


def _concatenated(parsed: list[tuple[str, pa.Table]]) -> pa.Table:
    """Return all rows in one chunk, on which arrow is much faster than on many small ones."""
    pages = [rows for _, rows in parsed] or [pa.table({})]
    return pa.concat_tables(pages, promote_options="default").combine_chunks()


def _typed(table: Table, column: Column, rows: pa.Table) -> _Typed:
    texts = _texts(rows, column.field)
    if column.type == pa.string():
        return _fitted(column, texts, _without_nul(texts), column.name in table.primary_key)
    if column.format:
        return _Typed(column, texts, _times(texts, column.format).cast(column.type))
    fits = pc.match_substring_regex(texts, PATTERNS[column.type])
    fitting = pc.if_else(fits, texts, pa.scalar(None, pa.string()))
    values = pc.equal(fitting, "Y") if column.type == pa.bool_() else fitting.cast(column.type)
    return _Typed(column, texts, values)


def _texts(rows: pa.Table, field: str) -> pa.ChunkedArray:
    """Return the trimmed texts of a field, with null for empty ones."""
    if field not in rows.column_names:
        return pa.chunked_array([pa.nulls(len(rows), pa.string())])
    trimmed = pc.utf8_trim_whitespace(rows[field].cast(pa.string()))
    empty = pc.equal(trimmed, "")
    if not pc.any(empty).as_py():  # true of most columns: avoids a copy
        return trimmed
    return pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)


def _without_nul(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts with null for those with a NUL, which PostgreSQL and Redshift refuse."""
    has_nul = pc.match_substring(texts, "\0")
    if not pc.any(has_nul).as_py():
        return texts
    return pc.if_else(has_nul, pa.scalar(None, pa.string()), texts)


def _fitted(
    column: Column, texts: pa.ChunkedArray, values: pa.ChunkedArray, is_key: bool
) -> _Typed:
    """Cut or leave out values that are too long. Those of a key become null: they are rejected."""
    is_long = pc.fill_null(pc.greater(pc.binary_length(values), column.limit), False)
    if not pc.any(is_long).as_py():
        return _Typed(column, texts, values)
    long = values.filter(is_long).to_pylist()
    cut = [_cut(text, column.limit) if column.is_cut and not is_key else None for text in long]
    mask = is_long.combine_chunks()
    fitted = pc.replace_with_mask(values.combine_chunks(), mask, pa.array(cut, pa.string()))
    numbers = () if is_key else tuple(pc.indices_nonzero(is_long).to_pylist())
    return _Typed(column, texts, pa.chunked_array([fitted]), numbers)


def _cut(text: str, limit: int) -> str:
    """Return the longest beginning of a text that has at most `limit` bytes in UTF-8."""
    return text.encode()[:limit].decode(errors="ignore")


def _long_fields(columns: Iterable[_Typed], raw_files: pa.ChunkedArray) -> dict[str, str]:
    """Return what was done to texts that are too long, by field."""
    done: dict[str, str] = {}
    for typed in columns:
        if typed.shortened:
            column, count = typed.column, len(typed.shortened)
            what = "cut to" if column.is_cut else "left out, longer than"
            first = raw_files[typed.shortened[0]].as_py()
            done[column.field] = f"{count} {what} {column.limit} bytes, first in {first}"
    return done


def _times(texts: pa.ChunkedArray, format: str) -> pa.ChunkedArray:
    """Parse times, with null for a text that does not match the format.

    Arrow's strptime accepts one digit in place of two, and reads 31 February as 3 March. So a text
    must have its full length, and a time early in a month must format back to the same text.
    """
    times = pc.strptime(texts, format=format, unit="s", error_is_null=True)
    null = pa.scalar(None, times.type)
    length = len(f"{datetime(2000, 1, 1):{format}}")
    times = pc.if_else(pc.equal(pc.utf8_length(texts), length), times, null)
    times = pc.if_else(pc.greater(pc.year(times), 0), times, null)  # PostgreSQL has no year 0
    early = pc.if_else(pc.less_equal(pc.day(times), 3), times, null)
    rolled_over = pc.not_equal(pc.strftime(early, format=format), texts)
    return pc.if_else(pc.fill_null(rolled_over, False), null, times)


def _reasons(table: Table, columns: list[_Typed]) -> dict[int, str]:
    """Return why a row can't be staged, by row number."""
    reasons: dict[int, str] = {}
    for typed in columns:
        name, field = typed.column.name, typed.column.field
        expected = typed.column.format or typed.column.type
        for index in typed.untypable():
            text = typed.texts[index].as_py()
            problem = f"is {text!r}, not {expected}"
            if expected == pa.string():
                is_long = len(text.encode()) > typed.column.limit
                problem = f"has more than {typed.column.limit} bytes" if is_long else "has a NUL"
            reasons.setdefault(index, f"{name}: {field} {problem}")
        if name in table.primary_key:
            reasons |= dict.fromkeys(typed.empty(), f"no {name}")
    return reasons


def _last_and_repeated(
    rows: pa.Table, key: tuple[str, ...], rejected: Collection[int]
) -> tuple[pa.Array, pa.Array]:
    """Return the numbers of the last row of each key, and of all rows whose key is repeated.

    Both are ascending and leave out the `rejected` rows.
    """
    numbered = rows.select(list(key)).append_column("row", pa.arange(0, len(rows)))
    if rejected:
        is_rejected = pc.is_in(numbered["row"], pa.array(sorted(rejected)))
        numbered = numbered.filter(pc.invert(is_rejected))
    groups = numbered.group_by(list(key)).aggregate([("row", "max"), ("row", "count")])
    last = groups["row_max"].combine_chunks()
    last = last.take(pc.array_sort_indices(last))
    if len(last) == len(numbered):
        return last, last.slice(0, 0)
    repeated_keys = groups.filter(pc.greater(groups["row_count"], 1)).select(list(key))
    repeated = numbered.join(repeated_keys, list(key), join_type="left semi")["row"]
    repeated = repeated.combine_chunks()
    return last, repeated.take(pc.array_sort_indices(repeated))


def _conflicting_fields(table: Table, repeated: pa.Table) -> dict[str, str]:
    """Return the fields in which rows of one key differ, with the raw file of the first such row.

    `repeated` are the rows whose key is repeated.
    """
    key = list(table.primary_key)
    numbered = repeated.append_column("row", pa.arange(0, len(repeated)))
    names = [column.name for column in table.columns if column.name not in key]
    all_values = pc.CountOptions(mode="all")  # null counts as a value
    groups = numbered.group_by(key).aggregate(
        [("row", "min"), *((name, "count_distinct", all_values) for name in names)]
    )
    conflicting = {}
    for column in table.columns:
        if column.name in key:
            continue
        differs = pc.greater(groups[f"{column.name}_count_distinct"], 1)
        first = pc.min(groups["row_min"].filter(differs)).as_py()
        if first is not None:
            conflicting[column.field] = repeated["raw_file"][first].as_py()
    return conflicting


def _rejected(reasons: dict[int, str], parsed: list[tuple[str, pa.Table]]) -> list[Row]:
    rejected: list[Row] = []
    first = 0
    for file, rows in parsed:
        for index in sorted(index for index in reasons if first <= index < first + len(rows)):
            (row,) = rows.slice(index - first, 1).to_pylist()
            rejected.append({"reason": reasons[index], "raw_file": file, "row": row})
        first += len(rows)
    return rejected
