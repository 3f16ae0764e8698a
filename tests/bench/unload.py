"""Export of a mart from Redshift to the website: `python tests/bench/unload.py [rows …]`.

The warehouse is the stand-in of the tests, so the seconds are PostgreSQL's and not Redshift's. The
memory is of the exporting process alone, and must not grow with the rows.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from load import GROWTH, ROWS, peak_mb
from support.redshift import DATABASE, PASSWORD, USER, RedshiftServer
from support.s3_server import S3Server

from loaders.export import embedded_postgres
from loaders.export.export import Report, export_all
from loaders.export.marts import Column, Mart

TYPES = {
    "event_id": "bigint",
    "venue_id": "varchar(20)",
    "title": "varchar(1000)",
    "starts_on": "date",
    "price": "numeric(14,2)",
    "is_free": "boolean",
    "opens_at": "timestamp",
}
EVENTS = """
drop table if exists serving.rds_events;
create table serving.rds_events as
select
    i as event_id, cast('v' || (i %% 10) as varchar(20)) as venue_id,
    cast('Event 행사 ' || i as varchar(1000)) as title,
    date '2026-11-22' + (i %% 300)::integer as starts_on,
    cast(i / 4.0 as numeric(14, 2)) as price, i %% 3 = 0 as is_free,
    timestamp '2026-11-22 19:30:00' + (i %% 9999) * interval '1 minute' as opens_at
from generate_series(1::bigint, %s::bigint) as i;
grant select on serving.rds_events to {user};
"""


def main(sizes: list[int]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        S3Server(Path(folder, "s3")) as s3,
        RedshiftServer(Path(folder, "redshift"), s3) as redshift,
    ):
        os.environ.update(s3.environment() | redshift.environment())
        os.environ |= {"LAKE__URL": s3.make_bucket("bench"), "HELLO_KOREA_HOME": folder}
        redshift.query(f"create schema serving; grant usage on schema serving to {USER}")
        os.environ["RDS__URL"] = embedded_postgres.start()
        try:
            peaks = [measure(redshift, rows) for rows in sizes]
        finally:
            embedded_postgres.stop()
    print(
        f"  peak at {sizes[-1]:,} rows as a multiple of the peak at {sizes[0]:,}: "
        f"{peaks[-1] / peaks[0]:.2f} (at most {GROWTH})"
    )


def measure(redshift: RedshiftServer, rows: int) -> float:
    """Export into a new table in a child process, and return its peak memory in MB."""
    redshift.query(EVENTS.format(user=USER) % rows)
    process = subprocess.run(
        [sys.executable, __file__, "--export", str(rows)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    seconds, peak = (float(word) for word in process.stdout.split()[-2:])
    print(
        f"export of {rows:,} rows by UNLOAD: {seconds:6.2f} s, {rows / seconds:,.0f} rows/s,"
        f" {peak:.0f} MB at most"
    )
    return peak


def export_mart(rows: int) -> None:
    """Export the events, and print the seconds and the peak memory in MB."""
    from dbt.adapters.redshift.connections import RedshiftCredentials

    name = "DESTINATION__REDSHIFT__CREDENTIALS"
    credentials = RedshiftCredentials.from_dict(
        {
            "host": os.environ[f"{name}__HOST"],
            "port": int(os.environ[f"{name}__PORT"]),
            "user": USER,
            "password": PASSWORD,
            "database": DATABASE,
            "schema": "serving",
            "method": "database",
            "sslmode": "disable",
        }
    )
    columns = tuple(
        Column(name, data_type, f"The {name}.", name == "event_id")
        for name, data_type in TYPES.items()
    )
    mart = Mart(
        model_id="model.bench.rds_events",
        table=f"events_{rows}",
        relation='"serving"."rds_events"',
        description="Events.",
        columns=columns,
        primary_key=("event_id",),
        foreign_keys=(),
        indexes=(),
        max_delete_share=0,
    )
    started = perf_counter()
    (table,) = export_all(Report("bench", "redshift", "now"), (mart,), credentials).tables
    assert table.inserted == rows
    print(perf_counter() - started, peak_mb())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--export"]:
        export_mart(int(sys.argv[2]))
    else:
        main([int(word) for word in sys.argv[1:]] or list(ROWS))
