"""The export's speed compared with plain COPY: `python tests/bench/export.py [rows]`.

With the same rows and server, compare a first export, and an export into the empty table, with COPY
of the same bytes into an empty table with the same keys and indexes. Then measure an export of
unchanged rows, and one with 1 % of them changed.
"""

import json
import os
import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg2
from dbt.cli.main import dbtRunner
from support.small_project import SmallProject

from loaders.export import embedded_postgres
from loaders.export.export import csv_chunks, export, read_profile
from loaders.export.marts import parse_mart
from loaders.export.warehouse import open_warehouse

ROUNDS = 3
EVENTS_ID = "model.shop.rds_events"

EVENTS = """
delete from raw.events;
insert into raw.events
select
    i, 'v' || (i % 10), 'Event 행사 ' || i, date '2026-11-22' + (i % 300)::integer,
    date '2026-11-23' + (i % 300)::integer, i / 4, i % 3 = 0,
    timestamp '2026-11-22 19:30:00' + to_minutes(i % 9999), i / 7
from range({rows}) as r (i);
"""


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HELLO_KOREA_HOME"] = folder
        os.environ.pop("RDS__URL", None)
        os.environ["DBT_TARGET"] = "ci"
        project = SmallProject(Path(folder, "project"), Path(folder), embedded_postgres.start())
        project.write()
        project.warehouse(EVENTS.format(rows=rows))
        build(project)
        os.environ |= {**project.environment, "RDS__TARGETS": "ci", "DBT_TARGET": "ci"}
        try:
            measure(project, rows)
        finally:
            embedded_postgres.stop()


def build(project: SmallProject) -> None:
    arguments = ["--project-dir", str(project.folder), "--profiles-dir", str(project.folder)]
    assert dbtRunner().invoke(["--quiet", "build", *arguments]).success


def measure(project: SmallProject, rows: int) -> None:
    csv = write_csv(project)
    manifest = project.manifest()
    print(f"{rows:,} rows, {csv.stat().st_size / 1e6:.0f} MB of CSV; medians of {ROUNDS} rounds")
    key_only = json.loads(json.dumps(manifest))
    events = key_only["nodes"][EVENTS_ID]
    events["constraints"] = events["constraints"][:1]
    events["config"]["meta"] = {}
    compare(project, csv, rows, "primary key", key_only)
    compare(project, csv, rows, "primary and foreign key, 2 indexes", manifest)
    print(f"  export of unchanged rows             {timed_export(project):6.2f} s")
    project.warehouse(
        "update ci_serving.rds_events set title = title || '!' where event_id % 100 = 0"
    )
    print(f"  export with 1 % of the rows changed  {timed_export(project):6.2f} s")


def compare(
    project: SmallProject, csv: Path, rows: int, keys: str, manifest: dict[str, Any]
) -> None:
    """Compare exports with COPY into an empty table with the same keys and indexes."""
    project.write_artifact("manifest.json", manifest)
    first, emptied, copies = [], [], []
    for _ in range(ROUNDS):
        project.rds("drop table if exists plain, events, venues, districts, rates")
        first.append(timed_export(project))
        project.rds("create table plain (like events including all)")
        if parse_mart(manifest["nodes"][EVENTS_ID]).foreign_keys:
            project.rds("alter table plain add foreign key (venue_id) references venues")
        copies.append(timed_copy(project, csv))
        project.rds("truncate events")
        emptied.append(timed_export(project))
    copied = statistics.median(copies)
    print(f"a table with {keys}")
    print(f"  plain COPY                           {copied:6.2f} s  {rows / copied:>9,.0f} rows/s")
    for name, times in (("first export", first), ("export into the empty table", emptied)):
        seconds = statistics.median(times)
        print(
            f"  {name:<36} {seconds:6.2f} s  {rows / seconds:>9,.0f} rows/s, "
            f"{copied / seconds:.2f} of COPY's speed (expected: 0.80)"
        )


def write_csv(project: SmallProject) -> Path:
    """Write the bytes that an export of the events sends."""
    events = parse_mart(project.manifest()["nodes"][EVENTS_ID])
    profile = read_profile({"target": "ci"}, project.target_dir)
    path = project.home / "events.csv"
    with open_warehouse(profile.credentials) as source, path.open("wb") as file:
        file.writelines(csv_chunks(events, source))
    return path


def timed_copy(project: SmallProject, csv: Path) -> float:
    """Copy into the table `plain`, and return the seconds."""
    columns = ", ".join(parse_mart(project.manifest()["nodes"][EVENTS_ID]).column_names)
    with closing(psycopg2.connect(project.url)) as connection, connection.cursor() as cursor:
        started = perf_counter()
        with csv.open("rb") as file:
            cursor.copy_expert(f"copy plain ({columns}) from stdin (format csv)", file, 1 << 20)
        connection.commit()
        return perf_counter() - started


def timed_export(project: SmallProject) -> float:
    """Export, and return the seconds."""
    started = perf_counter()
    export(project.target_dir)
    return perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
