"""The cost of a day with nothing new, after 2, 30, 365 and 1,095 days of daily runs.

The days are synthesised: see `support.history`. The usage logs have a thousand clicks a day.
Processor seconds and peak memory are those of the command. For comparison, the SQL of the models
and data tests of that build, in one DuckDB connection.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
from build import straight_sql
from support.history import small_logs, synthesise

from loaders.export import embedded_postgres

PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
DAYS = (2, 30, 365, 1095)


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    processor: float
    wall: float
    peak_mb: float


def main(spans: list[int]) -> None:
    print("processor seconds, seconds and peak memory of a day with nothing new")
    print(
        f"{'days':>5}  {'dlt pipeline run':<32}   {'dbt build':<32}   {'its SQL':<32}   warehouse"
    )
    for days in spans:
        with tempfile.TemporaryDirectory() as home:
            use_home(Path(home), days)
            try:
                # In another process, since a child begins with the peak memory of its parent.
                command("python", __file__, "--synthesise", str(days))
                command("dbt", "build")
                command("dlt", "pipeline", "run")  # forgets what the build keeps now
                command("dbt", "build")
                run, build = command("dlt", "pipeline", "run"), command("dbt", "build")
                size = (Path(home) / "warehouse.duckdb").stat().st_size / 1e6
                sql = command("python", __file__, "--sql", home)
            finally:
                embedded_postgres.stop()
        print(f"{days:>5,}  {row(run)}   {row(build)}   {row(sql)}   {size:,.0f} MB", flush=True)


def row(cost: Cost) -> str:
    return f"{cost.processor:>6.1f} s {cost.wall:>6.1f} s {cost.peak_mb:>6,.0f} MB"


def use_home(home: Path, days: int) -> None:
    """Point the settings to a home, with usage logs since the first day."""
    shutil.copy(PROJECT / "profiles.yml.example", home / "profiles.yml")
    os.environ |= {
        "HELLO_KOREA_HOME": str(home),
        "DBT_PROFILES_DIR": str(home),
        "DBT_TARGET_PATH": str(home / "target"),
        **small_logs(days),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


def command(*words: str) -> Cost:
    """Run a command to its end, and return what it took."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [BIN / words[0], *words[1:]], cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        assert process.returncode == 0, output.read().decode()[-3000:]
    seconds = usage.ru_utime + usage.ru_stime
    return Cost(seconds, time.monotonic() - began, usage.ru_maxrss / 1024)


def run_sql(home: Path) -> None:
    """Run the SQL of the last build on its warehouse."""
    with duckdb.connect(home / "warehouse.duckdb") as warehouse:
        for statement in straight_sql(home / "target"):
            warehouse.execute(statement)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--synthesise"]:
        synthesise(int(sys.argv[2]))
    elif sys.argv[1:2] == ["--sql"]:
        run_sql(Path(sys.argv[2]))
    else:
        main([int(argument) for argument in sys.argv[1:]] or list(DAYS))
