"""Load staged rows into Redshift by COPY: `python tests/bench/load.py [rows …]`.

The warehouse is the tests' stand-in, so the seconds are PostgreSQL's and not Redshift's. The memory
is that of the loading process alone, and must not grow with the rows.
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
from loaders.pipeline import load, loaded_dates
from loaders.pipeline.stage import schema, stage_folder
from loaders.sources import SOURCES
from loaders.sources.source import Source, Table

ROWS = (1_000_000, 4_000_000)
BATCH = 100_000
DAY = date(2026, 11, 22)
GROWTH = 1.1
"""Maximum ratio of the peak memory at the last size to that at the first."""


def main(sizes: list[int]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        S3Server(Path(folder, "s3")) as s3,
        RedshiftServer(Path(folder, "redshift"), s3) as redshift,
    ):
        os.environ.update(s3.environment() | redshift.environment())
        os.environ |= {"LAKE__URL": s3.make_bucket("bench"), "DBT_TARGET": "redshift"}
        peaks = [measure(Path(folder, f"home-{rows}"), rows) for rows in sizes]
    print(
        f"  ratio of the peak at {sizes[-1]:,} rows to the peak at {sizes[0]:,}: "
        f"{peaks[-1] / peaks[0]:.2f} (at most {GROWTH})"
    )


def measure(home: Path, rows: int) -> float:
    """Load in a new process, and return its peak memory in MB."""
    file = write_staged_file(*forecasts(), rows)
    process = subprocess.run(
        [sys.executable, __file__, "--load", file],
        env=os.environ | {"HELLO_KOREA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = map(float, process.stdout.split()[-2:])
    print(
        f"load of {rows:,} staged rows by COPY: {seconds:6.2f} s, {rows / seconds:,.0f} rows/s,"
        f" {peak:.0f} MB at most"
    )
    return peak


def forecasts() -> tuple[Source, Table]:
    source = SOURCES["kma"]
    return source, source.table("short_forecasts")


def write_staged_file(source: Source, table: Table, rows: int) -> str:
    """Write a staged file with `rows` rows into the lake, and return its key."""
    key = f"{stage_folder(source.name, table.name, DAY)}/{rows}.parquet"
    with tempfile.NamedTemporaryFile() as file:
        with pq.ParquetWriter(file, schema(table), compression="zstd") as writer:
            for first in range(0, rows, BATCH):
                writer.write_table(generated_rows(table, first, min(BATCH, rows - first)))
        file.flush()
        open_lake(settings.lake_url()).write_file(key, Path(file.name))
    return key


def generated_rows(table: Table, first: int, rows: int) -> pa.Table:
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


def load_file(file: str) -> None:
    """Load a staged file, and print the seconds and the peak memory in MB."""
    source, table = forecasts()
    started = perf_counter()
    pipe, lake = load.pipeline(source.name), open_lake(settings.lake_url())
    with load.connect() as ledger:
        loaded_dates.read(ledger)
        load.load(pipe, ledger, source, table, lake, {DAY: file})
    print(perf_counter() - started, peak_mb())


def peak_mb() -> float:
    """Return the peak memory of this process. getrusage would include that of its parent."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        load_file(sys.argv[2])
    else:
        main([int(argument) for argument in sys.argv[1:]] or list(ROWS))
