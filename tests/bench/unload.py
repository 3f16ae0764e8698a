"""A mart from Redshift to the website's database: `python tests/bench/unload.py [rows …]`.

The warehouse is the stand-in of the tests, so the seconds are PostgreSQL's and not Redshift's; the
memory is that of the exporting process alone, which must not grow with the rows.
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
from loaders.export import export as export_module
from loaders.export.export import Report
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
            peaks = [measured(redshift, rows) for rows in sizes]
        finally:
            embedded_postgres.stop()
    print(
        f"  peak at {sizes[-1]:,} rows to that at {sizes[0]:,}: "
        f"{peaks[-1] / peaks[0]:.2f} (at most {GROWTH})"
    )


def measured(redshift: RedshiftServer, rows: int) -> float:
    """Exports in a process of its own, into no table yet; its peak, in MB."""
    redshift.query(EVENTS.format(user=USER) % rows)
    done = subprocess.run(
        [sys.executable, __file__, "--export", str(rows)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seconds, peak = (float(word) for word in done.stdout.split()[-2:])
    print(
        f"export of {rows:,} rows by UNLOAD: {seconds:6.2f} s, {rows / seconds:,.0f} rows/s,"
        f" {peak:.0f} MB at most"
    )
    return peak


def export_one(rows: int) -> None:
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
    columns = tuple(Column(it, TYPES[it], f"The {it}.", it == "event_id") for it in TYPES)
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
    (change,) = export_module._export(Report("bench", "redshift", "now"), (mart,), credentials)
    assert change.inserted == rows
    print(perf_counter() - started, peak_mb())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--export"]:
        export_one(int(sys.argv[2]))
    else:
        main([int(word) for word in sys.argv[1:]] or list(ROWS))
