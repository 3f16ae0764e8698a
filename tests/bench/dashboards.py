"""Time each query of the dashboard on usage, on tables as large as at 400 million clicks.

`PYTHONPATH=tests python tests/bench/dashboards.py FOLDER` reads the home FOLDER after `make run`.
At scale 1 the frequent tables have a row for each combination of their keys, so this fills a copy
of them with all combinations.
"""

import sys
import time
from pathlib import Path

import duckdb
from support.pages import compile_query, warehouse_queries

NAME = "what_visitors_do"
FILL = {
    "freq_usage": """
        select
            days.log_date, channels.channel_code, countries.country_code, ages.age_group,
            4, 130, 20, 400, 20, 1000000, 1
        from (select distinct log_date from old) as days
        cross join built.star.dim_channel as channels
        cross join (select distinct country_code from built.star.dim_user) as countries
        cross join (select distinct age_group from built.star.dim_user) as ages
    """,
    "freq_time_to_purchase": """
        select days.log_date, channels.channel_code, steps.number * 10, 20, 1
        from (select distinct log_date from old) as days
        cross join built.star.dim_channel as channels
        cross join range(144) as steps (number)
    """,
}
"""The rows at full scale of the tables that grow with the usage. `old` is the table as it is."""


def main(home: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home / 'warehouse.duckdb'}' as built (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables()"
            " where database_name = 'built' and schema_name in ('star', 'frequent')"
        ).fetchall()
        relations = {table: f"built.{schema}.{table}" for schema, table in tables}
        for table, sql in FILL.items():
            connection.execute(f"create table {table} as from {relations[table]} limit 0")
            connection.execute(f"create or replace view old as from {relations[table]}")
            connection.execute(f"insert into {table} {sql}")
            relations[table] = table
            (rows,) = connection.execute(f"select count(*) from {table}").fetchone() or (0,)
            print(f"{table}: {rows:,} rows")
        for query, sql in warehouse_queries(NAME).items():
            began = time.perf_counter()
            connection.execute(compile_query(sql, relations)).fetchall()
            print(f"{query}: {(time.perf_counter() - began) * 1000:.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
