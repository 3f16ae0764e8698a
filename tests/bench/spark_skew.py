"""The cost of a skewed join on Spark, in seconds and spilled bytes.

`python tests/bench/spark_skew.py [scale]`, by default 1. Needs the extra spark and Java 17.

The question is how many clicks each age group made, and when the last one, on the generated files.
Thirty users make four clicks out of five. Spark runs two tasks at a time with 2 GB of heap. Users
are not broadcast, as if they were too many for it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sql

from loaders.cli import commands

DATES = "2026-08-15..2026-11-22"
PARTITIONS = 200
"""Partitions of each shuffle, Spark's default. With two million clicks on average, one fits into a
task."""
SALTS = 64
MEGABYTE = 1024**2

WITHOUT_AQE = {"spark.sql.adaptive.enabled": "false"}
WITH_AQE = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    # The defaults, 256 and 64 MB of compressed rows, are for executors of many GB.
    "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes": "16m",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "16m",
}


@dataclass
class Cost:
    """The time of a query, and its bytes from Spark's event log."""

    seconds: float
    spilled_memory: int
    """Size of the spilled rows in memory."""
    spilled_disk: int
    """Size of the spilled rows on disk."""
    largest_read: int
    """Maximum shuffle bytes that one task read."""


def counts() -> list[Column]:
    return [sql.count("*").alias("clicks"), sql.max("clicked_at").alias("last_click_at")]


def joined(clicks: DataFrame, users: DataFrame) -> DataFrame:
    """Join, then count: the obvious query."""
    return clicks.join(users, "user_id").groupBy("age_group").agg(*counts())


def salted(clicks: DataFrame, users: DataFrame) -> DataFrame:
    """Spread each heavy user's clicks over 64 partitions, to all of which the user is copied."""
    sample = clicks.sample(fraction=0.001, seed=1)
    heavy_users = sample.groupBy("user_id").count().where(sql.col("count") > sample.count() // 1000)
    heavy = [row["user_id"] for row in heavy_users.collect()]
    salt = sql.when(sql.col("user_id").isin(heavy), sql.col("click_id") % SALTS).otherwise(0)
    salts = sql.when(
        sql.col("user_id").isin(heavy), sql.sequence(sql.lit(0), sql.lit(SALTS - 1))
    ).otherwise(sql.array(sql.lit(0)))
    salted_users = users.withColumn("salt", sql.explode(salts))
    return (
        clicks.withColumn("salt", salt)
        .join(salted_users, ["user_id", "salt"])
        .groupBy("age_group")
        .agg(*counts())
    )


def counted_first(clicks: DataFrame, users: DataFrame) -> DataFrame:
    """Count by user before the join, as the models do: the shuffle moves one row per user."""
    by_user = clicks.groupBy("user_id").agg(*counts())
    summed = [sql.sum("clicks").alias("clicks"), sql.max("last_click_at").alias("last_click_at")]
    return by_user.join(users, "user_id").groupBy("age_group").agg(*summed)


QUERIES: dict[str, tuple[Callable[[DataFrame, DataFrame], DataFrame], dict[str, str]]] = {
    "joined, then counted": (joined, WITHOUT_AQE),
    "the same, with AQE's skew join": (joined, WITH_AQE),
    "the same, salted": (salted, WITHOUT_AQE),
    "counted by user, then joined": (counted_first, WITHOUT_AQE),
}


def main(scale: float) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        generate(Path(folder), scale)
        results = {}
        print(f"scale {scale:g}: {400_000_000 * scale:,.0f} clicks")
        for name in QUERIES:
            results[name], cost = run_query(name, Path(folder))
            print(
                f"  {name:<32} {cost.seconds:6.1f} s;"
                f" spilled {cost.spilled_memory / MEGABYTE:6,.0f} MB of memory,"
                f" {cost.spilled_disk / MEGABYTE:5,.0f} MB on disk;"
                f" largest task reads {cost.largest_read / MEGABYTE:5,.0f} MB"
            )
        assert len({json.dumps(rows) for rows in results.values()}) == 1, results


def generate(folder: Path, scale: float) -> None:
    os.environ |= {"HELLO_KOREA_HOME": str(folder), "SOURCES__WEB_LOGS__SCALE": str(scale)}
    for table in ("clicks", "users"):
        result = commands.run("web_logs", commands.RunArguments(DATES, "stage", table))
        assert result == (0, ""), result


def run_query(name: str, folder: Path) -> tuple[list[tuple[str, ...]], Cost]:
    """Run a query in a new session. Return its rows and its cost."""
    query, settings = QUERIES[name]
    with tempfile.TemporaryDirectory(dir=folder) as events:
        builder = SparkSession.builder.master("local[2]").appName(name)
        for setting, value in {
            "spark.driver.memory": "2g",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.local.dir": str(folder),
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": f"file://{events}",
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
            "spark.sql.autoBroadcastJoinThreshold": "-1",
            "spark.sql.shuffle.partitions": str(PARTITIONS),
            **settings,
        }.items():
            builder = builder.config(setting, value)
        session = builder.getOrCreate()
        stage = folder / "lake" / "stage" / "web_logs"
        clicks = session.read.parquet(str(stage / "clicks")).select(
            "click_id", "user_id", "clicked_at"
        )
        users = session.read.parquet(str(stage / "users")).select("user_id", "age_group")
        began = perf_counter()
        rows = sorted(tuple(map(str, row)) for row in query(clicks, users).collect())
        seconds = perf_counter() - began
        session.stop()
        (log,) = Path(events).iterdir()
        return rows, read_cost(log, seconds)


def read_cost(event_log: Path, seconds: float) -> Cost:
    lines = event_log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if '"SparkListenerTaskEnd"' in line]
    tasks = [event["Task Metrics"] for event in events]
    reads = [task["Shuffle Read Metrics"] for task in tasks]
    return Cost(
        seconds,
        sum(task["Memory Bytes Spilled"] for task in tasks),
        sum(task["Disk Bytes Spilled"] for task in tasks),
        max(read["Local Bytes Read"] + read["Remote Bytes Read"] for read in reads),
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1)
