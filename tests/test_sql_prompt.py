"""`python -m loaders.cli.sql` on a warehouse."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from support.pipelines import open_warehouse_elsewhere

COMMAND = [sys.executable, "-m", "loaders.cli.sql"]


@pytest.fixture
def warehouse(home: Path) -> Path:
    home.mkdir()
    with duckdb.connect(home / "warehouse.duckdb") as connection:
        connection.execute("create table fares as select 'TYO' as origin, 90000 as krw")
    return home / "warehouse.duckdb"


def sql(*options: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], input=typed, capture_output=True, text=True)


def test_a_statement_prints_its_rows(warehouse: Path) -> None:
    process = sql("-c", "select origin, krw from fares; select 'second' as name")
    assert (process.returncode, process.stderr) == (0, "")
    assert "TYO" in process.stdout
    assert "90000" in process.stdout
    assert "second" in process.stdout
    assert sql(typed="select origin from fares").stdout.count("TYO") == 1


def test_nothing_can_be_changed(warehouse: Path) -> None:
    process = sql("-c", "delete from fares")
    assert process.returncode == 1
    assert "read-only" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_prompt_takes_statements_of_several_lines_and_does_not_lock_the_warehouse(
    warehouse: Path,
) -> None:
    controller, terminal = pty.openpty()
    with subprocess.Popen(COMMAND, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        os.write(controller, b"select krw + 1 as more\nfrom fares;\n")
        output = ""
        while "90001" not in output:
            output += os.read(controller, 4096).decode()
        with duckdb.connect(warehouse) as connection:  # writes, while the prompt is open
            connection.execute("delete from fares")
        os.write(controller, b"\x04")
        while chunk := read_to_end(controller):
            output += chunk
    assert process.returncode == 0
    assert f"{warehouse}, read-only" in output


def read_to_end(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode()
    except OSError:  # the other end is closed
        return ""


def test_a_warehouse_that_is_missing_or_in_use_is_one_line(home: Path) -> None:
    process = sql("-c", "select 1")
    assert process.returncode == 2
    assert process.stderr.startswith(f"HELLO_KOREA_HOME is '{home}': expected a home with a")

    with open_warehouse_elsewhere(home) as other:
        process = sql("-c", "select 1")
        assert process.returncode == 1
        assert process.stderr.startswith("a run or a build writes to the warehouse, try again")
        assert str(other.pid) in process.stderr
        assert process.stderr.count("\n") == 1
