"""The logs in stage: a parquet file for each part of a date, named by what its rows come of."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from loaders.lake.lake import Lake
from loaders.pipeline.stage import stage_folder
from loaders.web_logs import NAME, rows
from loaders.web_logs.logs import Logs

ROW_GROUP = 1 << 20
NAMES = ["country_code", "age_group", "channel", "topic", "airport_code"]
FEW_VALUES = [*NAMES, "user_id", "item_id", "amount_krw", "logical_date", "load_id"]
"""Columns that a dictionary makes small; the others, numbers and times, mostly grow from row to row
and are kept as differences."""


@dataclass(frozen=True)
class Unit:
    """What one process makes at a time: the named tables of a part of a date."""

    on: date
    part: int
    tables: tuple[str, ...]


def keys(logs: Logs, table: str, on: date) -> list[str]:
    """Of a table's date in the lake, one for each part."""
    parts = 1 if table == "users" else logs.parts(on)
    return [key(logs, table, on, part) for part in range(parts)]


def key(logs: Logs, table: str, on: date, part: int) -> str:
    return f"{stage_folder(NAME, table, on)}/{logs.made_of}-{part}.parquet"


def missing(lake: Lake, logs: Logs, wanted: Iterable[tuple[str, date]]) -> list[Unit]:
    """What the lake lacks of tables' dates, in the order of the dates."""
    wanted = list(wanted)
    there = {
        key for table in {it for it, _ in wanted} for key in lake.keys(f"stage/{NAME}/{table}")
    }
    lacking: dict[tuple[date, int, bool], list[str]] = {}
    for table, on in sorted(wanted, key=lambda it: it[1]):
        for part, key in enumerate(keys(logs, table, on)):
            if key not in there:
                lacking.setdefault((on, part, table == "users"), []).append(table)
    return [Unit(on, part, tuple(tables)) for (on, part, _), tables in lacking.items()]


def write(lake: Lake, logs: Logs, unit: Unit) -> None:
    """Makes a unit and puts it into the lake. Raises OSError."""
    if unit.tables == ("users",):
        made = {"users": rows.users(logs, unit.on)}
    else:
        made = rows.logs_of_part(logs, unit.on, unit.part)
    for table in unit.tables:
        lake.write(key(logs, table, unit.on, unit.part), parquet(table, made[table]))


def parquet(table: str, rows_of_it: pa.Table) -> bytes:
    """A table as a file."""
    few = [name for name in rows_of_it.column_names if name in FEW_VALUES]
    buffer = pa.BufferOutputStream()
    pq.write_table(
        rows_of_it,
        buffer,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP,
        store_schema=False,  # it would tell of dictionaries that are none of a reader's business
        use_dictionary=few,
        column_encoding={
            name: "DELTA_BINARY_PACKED" for name in rows_of_it.column_names if name not in few
        },
    )
    return bytes(buffer.getvalue())
