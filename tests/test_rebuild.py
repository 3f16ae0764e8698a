"""A lost warehouse comes back from the lake, with one command and without a call."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.kills import RUN_COLUMNS
from support.newcomer import Newcomer

from loaders import settings

pytestmark = pytest.mark.long

LAYERS = ("seeds", "intermediate", "star", "frequent", "serving", "snapshots")
TIMES = {*RUN_COLUMNS, "loaded_at"}
RUN_TABLES = ("run_history", "int_history_days")
"""Tables that depend on the runs and not only on the rows."""


def contents(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of all built tables, sorted, without what identifies a run."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        columns = warehouse.execute(
            "select table_schema || '.' || table_name, list(column_name order by ordinal_position)"
            f" from information_schema.columns where table_schema in {LAYERS}"
            f" and table_name not in {RUN_TABLES} group by all"
        ).fetchall()
        return {
            table: warehouse.execute(
                f"select {', '.join(name for name in names if name not in TIMES)}"
                f" from {table} order by all"
            ).fetchall()
            for table, names in columns
        }


@pytest.fixture
def two_days(built: Newcomer, tmp_path: Path) -> Newcomer:
    """A copy of the built home, with a second day of all sources, built too."""
    for name in ("lake", "warehouse.duckdb", "unit_tests", "rows_from"):
        copy = shutil.copytree if (built.home / name).is_dir() else shutil.copy
        copy(built.home / name, tmp_path / name)
    newcomer = Newcomer(tmp_path, Path(built.environment["DBT_PROFILES_DIR"]), RDS__TARGETS="none")
    tomorrow = datetime.now(settings.KST).date() + timedelta(days=1)
    newcomer.environment |= {"HELLO_KOREA_TODAY": str(tomorrow)}
    # A third language changes the places that have records in it.
    newcomer.environment |= {"SOURCES__TOUR__LANGUAGES": "en,ko,ja"}
    newcomer.check_output("dlt", "pipeline", "run")
    newcomer.check_output("dbt", "build")
    return newcomer


def test_a_rebuild_restores_all_tables_and_histories_without_a_call(two_days: Newcomer) -> None:
    before = contents(two_days.home)
    calls = {
        file: file.read_bytes()
        for file in sorted((two_days.home / "lake" / "budget").rglob("*"))
        if file.is_file()
    }
    (two_days.home / "warehouse.duckdb").unlink()
    output = two_days.check_output("dlt", "pipeline", "run", "--rebuild")
    assert "all models" in output
    assert contents(two_days.home).keys() == before.keys()
    after = contents(two_days.home)
    assert [table for table in before if before[table] != after[table]] == []
    assert len(after["snapshots.snap_place"]) > len(after["star.dim_place"])
    assert calls == {file: file.read_bytes() for file in calls}
