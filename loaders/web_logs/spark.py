"""The engine for a cluster: Spark distributes the parts, and each one is generated and written as
the local engine does it."""

from collections.abc import Generator, Iterable, Iterator

import pyarrow as pa

from loaders.lake.lake import open_lake
from loaders.web_logs import NAME, files
from loaders.web_logs.config import LogsConfig
from loaders.web_logs.files import Part


def generate(config: LogsConfig, lake_url: str, parts: list[Part]) -> Generator[Part]:
    """Generate the parts and yield each one when it is in the lake."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.appName(NAME).getOrCreate()
    indexed = session.createDataFrame(
        [(index, part.day, part.number, list(part.tables)) for index, part in enumerate(parts)],
        "index int, day date, number int, tables array<string>",
    )

    def generate_parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lake = open_lake(lake_url)
        for batch in batches:
            for row in batch.to_pylist():
                part = Part(row["day"], row["number"], tuple(row["tables"]))
                files.generate(lake, config, part)
                yield pa.RecordBatch.from_pydict({"index": pa.array([row["index"]], pa.int32())})

    # One task per part: each is reported when it ends, and a failure loses one part only.
    tasks = indexed.repartitionByRange(max(1, len(parts)), "index")
    done = tasks.mapInArrow(generate_parts, "index int")
    for row in done.toLocalIterator(prefetchPartitions=True):
        yield parts[row["index"]]
