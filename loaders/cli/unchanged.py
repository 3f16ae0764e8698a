"""Tell whether `make run` may leave out `dbt build`, the docs and the dashboards.

It may if nothing was loaded, and no code or setting changed, since a build that passed and was
exported in full. `python -m loaders.cli.unchanged` then says so in one line. Otherwise it exits
with 1, and `python -m loaders.cli.unchanged --record` after the build keeps what that was of.
"""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from loaders import settings
from loaders.cli import dashboards
from loaders.export import rds
from loaders.export.marts import ExportError, read_json

BUILT, BUILDING = "last_build.json", "this_build.json"
CODE = ("dbt_project", "macros", "seeds", "analyses", "tests/dbt", "loaders/export")
FILES = (
    *("dbt_project.yml", "profiles.yml", "requirements.lock"),
    ".dlt/config.toml",
)
SECRETS = ".dlt/secrets.toml"
SETTINGS = ("DBT_", "RDS__", "DESTINATION__")
"""Prefixes of the environment variables that dbt, its profile and the export read."""
DOCS = Path("docs", "static_index.html")
PASSED = ("success", "pass", "warn", "no-op")

TABLES = """
select
    format('"{}"."{}"', tables.schema_name, tables.table_name),
    columns.column_name is not null as has_load_id
from duckdb_tables() as tables
left join duckdb_columns() as columns
    on tables.table_oid = columns.table_oid and columns.column_name = '_dlt_load_id'
where
    starts_with(tables.schema_name, 'staging_')
    and not ends_with(tables.schema_name, '_staging')
    and not starts_with(tables.table_name, '_dlt_')
    and tables.schema_name <> 'staging_runs'
order by all
"""
"""The loaded tables, except the history of runs, to which every run adds rows."""
DEFINITIONS = """
select sql from duckdb_tables() where starts_with(schema_name, 'staging_')
union all
select sql from duckdb_views() where starts_with(schema_name, 'staging_')
order by all
"""
"""Tables and their columns, and views, which name the files that they read."""


def main(arguments: list[str]) -> int:
    """Return the exit code. 1 means that `make run` must build."""
    home, target_dir = settings.home(), settings.dbt_artifacts()
    building, built = home / BUILDING, home / BUILT
    if arguments == ["--record"]:
        if building.exists() and (run_id := exported_run(target_dir)):
            state = {**json.loads(building.read_bytes()), "run_id": run_id}
            built.write_text(json.dumps(state), encoding="utf-8")
        return 0
    building.unlink(missing_ok=True)
    try:
        state = {"code": hash_of_code(), "warehouse": hash_of_warehouse(home / "warehouse.duckdb")}
        building.write_text(json.dumps(state), encoding="utf-8")
        if not is_built(state, built, target_dir):
            return 1
    except (ExportError, settings.SettingError, duckdb.Error, psycopg2.Error):
        return 1  # the build prints the reason
    built_at = read_json(target_dir / "export.json")["started_at"][:16].replace("T", " ")
    print(
        "dbt build, export, docs and dashboards left out: nothing was loaded and no code changed "
        f"since the build of {built_at} KST"
    )
    return 0


def is_built(state: dict[str, str], built: Path, target_dir: Path) -> bool:
    """Return whether the last build was of this state, and the website's database has its tables.

    The history of runs is not part of the state: the next build reads it. Raise ExportError if
    there is no such build, SettingError, and psycopg2.Error.
    """
    return (
        settings.dbt_target() == "local"
        and read_json(built) == {**state, "run_id": exported_run(target_dir)}
        and (target_dir / DOCS).is_file()
        and all(page.is_file() for page in dashboards.pages(target_dir))
        and is_in_database(read_json(target_dir / "export.json"))
    )


def exported_run(target_dir: Path) -> str | None:
    """Return the id of the last dbt command in `target_dir` if it was a build that passed and was
    exported in full, or None. Raise ExportError if there is no report of an export."""
    results, report = (
        read_json(target_dir / "run_results.json"),
        read_json(target_dir / "export.json"),
    )
    run_id: str = results["metadata"]["invocation_id"]
    passed = all(result["status"] in PASSED for result in results["results"])
    exported = report["run_id"] == run_id and not report["kept_out"] and not report["error"]
    return run_id if passed and exported else None


def is_in_database(report: dict[str, Any]) -> bool:
    """Return whether the website's database has the tables of an export, and no later one."""
    tables = [table["table"] for table in report["tables"]]
    with (
        closing(rds.connect(rds.database_url(report["target"]))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select bool_and(to_regclass('public.' || name) is not null) from unnest(%s) as name",
            [tables],
        )
        if cursor.fetchone() != (True,):
            return False
        cursor.execute("select run_id from export_log order by started_at desc limit 1")
        return cursor.fetchone() == (report["run_id"],)


def hash_of_code() -> str:
    """Return a hash of all files and environment variables that a build and the export read."""
    files = [settings.PROJECT / name for name in (*FILES, SECRETS)]
    files += [
        file
        for folder in CODE
        for file in sorted((settings.PROJECT / folder).rglob("*"))
        if "__pycache__" not in file.parts
    ]
    variables = sorted(
        f"{name}={value}" for name, value in os.environ.items() if name.startswith(SETTINGS)
    )
    return _hash(
        [f"{file}\0{file.read_text('utf-8')}" for file in files if file.is_file()] + variables
    )


def hash_of_warehouse(file: Path) -> str:
    """Return a hash that changes if a load changes a row. Raise duckdb.Error.

    dlt gives each load a new id, so the count and the newest id tell whether a table changed. All
    rows are read of a table without these ids.
    """
    with duckdb.connect(file, read_only=True) as warehouse:
        definitions = [sql for (sql,) in warehouse.execute(DEFINITIONS).fetchall()]
        rows = [
            warehouse.execute(
                f"select count(*), {'max(_dlt_load_id)' if has_load_id else 'bit_xor(hash(rows))'} "
                f"from {table} as rows"
            ).fetchone()
            for table, has_load_id in warehouse.execute(TABLES).fetchall()
        ]
    return _hash([*definitions, *map(repr, rows)])


def _hash(texts: Iterable[str]) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
