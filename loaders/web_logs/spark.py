"""The engine for more than one machine: Spark hands the parts out, and each is made and written as
the local engine does it.

`spark-submit spark.py --date 2026-08-15..2026-11-22 --scale 10 --LAKE__URL s3://bucket/prefix`,
where the project is installed on each machine, or a Glue job with the same words: settings may
stand among them, since a job has no environment of its own.
"""

import os
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from itertools import pairwise

import pyarrow as pa

from loaders.lake import open_lake
from loaders.web_logs import NAME, files
from loaders.web_logs.files import Unit
from loaders.web_logs.logs import Logs

SETTING = r"[A-Z]+__[A-Z_]+|HELLO_KOREA_[A-Z]+"


def made(logs: Logs, lake_url: str, units: list[Unit]) -> Generator[Unit]:
    """Makes the units and yields each when it is in the lake."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.appName(NAME).getOrCreate()
    numbered = session.createDataFrame(
        [(number, unit.on, unit.part, list(unit.tables)) for number, unit in enumerate(units)],
        "number int, on date, part int, tables array<string>",
    )

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lake = open_lake(lake_url)
        for batch in batches:
            for it in batch.to_pylist():
                files.write(lake, logs, Unit(it["on"], it["part"], tuple(it["tables"])))
                yield pa.RecordBatch.from_pydict({"number": pa.array([it["number"]], pa.int32())})

    # A task for each: what ends is told at once, and what is lost is one part.
    done = numbered.repartitionByRange(max(1, len(units)), "number").mapInArrow(write, "number int")
    for row in done.toLocalIterator(prefetchPartitions=True):
        yield units[row["number"]]


def main(words: list[str]) -> int:
    """Runs `dlt pipeline web_logs run --only stage` with the words after it, on Spark."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog=NAME, description=__doc__, allow_abbrev=False)
    parser.add_argument("--date", required=True, help="a KST date, or a range")
    parser.add_argument("--scale", help="1 for 400 million clicks")
    parser.add_argument("--table", help="one table alone")
    known, others = parser.parse_known_args(words)
    # What else there is, such as a job's name, is Glue's own.
    parts = [part for word in others for part in word.split("=", 1)]
    for name, value in pairwise(parts):
        if name.startswith("--") and re.fullmatch(SETTING, name.removeprefix("--")):
            os.environ[name.removeprefix("--")] = value
    os.environ["SOURCES__WEB_LOGS__ENGINE"] = "spark"
    from loaders import commands

    code, said = commands.run(NAME, known.date, "stage", known.table, False, False, known.scale)
    if code:
        print(said, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
