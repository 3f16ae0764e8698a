"""A day costs what the day brings, not what the days before it brought. Counted, not timed."""

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import orjson
import pytest
from support.dbt_checks import NO_TESTS
from support.history import small_logs, synthesise
from support.newcomer import Newcomer
from support.pipelines import query, run

from loaders.lake.folder import FolderLake
from loaders.sources import SOURCES

pytestmark = pytest.mark.slow

HISTORIES = {
    *("fct_click", "fct_fare", "fct_purchase", "fct_search", "fct_session", "freq_cheapest_fare"),
    *("freq_session", "int_fare_codes", ""),
}
"""Tables that hold the rows of all days, which is what they are for. "" is a parquet file of the
usage logs."""


class CountingLake(FolderLake):
    """A lake that counts the objects that its callers see, by method."""

    seen: ClassVar[Counter[str]] = Counter()

    def keys(self, prefix: str) -> list[str]:
        return self._counted("listed", super().keys(prefix))

    def folders(self, prefix: str) -> list[str]:
        return self._counted("listed", super().folders(prefix))

    def read(self, key: str) -> bytes:
        self.seen["read"] += 1
        return super().read(key)

    def _counted(self, what: str, names: list[str]) -> list[str]:
        self.seen[what] += len(names)
        return names


def measured(
    days: int, home: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Counter[str], int, int]:
    """Return what a run sees in the lake, the rows that models and tests scan, and those of
    staging, after a number of days."""
    monkeypatch.setenv("HELLO_KOREA_HOME", str(home))
    for name, value in small_logs(days).items():
        monkeypatch.setenv(name, value)
    synthesise(days)
    newcomer = Newcomer(home, profiles, RDS__TARGETS="none")
    newcomer.check_output("dbt", "build", *NO_TESTS)
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("loaders.lake.lake.FolderLake", CountingLake)
        CountingLake.seen.clear()
        assert run() == (0, "")  # also trims staging of what the build keeps
    newcomer.check_output("dbt", "compile")
    compiled = home / "target" / "compiled" / "hello_korea"
    return CountingLake.seen.copy(), rows_scanned(home, compiled), rows_staged(home)


def rows_staged(home: Path) -> int:
    """Return the rows of all staging tables of the APIs."""
    tables = " union all ".join(
        f"select count(*) as row_count from staging_{source.name}.{table.name}"
        for source in SOURCES.values()
        for table in source.tables
    )
    ((rows,),) = query(home, f"select sum(row_count)::bigint from ({tables})")
    return int(rows)


def rows_scanned(home: Path, compiled: Path) -> int:
    """Return the rows that all compiled models and tests scan, except those of `HISTORIES`."""
    total = 0
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        warehouse.execute("pragma enable_profiling = 'no_output'")
        for file in sorted(compiled.rglob("*.sql")):
            warehouse.execute(file.read_text()).fetchall()
            total += scanned(orjson.loads(warehouse.get_profiling_information("json")))
    return total


def scanned(operator: Any) -> int:
    """Return the rows that an operator and those below it scan."""
    children = [*operator.get("operator", []), *operator.get("children", [])]
    table = operator.get("extra_info", {}).get("Table", "").rpartition(".")[2]
    own = (
        0
        if operator.get("type") != "TABLE_SCAN" or table in HISTORIES
        else operator["rows_scanned"]
    )
    return own + sum(map(scanned, children))


@pytest.mark.soak
def test_a_day_after_forty_days_reads_and_lists_what_a_day_after_sixteen_does(
    tmp_path: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_16, scanned_16, staged_16 = measured(16, tmp_path / "16", profiles, monkeypatch)
    seen_40, scanned_40, staged_40 = measured(40, tmp_path / "40", profiles, monkeypatch)
    assert seen_40["read"] <= seen_16["read"] + 5
    logs = 10 * (40 - 16)  # each file of the usage logs is listed twice
    assert seen_40["listed"] <= seen_16["listed"] + logs
    assert staged_40 <= 1.02 * staged_16
    assert scanned_40 <= 1.05 * scanned_16
