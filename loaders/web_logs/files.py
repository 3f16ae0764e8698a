"""The logs in stage: a parquet file for each table and part of a date.

The file's name contains the configuration id.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from loaders.lake.lake import Lake
from loaders.pipeline.stage import stage_folder
from loaders.web_logs import NAME, rows
from loaders.web_logs.config import LogsConfig

ROW_GROUP = 1 << 20
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


def missing_parts(lake: Lake, config: LogsConfig, wanted: Iterable[tuple[str, date]]) -> list[Part]:
    """Return the parts that the lake lacks of the tables' dates, ordered by date."""
    wanted = list(wanted)
    present = {
        key
        for table in {table for table, _ in wanted}
        for key in lake.keys(f"stage/{NAME}/{table}")
    }
    # Users are generated apart from the other tables.
    missing: dict[tuple[date, int, bool], list[str]] = {}
    for table, day in sorted(wanted, key=lambda table_and_day: table_and_day[1]):
        for part, key in enumerate(file_keys(config, table, day)):
            if key not in present:
                missing.setdefault((day, part, table == "users"), []).append(table)
    return [Part(day, number, tuple(tables)) for (day, number, _), tables in missing.items()]


def generate(lake: Lake, config: LogsConfig, part: Part) -> None:
    """Generate a part and write it into the lake. Raise OSError."""
    if part.tables == ("users",):
        generated = {"users": rows.users(config, part.day)}
    else:
        generated = rows.tables_of_part(config, part.day, part.number)
    for table in part.tables:
        key = file_key(config, table, part.day, part.number)
        lake.write(key, parquet(generated[table]))


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
