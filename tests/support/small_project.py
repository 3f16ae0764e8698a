"""A dbt project small enough for a test: three marts in a chain of foreign keys, and one alone.

    districts <- venues <- events        rates

Its models read the DuckDB schema `raw`, which a test can change.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from dbt.cli.main import dbtRunner

from loaders.export import embedded_postgres
from support.project import ENOUGH_SECONDS

PROJECT = """
name: shop
profile: shop
version: "1.0"
flags: {send_anonymous_usage_stats: false}
models:
  shop:
    +materialized: table
    serving: {+schema: serving, +contract: {enforced: true}}
"""

PROFILES = """
shop:
  target: "{{ env_var('DBT_TARGET', 'local') }}"
  outputs:
    local: &duckdb
      type: duckdb
      path: "{{ env_var('HELLO_KOREA_HOME') }}/warehouse.duckdb"
      threads: 1
    ci:
      <<: *duckdb
      schema: ci
"""

SCHEMA = """
models:
  - name: dim_venue
    columns:
      - name: venue_id
        data_tests: [not_null]
  - name: rds_districts
    description: The 25 districts of Seoul.
    columns:
      - name: district_id
        data_type: integer
        description: The district's code.
        constraints: [{type: not_null}, {type: primary_key}]
        data_tests: [unique, not_null]
      - {name: district_name, data_type: varchar, description: 한글 이름}
  - name: rds_venues
    description: Where events take place.
    columns:
      - name: venue_id
        data_type: varchar(20)
        constraints: [{type: not_null}, {type: primary_key}]
        data_tests: [unique]
      - name: district_id
        data_type: integer
        constraints:
          - {type: foreign_key, to: ref('rds_districts'), to_columns: [district_id]}
        data_tests:
          - relationships:
              arguments: {to: ref('rds_districts'), field: district_id}
      - {name: venue_name, data_type: varchar, description: Name of the venue.}
  - name: rds_events
    description: What happens on a day.
    config:
      meta:
        rds_indexes: [[starts_on, ends_on]]
    constraints:
      - {type: primary_key, columns: [event_id]}
      - {type: foreign_key, columns: [venue_id], to: ref('rds_venues'), to_columns: [venue_id]}
    columns:
      - {name: event_id, data_type: bigint}
      - {name: venue_id, data_type: varchar(20), constraints: [{type: not_null}]}
      - {name: title, data_type: varchar}
      - {name: starts_on, data_type: date}
      - {name: ends_on, data_type: date}
      - {name: price, data_type: "numeric(38, 9)"}
      - {name: is_free, data_type: boolean}
      - {name: opens_at, data_type: timestamp}
      - {name: score, data_type: double}
  - name: rds_rates
    description: What a currency is worth.
    constraints:
      - {type: primary_key, columns: [currency, rate_date]}
    columns:
      - {name: currency, data_type: varchar(3)}
      - {name: rate_date, data_type: date, data_tests: [not_null]}
      - {name: rate, data_type: "numeric(12, 4)", description: Won for a unit.}
unit_tests:
  - name: rates_are_rounded
    model: rds_rates
    given:
      - input: ref('stg_rates')
        rows: [{currency: USD, rate_date: 2026-11-22, rate: 1.23456}]
    expect:
      rows: [{currency: USD, rate_date: 2026-11-22, rate: 1.2346}]
"""

MODELS = {
    "dim_venue": "select * from raw.venues",
    "stg_rates": "select * from raw.rates",
    "serving/rds_districts": "select * from raw.districts",
    "serving/rds_venues": "select * from {{ ref('dim_venue') }}",
    "serving/rds_events": "select * from raw.events -- depends on {{ ref('rds_venues') }}",
    "serving/rds_rates": """
        select currency, rate_date, cast(rate as numeric(12, 4)) as rate
        from {{ ref('stg_rates') }}
    """,
}

RAW = """
create schema raw;
create table raw.districts (district_id integer, district_name varchar);
create table raw.venues (venue_id varchar, district_id integer, venue_name varchar);
create table raw.events (
    event_id bigint, venue_id varchar, title varchar, starts_on date, ends_on date,
    price numeric(38, 9), is_free boolean, opens_at timestamp, score double
);
create table raw.rates (currency varchar, rate_date date, rate numeric(18, 9));
insert into raw.districts values (11, '종로구'), (24, '송파구');
insert into raw.venues
select 'v' || i, case when i % 2 = 0 then 11 else 24 end, 'Hall ' || i from range(10) as r (i);
insert into raw.events
select
    i, 'v' || (i % 10), 'Event ' || i,
    date '2026-11-22' + i::integer, date '2026-11-23' + i::integer,
    i / 4, i % 3 = 0, timestamp '2026-11-22 19:30:00', i / 7
from range(100) as r (i);
insert into raw.rates
select 'USD', date '2026-11-01' + i::integer, 1400 + i from range(10) as r (i);
"""


@contextmanager
def postgres(home: Path) -> Iterator[str]:
    """Start an embedded PostgreSQL in `home`, yield its URL, and stop it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HELLO_KOREA_HOME", str(home))
        url = embedded_postgres.start(embedded_postgres.SUPERUSER)
    try:
        yield url
    finally:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HELLO_KOREA_HOME", str(home))
            embedded_postgres.stop()


def new_database(server: str, name: str) -> str:
    """Create a database on the embedded server with the URL `server`, and return its URL."""
    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"create database {name}")
    return server.replace(f"/{embedded_postgres.DATABASE}", f"/{name}")


@dataclass(frozen=True)
class SmallProject:
    """The project in `folder`, with its warehouse in `home` and its website's database at `url`."""

    folder: Path
    home: Path
    url: str

    @property
    def target_dir(self) -> Path:
        return self.folder / "target"

    @property
    def environment(self) -> dict[str, str]:
        return {"HELLO_KOREA_HOME": str(self.home), "RDS__URL": self.url, "DBT_TARGET": "local"}

    def write(self) -> None:
        """Write the project's files and the schema `raw`."""
        for path, text in {
            "dbt_project.yml": PROJECT,
            "profiles.yml": PROFILES,
            "models/schema.yml": SCHEMA,
            **{f"models/{name}.sql": sql for name, sql in MODELS.items()},
        }.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, encoding="utf-8")
        self.home.mkdir(exist_ok=True)
        self.warehouse(RAW)

    def empty_rds(self) -> None:
        self.rds("drop schema public cascade; create schema public")

    def warehouse(self, sql: str) -> None:
        with duckdb.connect(self.home / "warehouse.duckdb") as connection:
            connection.execute(sql)

    def rds(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run SQL on the website's database as its owner, and return the rows, if any."""
        with (
            closing(psycopg2.connect(self.url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def dbt(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run dbt in a child process."""
        return subprocess.run(
            self.dbt_command(*args),
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=ENOUGH_SECONDS,
        )

    def dbt_command(self, *args: str) -> list[str]:
        return [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *args]

    def copy(self, folder: Path, url: str) -> "SmallProject":
        """Copy the built project and its warehouse. The copy exports to the database at `url`."""
        copy = SmallProject(folder / "project", folder / "home", url)
        shutil.copytree(self.folder, copy.folder)
        shutil.copytree(self.home, copy.home)
        return copy

    def manifest(self) -> dict[str, Any]:
        return self._artifact("manifest.json")

    def run_results(self) -> dict[str, Any]:
        return self._artifact("run_results.json")

    def _artifact(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.target_dir / name).read_text())
        return content

    def write_artifact(self, name: str, content: dict[str, Any]) -> None:
        (self.target_dir / name).write_text(json.dumps(content))


def dbt(project: SmallProject, *args: str, **environment: str) -> bool:
    """Run dbt in this process, which saves its start. Return whether it succeeded."""
    folders = ["--project-dir", str(project.folder), "--profiles-dir", str(project.folder)]
    with pytest.MonkeyPatch.context() as settings:
        for name, value in {**project.environment, **environment}.items():
            settings.setenv(name, value)
        return bool(dbtRunner().invoke([*args, *folders]).success)
