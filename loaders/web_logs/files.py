"""The logs in stage: a parquet file for each table and part of a date, and its record.

The file's name contains the configuration id. The record, written after the file, has its size and
checksum. A run generates a file without a record again; until then, its rows stay loaded.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from loaders.lake.lake import Lake
from loaders.pipeline.stage import stage_folder
from loaders.web_logs import NAME, rows
from loaders.web_logs.config import LogsConfig

ROW_GROUP = 1 << 20
CHUNK = 1 << 20
"""Bytes that are read at a time."""
TEXT_COLUMNS = ["country_code", "age_group", "channel", "topic", "airport_code"]
DICTIONARY_COLUMNS = [
    *TEXT_COLUMNS,
    "user_id",
    "item_id",
    "amount_krw",
    "logical_date",
    "load_id",
]
"""Columns that a dictionary compresses well. The values of the others, ids and times, mostly
increase from row to row and are stored as differences."""


@dataclass(frozen=True)
class Record:
    """What a file was when it was generated."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """What one process generates at a time: some tables of a part of a date."""

    day: date
    number: int
    tables: tuple[str, ...]


def file_keys(config: LogsConfig, table: str, day: date) -> list[str]:
    """Return the keys in the lake of a table's date, one for each part."""
    count = 1 if table == "users" else config.part_count(day)
    return [file_key(config, table, day, part) for part in range(count)]


def file_key(config: LogsConfig, table: str, day: date, part: int) -> str:
    return f"{stage_folder(NAME, table, day)}/{config.configuration_id}-{part}.parquet"


def record_key(key: str) -> str:
    """Return the key of a file's record."""
    return f"{key.removesuffix('.parquet')}.json"


def part_of_key(config: LogsConfig, key: str) -> Part | None:
    """Return the part that a key is of, or None if the configuration has no such file."""
    try:
        _, _, table, folder, name = key.split("/")
        day = date.fromisoformat(folder.removeprefix("dt="))
        number = int(name.removesuffix(".parquet").rpartition("-")[2])
    except ValueError:
        return None
    is_known = table in rows.SCHEMAS and day >= config.first_date
    return (
        Part(day, number, (table,)) if is_known and key in file_keys(config, table, day) else None
    )


def present(lake: Lake, tables: Iterable[str]) -> dict[str, set[str]]:
    """Return the keys that stage has of some tables."""
    return {table: set(lake.keys(f"stage/{NAME}/{table}")) for table in tables}


def keys_of_part(config: LogsConfig, part: Part) -> dict[str, set[str]]:
    """Return the keys of a part by table: its file and the record of that."""
    keys = {table: file_key(config, table, part.day, part.number) for table in part.tables}
    return {table: {key, record_key(key)} for table, key in keys.items()}


def missing_parts(
    config: LogsConfig, wanted: Iterable[tuple[str, date]], present: dict[str, set[str]]
) -> list[Part]:
    """Return the parts that stage lacks of the tables' dates, ordered by date."""
    # Users are generated apart from the other tables.
    missing: dict[tuple[date, int, bool], list[str]] = {}
    for table, day in sorted(wanted, key=lambda table_and_day: table_and_day[1]):
        for part, key in enumerate(file_keys(config, table, day)):
            if not {key, record_key(key)} <= present[table]:
                missing.setdefault((day, part, table == "users"), []).append(table)
    return [Part(day, number, tuple(tables)) for (day, number, _), tables in missing.items()]


def generate(lake: Lake, config: LogsConfig, part: Part) -> None:
    """Generate a part and write it into the lake. Raise OSError."""
    if part.tables == ("users",):
        generated = {"users": rows.users(config, part.day)}
    else:
        generated = rows.tables_of_part(config, part.day, part.number)
    for table in part.tables:
        key, data = file_key(config, table, part.day, part.number), parquet(generated[table])
        lake.write(key, data)
        record = Record(len(data), hashlib.sha256(data).hexdigest())
        lake.write(record_key(key), orjson.dumps(asdict(record)))


def read_record(lake: Lake, key: str) -> Record | None:
    """Return the record of a file, or None if it is missing or damaged."""
    try:
        return Record(**orjson.loads(lake.read(record_key(key))))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def matches(record: Record | None, file: BinaryIO) -> bool:
    """Return whether an open file is as recorded."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return record == Record(file.tell(), digest.hexdigest())


def is_sound(lake: Lake, key: str) -> bool:
    """Return whether a file in the lake is as recorded. It is read to its end."""
    try:
        with lake.open(key) as file:
            return matches(read_record(lake, key), file)
    except FileNotFoundError:
        return False


def parquet(table: pa.Table) -> bytes:
    """Return a table as a parquet file."""
    in_dictionaries = [name for name in table.column_names if name in DICTIONARY_COLUMNS]
    buffer = pa.BufferOutputStream()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP,
        store_schema=False,  # it would describe dictionaries, which do not concern readers
        use_dictionary=in_dictionaries,
        column_encoding={
            name: "DELTA_BINARY_PACKED"
            for name in table.column_names
            if name not in in_dictionaries
        },
    )
    return bytes(buffer.getvalue())
