"""Query the DuckDB warehouse, without a change to it: `python -m loaders.cli.sql [-c "select …"]`.

Without `-c`, statements come from a prompt or a pipe. The file is open only while a statement runs,
so that a prompt does not keep a load or a build waiting.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress

import duckdb

from loaders import settings
from loaders.errors import one_line
from loaders.settings import SettingError

GREETING = """\
{file}, read-only. A statement ends with a semicolon, and Ctrl-D ends the prompt.
Tables: show all tables;   columns: describe star.fct_event;"""
ROWS = 10_000
"""Maximum number of rows that are printed of a result."""
WIDTH = 100_000
"""Width of a result in a file, in which no column is left out."""


def main() -> int:
    """Return the exit code: 0, 1 after a statement that failed, 2 for a wrong setting."""
    parser = argparse.ArgumentParser(prog="python -m loaders.cli.sql")
    parser.add_argument("-c", metavar="SQL", help="run these statements instead of a prompt")
    statements: str | None = parser.parse_args().c
    try:
        check_warehouse()
        if statements is None and sys.stdin.isatty():
            print(GREETING.format(file=settings.home() / "warehouse.duckdb"))
            for statement in typed_statements():
                run(statement)
            return 0
        return 0 if run(statements if statements is not None else sys.stdin.read()) else 1
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2


def check_warehouse() -> None:
    """Raise SettingError unless the home has a warehouse in DuckDB."""
    if settings.dbt_target() == "redshift":
        raise SettingError("DBT_TARGET", "redshift", "expected local: open Redshift with psql")
    if not (settings.home() / "warehouse.duckdb").is_file():
        expected = "expected a home with a warehouse: dlt pipeline run creates it"
        raise SettingError("HELLO_KOREA_HOME", str(settings.home()), expected)


def typed_statements() -> Iterator[str]:
    """Yield what is typed up to each semicolon at the end of a line. Ctrl-C drops a statement."""
    with suppress(ImportError):  # without it, the prompt has no history
        import readline  # noqa: F401

    lines: list[str] = []
    while True:
        try:
            lines.append(input("   " if lines else "=> "))
        except KeyboardInterrupt:
            print()
            lines = []
        except EOFError:
            print()
            return
        if lines and lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []


def run(sql: str) -> bool:
    """Run statements and print their rows, or the reason why one failed. Return whether all ran."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    try:
        with duckdb.connect(settings.home() / "warehouse.duckdb", read_only=True) as warehouse:
            for statement in warehouse.extract_statements(sql):
                if rows := warehouse.sql(statement.query):
                    rows.show(max_width=width, max_rows=ROWS)
    except duckdb.IOException as error:
        reason = one_line(str(error))
        if "lock" in reason:
            reason = f"a run or a build writes to the warehouse, try again later ({reason})"
        print(reason, file=sys.stderr)
        return False
    except duckdb.Error as error:
        print(error, file=sys.stderr)
        return False
    except KeyboardInterrupt:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
