"""Generate and build the usage logs at full size, compared with minimal SQL for the same tables.

`python tests/bench/web_logs.py [scale …]`; the default scale is 1, which needs 15 GB of disk.

The plain SQL is DuckDB's own: rows by range() and hash(), tables by `create table as`, one query
for each frequent table. Memory is that of all processes of a command together, sampled ten times a
second.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter, sleep

import duckdb

from loaders.sources import SOURCES
from loaders.web_logs.config import FULL_SIZE

PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FIRST, DAYS = date(2026, 8, 15), 100
LAST = FIRST + timedelta(days=DAYS - 1)
LOGS = ["--select", "source:staging_web_logs+", "channels", "topics", "dim_channel", "dim_item"]
OTHERS = ["--exclude", "freq_wanted_item+", "dim_source+"]
"""Models that also read other sources."""
NO_TEST = ["--exclude-resource-type", "test", "unit_test"]
ONE_DAY = ["--select", "source:staging_web_logs+", *OTHERS, *NO_TEST, "seed"]
GENERATION, BUILD = (1.0, 4), (1.5, 12)
"""Maximum seconds, as a multiple of the plain SQL's, and maximum GB of memory."""
GIGABYTE = 1024**3

PLAIN_ROWS = {
    "users": """
        select
            i as user_id, 'C' || hash(i) % 20 as country_code, 'A' || hash(i + 1) % 6 as age_group,
            timestamp '2026-08-15' - hash(i + 2) % 100000000 * interval '1 second' as signed_up_at
        from range(1, {users} + 1) as t (i)
    """,
    "sessions": """
        select
            i as session_id,
            case
                when hash(i) % 10 < 8 then 1 + hash(i + 1) % 30 else 1 + hash(i + 2) % {users}
            end as user_id,
            'channel ' || hash(i + 3) % 8 as channel,
            epoch_ms(1786752000000 + i * (8640000000 // {sessions})) as started_at
        from range(1, {sessions} + 1) as t (i)
    """,
    "searches": """
        select
            i as search_id, 1 + i * {sessions} // ({searches} + 1) as session_id,
            case when hash(i) % 10 >= 3 then 1 + hash(i + 1) % 30 end as user_id,
            'topic ' || hash(i + 2) % 4 as topic, 'A' || hash(i + 3) % 60 as airport_code,
            epoch_ms(1786752000000 + i * (8640000000 // {searches})) as searched_at
        from range(1, {searches} + 1) as t (i)
    """,
    "clicks": """
        select
            i as click_id, 1 + i * {searches} // ({clicks} + 1) as search_id,
            1 + i * {sessions} // ({clicks} + 1) as session_id,
            case
                when hash(i) % 10 < 8 then 1 + hash(i + 1) % 30 else 1 + hash(i + 2) % {users}
            end as user_id,
            hash(i + 3) % 1760 as item_id,
            epoch_ms(1786752000000 + i * (8640000000 // {clicks})) as clicked_at
        from range(1, {clicks} + 1) as t (i)
    """,
    "purchases": """
        select
            i as purchase_id, i * {clicks} // ({purchases} + 1) as click_id,
            1 + i * {sessions} // ({purchases} + 1) as session_id, 1 + hash(i) % 30 as user_id,
            hash(i + 1) % 500000 as amount_krw,
            epoch_ms(1786752000000 + i * (8640000000 // {purchases})) as purchased_at
        from range(1, {purchases} + 1) as t (i)
    """,
}
PLAIN_TABLES = [
    *(
        f"create table {table} as select * from read_parquet('{{stage}}/{table}/*/*.parquet')"
        for table in PLAIN_ROWS
    ),
    """
    create table by_session as
    select *
    from sessions
    left join (
        select
            session_id, count(*) as searches, count(*) filter (user_id is null) as anonymous,
            min(searched_at) as first_search_at
        from searches group by session_id
    ) using (session_id)
    left join (
        select session_id, count(*) as clicks from clicks group by session_id
    ) using (session_id)
    left join (
        select
            session_id, count(*) as purchases, sum(amount_krw) as amount_krw,
            min(purchased_at) as first_purchase_at
        from purchases group by session_id
    ) using (session_id)
    """,
    """
    create table usage as
    select
        by_session.logical_date, channel, country_code, age_group, count(*) as sessions,
        sum(searches) as searches, sum(clicks) as clicks, sum(purchases) as purchases
    from by_session inner join users using (user_id)
    group by all
    """,
    """
    create table by_user as
    select user_id, count(*) as sessions, sum(clicks) as clicks, sum(purchases) as purchases
    from by_session group by user_id
    """,
    """
    create table time_to_purchase as
    select
        logical_date, channel, datediff('second', first_search_at, first_purchase_at) // 600 as t,
        count(*) as sessions
    from by_session where purchases > 0 group by all
    """,
    """
    create table airports as
    select logical_date, airport_code, count(*) as searches
    from searches where airport_code is not null group by all
    """,
    """
    create table funnel as
    select
        logical_date, count(*) as sessions, count(searches) as searching, count(clicks) as clicking,
        count(purchases) as buying
    from by_session group by logical_date
    """,
]
QUESTIONS = {
    "clicks by age group": (
        "select age_group, sum(click_count) from frequent.freq_usage group by age_group",
        "select age_group, count(*) from plain.clicks inner join plain.users using (user_id)"
        " group by age_group",
        "select age_group, sum(n) from (select user_id, count(*) as n from star.fct_click"
        " group by user_id) inner join star.dim_user using (user_id) group by age_group",
    ),
    "clicks by country": (
        "select country_code, sum(click_count) from frequent.freq_usage group by country_code",
        "select country_code, count(*) from plain.clicks inner join plain.users using (user_id)"
        " group by country_code",
        "select country_code, sum(n) from (select user_id, count(*) as n from star.fct_click"
        " group by user_id) inner join star.dim_user using (user_id) group by country_code",
    ),
    "purchases by channel": (
        "select channel_code, sum(purchase_count) from frequent.freq_usage group by channel_code",
        "select channel, count(*) from plain.purchases inner join plain.sessions using (session_id)"
        " group by channel",
        "select channel_code, count(*) from star.fct_purchase"
        " inner join star.fct_session using (session_id) group by channel_code",
    ),
}
"""The query of each question on a frequent table, in plain SQL, and on the facts."""
TABLES_FOR_QUESTIONS = ["freq_session", "freq_usage"]


@dataclass
class Cost:
    """What a command took."""

    seconds: float
    gigabytes: float
    """Peak of the memory."""

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s, {self.gigabytes:4.1f} GB at most"


def main(scales: list[float]) -> None:
    for scale in scales:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            measure(scale, Path(folder))


def measure(scale: float, folder: Path) -> None:
    environment = os.environ | {
        "HELLO_KOREA_HOME": str(folder / "home"),
        "HELLO_KOREA_TODAY": str(LAST + timedelta(days=4)),
        "DBT_TARGET_PATH": str(folder / "target"),
        "RDS__TARGETS": "none",
        "SOURCES__WEB_LOGS__SCALE": str(scale),
    }

    def run(*words: str) -> Cost:
        return cost_of([str(BIN / words[0]), *words[1:]], environment)

    def run_command(first: date, last: date) -> list[str]:
        return ["dlt", "pipeline", "web_logs", "run", "--date", f"{first}..{last}"]

    # The dimensions of items, airports and dates, from the sample API.
    for source in SOURCES:
        run("dlt", "pipeline", source, "run")
    run("dbt", "build", "--exclude", *LOGS[1:], "--exclude-resource-type", "test", "unit_test")
    print(f"scale {scale:g}: {400_000_000 * scale:,.0f} clicks")
    plain_rows = run_plain_sql(folder, "rows", scale)
    print(f"  plain SQL writes the rows         {plain_rows}")
    generated = run(*run_command(FIRST, LAST), "--only", "stage")
    print_compared("  all five tables generated         ", generated, plain_rows, GENERATION)
    run(*run_command(FIRST, LAST), "--only", "load")
    plain_tables = run_plain_sql(folder, "tables", scale)
    print(f"  plain SQL builds tables, queries  {plain_tables}")
    build = run("dbt", "build", *LOGS, *OTHERS)
    print_compared("  dbt build with every test         ", build, plain_tables, BUILD)
    model_seconds = seconds_of_models(folder / "target")
    built = sum(model_seconds[model] for model in TABLES_FOR_QUESTIONS)
    plain_seconds = json.loads((folder / "plain.json").read_text())
    plain_built = sum(plain_seconds[table] for table in ("by_session", "usage"))
    print(f"  the tables queried, from the facts  {built:5.1f} s; by plain SQL {plain_built:.1f} s")
    compare_questions(folder)
    parse = run("dbt", "parse")
    unchanged = min((run("dbt", "build", *ONE_DAY) for _ in range(3)), key=seconds)
    runs, builds = [], []
    for days_after in range(1, 4):
        new_day = LAST + timedelta(days=days_after)
        runs.append(run(*run_command(new_day, new_day)))
        builds.append(run("dbt", "build", *ONE_DAY))
    day_build = sorted(builds, key=seconds)[1]
    print(f"  one more day, generated           {sorted(runs, key=seconds)[1]}")
    print(f"  and computed                      {day_build}")
    for command, base in (("the same with no new day", unchanged), ("dbt parse", parse)):
        share = (day_build.seconds - base.seconds) / build.seconds
        print(f"  {command:<33} {base}; the day is {share:.1%} of the build beyond it")


def seconds(cost: Cost) -> float:
    return cost.seconds


def seconds_of_models(target: Path) -> dict[str, float]:
    """Return the execution time of each model in the last dbt command."""
    results = json.loads((target / "run_results.json").read_text())["results"]
    return {result["unique_id"].rpartition(".")[2]: result["execution_time"] for result in results}


def run_plain_sql(folder: Path, step: str, scale: float) -> Cost:
    """Run the step `rows` or `tables` in a separate process, like the project's commands."""
    return cost_of(
        [sys.executable, __file__, "--plain", step, str(folder), str(scale)], {**os.environ}
    )


def plain_sql(step: str, folder: Path, scale: float) -> None:
    sizes = {table: round(rows * scale) for table, rows in FULL_SIZE.items()}
    with duckdb.connect(str(folder / "plain.duckdb")) as connection:
        connection.execute("set preserve_insertion_order = false")
        if step == "rows":
            for table, query in PLAIN_ROWS.items():
                file = folder / f"{table}.parquet"
                connection.execute(f"copy ({query.format(**sizes)}) to '{file}' (compression zstd)")
                file.unlink()
        else:
            seconds = {}
            for statement in PLAIN_TABLES:
                began = perf_counter()
                connection.execute(statement.format(stage=folder / "home/lake/stage/web_logs"))
                seconds[statement.split()[2]] = perf_counter() - began
            (folder / "plain.json").write_text(json.dumps(seconds))


def cost_of(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command, which must succeed."""
    began = perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, env=environment, cwd=PROJECT, stdout=output, stderr=output
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            sleep(0.1)
        seconds = perf_counter() - began
        output.seek(0)
        assert process.returncode == 0, output.read()[-3000:].decode()
    return Cost(seconds, peak)


def memory(parent: int) -> float:
    """Return the GB of a process and its descendants. Shared memory counts once."""
    total = 0
    for pid in [parent, *descendants(parent)]:
        with suppress(OSError):  # the process has ended
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            (kilobytes,) = re.findall(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
            total += int(kilobytes) * 1024
    return total / GIGABYTE


def descendants(parent: int) -> list[int]:
    with suppress(OSError):
        tasks = Path(f"/proc/{parent}/task").iterdir()
        children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
        return children + [pid for child in children for pid in descendants(child)]
    return []


def compare_questions(folder: Path) -> None:
    """Time the three queries of each question, the fastest of three runs, and compare results."""
    with duckdb.connect(str(folder / "home" / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute(f"attach '{folder / 'plain.duckdb'}' as plain (read_only)")
        for question, queries in QUESTIONS.items():
            results, fastest = [], []
            for query in queries:
                times = []
                for _ in range(3):
                    began = perf_counter()
                    rows = connection.execute(query).fetchall()
                    times.append(perf_counter() - began)
                results.append(sorted(rows))
                fastest.append(min(times))
            assert results[0] == results[1] == results[2], question
            frequent, plain_sql, facts = fastest
            print(
                f"  {question:<33} {frequent * 1000:7.1f} ms; from the facts {facts:.2f} s;"
                f" plain SQL {plain_sql:.2f} s"
            )


def print_compared(label: str, cost: Cost, plain: Cost, limits: tuple[float, int]) -> None:
    times, gigabytes = limits
    print(
        f"{label}{cost}: {cost.seconds / plain.seconds:.2f} of plain SQL's time"
        f" (at most {times}; {gigabytes} GB)"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        plain_sql(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
    else:
        main([float(argument) for argument in sys.argv[1:]] or [1.0])
