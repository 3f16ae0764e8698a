"""Staged rows into Redshift by COPY: `python tests/bench/load.py [rows …]`.

The warehouse is the stand-in of the tests, so the seconds are PostgreSQL's and not Redshift's; the
memory is that of the loading process alone, which must not grow with the rows.
"""

import os
import re
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from support.redshift import RedshiftServer
from support.s3_server import S3Server

from loaders import settings
from loaders.lake.lake import open_lake
from loaders.pipeline import load
from loaders.pipeline.stage import schema, stage_folder
from loaders.sources import SOURCES
from loaders.sources.source import Source, Table

ROWS = (1_000_000, 4_000_000)
BATCH = 100_000
DAY = date(2026, 11, 22)
GROWTH = 1.1
"""At most, of the memory's peak at the most rows to that at the fewest."""


def main(sizes: list[int]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        S3Server(Path(folder, "s3")) as s3,
        RedshiftServer(Path(folder, "redshift"), s3) as redshift,
    ):
        os.environ.update(s3.environment() | redshift.environment())
        os.environ |= {"LAKE__URL": s3.make_bucket("bench"), "DBT_TARGET": "redshift"}
        peaks = [measured(Path(folder, f"home-{rows}"), rows) for rows in sizes]
    print(
        f"  peak at {sizes[-1]:,} rows to that at {sizes[0]:,}: "
        f"{peaks[-1] / peaks[0]:.2f} (at most {GROWTH})"
    )


def measured(home: Path, rows: int) -> float:
    """Loads in a process of its own; its peak, in MB."""
    file = staged(*forecasts(), rows)
    done = subprocess.run(
        [sys.executable, __file__, "--load", file],
        env=os.environ | {"HELLO_KOREA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = (float(word) for word in done.stdout.split()[-2:])
    print(
        f"load of {rows:,} staged rows by COPY: {seconds:6.2f} s, {rows / seconds:,.0f} rows/s,"
        f" {peak:.0f} MB at most"
    )
    return peak


def forecasts() -> tuple[Source, Table]:
    source = SOURCES["kma"]
    return source, source.table("short_forecasts")


def staged(source: Source, table: Table, rows: int) -> str:
    """The key of a staged file of so many rows, put into the lake."""
    key = f"{stage_folder(source.name, table.name, DAY)}/{rows}.parquet"
    with tempfile.NamedTemporaryFile() as file:
        with pq.ParquetWriter(file, schema(table), compression="zstd") as writer:
            for first in range(0, rows, BATCH):
                writer.write_table(made_up(table, first, min(BATCH, rows - first)))
        file.flush()
        open_lake(settings.lake_url()).write_file(key, Path(file.name))
    return key


def made_up(table: Table, first: int, rows: int) -> pa.Table:
    numbers = np.arange(first, first + rows)
    columns = []
    for field in schema(table):
        if field.name == "logical_date":
            columns.append(pa.repeat(pa.scalar(DAY), rows))
        elif pa.types.is_timestamp(field.type):
            columns.append(pa.array(numbers * 1_000_000, pa.timestamp("us")).cast(field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.array([f"{field.name} 행 {number}" for number in numbers]))
        else:
            columns.append(pa.array(numbers % 150).cast(field.type))
    return pa.table(columns, schema=schema(table))


def load_one(file: str) -> None:
    source, table = forecasts()
    started = perf_counter()
    load.load(
        load.pipeline(source.name), source, table, open_lake(settings.lake_url()), {DAY: file}
    )
    print(perf_counter() - started, peak_mb())


def peak_mb() -> float:
    """Of this process: getrusage would count what the one that started it had."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        load_one(sys.argv[2])
    else:
        main([int(word) for word in sys.argv[1:]] or list(ROWS))
