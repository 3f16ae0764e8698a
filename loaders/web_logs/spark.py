"""The engine for a cluster: Spark distributes the parts, and each is generated and written as the
local engine does it.
"""

from collections.abc import Generator, Iterable, Iterator

import pyarrow as pa

from loaders.lake.lake import open_lake
from loaders.web_logs import NAME, files
from loaders.web_logs.files import Unit
from loaders.web_logs.logs import Logs


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
