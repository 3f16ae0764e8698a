"""What thirty users with four clicks out of five cost a join on Spark, in time and spilled bytes:
`python tests/bench/spark_skew.py [scale]`, 1 unless told. Wants the extra spark and Java 17.

The question is how many clicks an age group has made, and when the last, over the files that the
generator makes, in two tasks at a time with 2 GB of heap. Users are not broadcast, as if they were
too many for it.
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
"""Of each shuffle, as Spark has it: two million clicks are the mean of one, and fit into a task."""
SALTS = 64
MEGABYTE = 1024**2

NO_HELP = {"spark.sql.adaptive.enabled": "false"}
ADAPTIVE = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    # Its defaults, 256 and 64 MB of compressed rows, are for executors of many GB.
    "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes": "16m",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "16m",
}


@dataclass
class Cost:
    seconds: float
    spilled_memory: int
    """Bytes as they were in memory."""
    spilled_disk: int
    """The same bytes as they were written."""
    largest_read: int
    """Bytes of shuffle that one task read."""


def counted() -> list[Column]:
    return [sql.count("*").alias("clicks"), sql.max("clicked_at").alias("last_click_at")]


def joined(clicks: DataFrame, users: DataFrame) -> DataFrame:
    """As one writes it without a thought."""
    return clicks.join(users, "user_id").groupBy("age_group").agg(*counted())


def salted(clicks: DataFrame, users: DataFrame) -> DataFrame:
    """Clicks of heavy users go to one of 64 places each, and those users to all of them."""
    some = clicks.sample(fraction=0.001, seed=1)
    share = some.groupBy("user_id").count().where(sql.col("count") > some.count() // 1000)
    heavy = [row["user_id"] for row in share.collect()]
    salt = sql.when(sql.col("user_id").isin(heavy), sql.col("click_id") % SALTS).otherwise(0)
    salts = sql.when(
        sql.col("user_id").isin(heavy), sql.sequence(sql.lit(0), sql.lit(SALTS - 1))
    ).otherwise(sql.array(sql.lit(0)))
    everywhere = users.withColumn("salt", sql.explode(salts))
    return (
        clicks.withColumn("salt", salt)
        .join(everywhere, ["user_id", "salt"])
        .groupBy("age_group")
        .agg(*counted())
    )


def counted_first(clicks: DataFrame, users: DataFrame) -> DataFrame:
    """As the models do: a heavy user is one row before it is sent anywhere."""
    by_user = clicks.groupBy("user_id").agg(*counted())
    summed = [sql.sum("clicks").alias("clicks"), sql.max("last_click_at").alias("last_click_at")]
    return by_user.join(users, "user_id").groupBy("age_group").agg(*summed)


WAYS: dict[str, tuple[Callable[[DataFrame, DataFrame], DataFrame], dict[str, str]]] = {
    "joined, then counted": (joined, NO_HELP),
    "the same, with AQE's skew join": (joined, ADAPTIVE),
    "the same, salted": (salted, NO_HELP),
    "counted by user, then joined": (counted_first, NO_HELP),
}


def main(scale: float) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        made(Path(folder), scale)
        answers = {}
        print(f"scale {scale:g}: {400_000_000 * scale:,.0f} clicks")
        for way in WAYS:
            answers[way], cost = asked(way, Path(folder))
            print(
                f"  {way:<32} {cost.seconds:6.1f} s;"
                f" spilled {cost.spilled_memory / MEGABYTE:6,.0f} MB of memory,"
                f" {cost.spilled_disk / MEGABYTE:5,.0f} MB on disk;"
                f" largest task reads {cost.largest_read / MEGABYTE:5,.0f} MB"
            )
        assert len({json.dumps(it) for it in answers.values()}) == 1, answers


def made(folder: Path, scale: float) -> None:
    os.environ |= {"HELLO_KOREA_HOME": str(folder), "SOURCES__WEB_LOGS__SCALE": str(scale)}
    for table in ("clicks", "users"):
        done = commands.run("web_logs", commands.RunArguments(DATES, "stage", table))
        assert done == (0, ""), done


def asked(way: str, folder: Path) -> tuple[list[tuple[str, ...]], Cost]:
    """The answer, and what it cost by Spark's own event log, in a session of its own."""
    question, settings = WAYS[way]
    with tempfile.TemporaryDirectory(dir=folder) as events:
        builder = SparkSession.builder.master("local[2]").appName(way)
        for name, value in {
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
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        stage = folder / "lake" / "stage" / "web_logs"
        clicks = session.read.parquet(str(stage / "clicks")).select(
            "click_id", "user_id", "clicked_at"
        )
        users = session.read.parquet(str(stage / "users")).select("user_id", "age_group")
        began = perf_counter()
        rows = sorted(tuple(map(str, row)) for row in question(clicks, users).collect())
        seconds = perf_counter() - began
        session.stop()
        (log,) = Path(events).iterdir()
        return rows, cost(log, seconds)


def cost(event_log: Path, seconds: float) -> Cost:
    lines = event_log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(it) for it in lines if '"SparkListenerTaskEnd"' in it]
    tasks = [it["Task Metrics"] for it in events]
    read = [it["Shuffle Read Metrics"] for it in tasks]
    return Cost(
        seconds,
        sum(it["Memory Bytes Spilled"] for it in tasks),
        sum(it["Disk Bytes Spilled"] for it in tasks),
        max(it["Local Bytes Read"] + it["Remote Bytes Read"] for it in read),
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1)
