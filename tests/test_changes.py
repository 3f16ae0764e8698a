"""What a run on a terminal says of the rows that changed since the date before."""

import os
import pty
import subprocess
from contextlib import suppress
from datetime import date, timedelta
from io import BytesIO, StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from support.pipelines import DLT, lake
from support.project import PROJECT, TODAY

from loaders.cli.display import change_text, changes_table
from loaders.pipeline.changes import Changes, changes
from loaders.pipeline.results import TableResult
from loaders.pipeline.stage import schema
from loaders.sources import SOURCES

COMMAND = ["pipeline", "incheon", "run", "--table", "airports"]
YESTERDAY = TODAY - timedelta(days=1)


def stage(source: str, name: str, day: date, rows: list[dict[str, object]]) -> str:
    """Write the staged file of a date, and return its key."""
    (table,) = (table for table in SOURCES[source].tables if table.name == name)
    origin = {"logical_date": day, "raw_file": f"raw/{day}"}
    file = BytesIO()
    nullable = pa.schema([field.with_nullable(True) for field in schema(table)])
    pq.write_table(pa.Table.from_pylist([row | origin for row in rows], nullable), file)
    key = f"stage/{source}/{name}/dt={day}/rows.parquet"
    lake().write(key, file.getvalue())
    return key


def airport(code: str, name: str) -> dict[str, object]:
    return {"airport": code, "airport_name": name}


def test_a_list_says_which_rows_are_new_changed_and_gone(home: Path) -> None:
    stage(
        *("incheon", "airports", YESTERDAY),
        [airport("NRT", "Narita"), airport("KIX", "Kansai"), airport("PUS", "Busan")],
    )
    key = stage(
        *("incheon", "airports", TODAY),
        [airport("NRT", "Narita"), airport("KIX", "Osaka"), airport("HND", "Haneda")],
    )
    result = TableResult("incheon", "airports", files={TODAY: key})
    (change,) = changes(lake(), [result])
    assert change == Changes("incheon", "airports", TODAY, 3, YESTERDAY, 3, (1, 1, 1))
    assert change_text(change) == "1 new, 1 changed, 1 gone"


def test_a_table_whose_keys_have_a_day_says_how_many_rows_it_has_more(home: Path) -> None:
    def rates(*currencies: str) -> list[dict[str, object]]:
        return [{"currency": currency, "date": YESTERDAY} for currency in currencies]

    before = YESTERDAY - timedelta(days=3)
    stage("exim", "exchange_rates", before, rates("USD"))
    key = stage("exim", "exchange_rates", TODAY, rates("USD", "JPY", "EUR"))
    result = TableResult("exim", "exchange_rates", files={TODAY: key})
    (change,) = changes(lake(), [result])
    assert change_text(change) == f"2 more since {before}"


def test_the_first_day_and_what_was_not_staged_are_compared_with_nothing(home: Path) -> None:
    key = stage("incheon", "airports", TODAY, [airport("NRT", "Narita")])
    results = [
        TableResult("incheon", "airports", files={TODAY: key}),
        TableResult("incheon", "schedules"),
        TableResult("kopis", "venue_details", files={TODAY: "details"}),
        TableResult("web_logs", "clicks", files={TODAY: "logs"}),
    ]
    (change,) = changes(lake(), results)
    assert change_text(change) == "the first day"


def test_the_bars_are_as_long_as_the_rows_are_many() -> None:
    screen = StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None)
    rows = {"few": 1, "half": 50, "most": 100, "none": 0}
    console.print(
        changes_table([Changes("tour", name, TODAY, count) for name, count in rows.items()])
    )
    lines = screen.getvalue().splitlines()[1:]
    assert [line.count("━") for line in lines] == [0, 7, 14, 0]
    assert all(line.endswith("the first day") for line in map(str.rstrip, lines))


@pytest.mark.slow
def test_a_run_ends_with_the_changes_on_a_terminal_and_without_them_in_a_log(home: Path) -> None:
    def run(day: date) -> str:
        """Run one table on a terminal, and return what it shows."""
        screen, terminal = pty.openpty()
        process = subprocess.Popen(
            [DLT, *COMMAND],
            cwd=PROJECT,
            env=os.environ | {"HELLO_KOREA_TODAY": day.isoformat(), "TERM": "xterm"},
            stdout=terminal,
            stderr=subprocess.DEVNULL,
        )
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while chunk := os.read(screen, 1 << 12):
                shown += chunk
        os.close(screen)
        assert process.wait() == 0
        return shown.decode()

    assert "the first day" in run(YESTERDAY)
    assert "as before" in run(TODAY)
    environment = os.environ | {"HELLO_KOREA_TODAY": (TODAY + timedelta(days=1)).isoformat()}
    log = subprocess.check_output([DLT, *COMMAND], cwd=PROJECT, env=environment, text=True)
    assert "as before" not in log
    assert "incheon.airports: done" in log
