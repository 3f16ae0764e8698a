"""Build the dashboards of `analyses/dashboards`, or serve them: `python -m loaders.cli.dashboards`.

dbt-charts writes each as one file, `target/dashboards/<name>.html`. `--serve` answers on loopback,
with filters, on the warehouse as it is now. It takes the options of `dct serve`, such as `--port`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from loaders import settings
from loaders.errors import one_line
from loaders.export.mart_proofs import last_build
from loaders.files import read_json
from loaders.pipeline.results import LAST_RUN

ROOT = Path("analyses")
"""The project of dct. Its server draws open pages anew when a file below changes, so it is not the
whole checkout, where each run writes."""

FOLDER = ROOT / "dashboards"
PAGES = "dashboards"
"""Folder of the pages in dbt's target folder."""

RESULTS_FILE = "results.duckdb"
RESULTS = """
create table tables (
    pipeline varchar, loaded_table varchar, calls bigint, calls_left bigint, rejected bigint,
    reason varchar
);
create table nodes (kind varchar, node varchar, status varchar, message varchar);
create table exports (
    exported_table varchar, row_count bigint, inserted bigint, changed bigint, deleted bigint,
    kept_out varchar
);
"""

PHONE = """<style>
@media (max-width: 700px) {
    .dbt-charts-svg-container { overflow-x: auto; }
    .dbt-charts-svg-container > svg { min-width: 780px; }
}
</style>"""
"""What a phone needs: one of a page's two columns as wide as the screen, the other by swiping."""

Row = tuple[object, ...]


def main(arguments: list[str]) -> int:
    """Return the exit code: 1 if a dashboard could not be built, 2 if none could."""
    try:
        check_warehouse(settings.home() / "warehouse.duckdb", settings.dbt_artifacts())
    except settings.SettingError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments[:1] == ["--serve"]:
        serve(arguments[1:])
    return build(settings.dbt_artifacts() / PAGES)


def names() -> list[str]:
    """Return the names of the dashboards."""
    return sorted(
        file.stem for file in (settings.PROJECT / FOLDER).glob("*.yml") if file.stem != "meta"
    )


def pages(target_dir: Path) -> list[Path]:
    """Return the file of each dashboard's page."""
    return [target_dir / PAGES / f"{name}.html" for name in names()]


def check_warehouse(warehouse: Path, target_dir: Path) -> None:
    """Raise SettingError if there is no build to read, or another process writes the warehouse."""
    if not target_dir.is_relative_to(settings.PROJECT):
        raise settings.SettingError(
            "DBT_TARGET_PATH", str(target_dir), "the dashboards need a folder in the checkout"
        )
    if not (target_dir / "manifest.json").is_file():
        raise settings.SettingError(
            "dbt's manifest", str(target_dir / "manifest.json"), "run `dbt build` first"
        )
    if settings.dbt_target() != "local":
        return
    if not warehouse.is_file():
        raise settings.SettingError(
            "HELLO_KOREA_HOME", str(warehouse.parent), "it has no warehouse.duckdb; run `make run`"
        )
    try:
        duckdb.connect(warehouse, read_only=True).close()
    except duckdb.Error as error:
        raise settings.SettingError(
            "the warehouse",
            str(warehouse),
            f"wait for the process that writes it, then run `make dashboards` ({one_line(error)})",
        ) from None


def build(folder: Path) -> int:
    """Write all pages, print a line for each failure, and return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in folder.glob("*.html"):
        page.unlink()  # a page that can't be built must not look new
    write_results(folder / RESULTS_FILE, settings.home(), settings.dbt_artifacts())
    boards = [str(FOLDER.relative_to(ROOT) / f"{name}.yml") for name in names()]
    process = subprocess.run(
        [
            *("dct", "--no-workspace-guard", "render", *boards),
            *("--format", "html", "--output", str(folder / "{stem}.html")),
            *("--no-cache", "--diagnostics-json"),
        ],
        cwd=settings.PROJECT / ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    for line in failure_lines(process.stderr.splitlines()):
        print(line, file=sys.stderr)
    for page in sorted(folder.glob("*.html")):
        page.write_text(finished(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(page)
    return 1 if process.returncode else 0


def finished(page: str) -> str:
    """Return a page with its language, for screen readers, and with a size for phones."""
    page = page.replace("<html>", '<html lang="en">', 1)
    return page.replace("</head>", f"{PHONE}\n</head>", 1)


def serve(options: list[str]) -> NoReturn:
    """Become the server of the dashboards, which ends with Ctrl-C."""
    results = settings.dbt_artifacts() / PAGES / RESULTS_FILE
    write_results(results, settings.home(), settings.dbt_artifacts())
    os.chdir(settings.PROJECT / ROOT)
    command = ["dct", "serve", "--host", "127.0.0.1", "--no-cache", *options]
    os.execvpe(command[0], command, environment())


def write_results(file: Path, home: Path, target_dir: Path) -> None:
    """Write what the last run, build and export on this machine did, as tables that dct reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    tables = {
        "tables": table_rows(read_json(home / LAST_RUN, [])),
        "nodes": node_rows(read_json(last_build(target_dir) / "run_results.json", {})),
        "exports": export_rows(read_json(target_dir / "export.json", {})),
    }
    with duckdb.connect(file) as results:
        results.execute(RESULTS)
        for name, rows in tables.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                results.execute(f"insert into {name} values ({marks})", row)


def table_rows(results: list[dict[str, Any]]) -> list[Row]:
    """Return a row for each table of the last run."""
    return [
        (
            *(result["source"], result["table"], result["calls"], result["calls_left"]),
            *(result["rejected"], first_reason(result["notes"])),
        )
        for result in results
    ]


def first_reason(notes: list[str]) -> str | None:
    """Return why the first row was rejected, or None if none was."""
    return next((one_line(note) for note in notes if note.startswith("rejected")), None)


def node_rows(run_results: dict[str, Any]) -> list[Row]:
    """Return a row for each model and test of the last build."""
    return [
        (kind, name, result["status"], one_line(result["message"] or ""))
        for result in run_results.get("results", [])
        for kind, _, name, *_ in [result["unique_id"].split(".")]
        if kind != "operation"
    ]


def export_rows(report: dict[str, Any]) -> list[Row]:
    """Return a row for each table that was exported or kept out."""
    counts = ("rows", "inserted", "changed", "deleted")
    exported = [
        (change["table"], *(change[count] for count in counts), None)
        for change in report.get("tables", [])
    ]
    kept_out = [
        (table, *(None for _ in counts), one_line(reason))
        for table, reason in report.get("kept_out", {}).items()
    ]
    return exported + kept_out


def environment() -> dict[str, str]:
    """Return the environment of dct. It joins paths to that of dbt's project, so they are relative
    to it."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DBT_PROJECT_DIR": str(settings.PROJECT),
        "DBT_TARGET_PATH": os.path.relpath(settings.dbt_artifacts(), settings.PROJECT),
        "HELLO_KOREA_HOME": os.path.relpath(settings.home().resolve(), settings.PROJECT),
        "DO_NOT_TRACK": "1",
    }


def failure_lines(diagnostics: Iterable[str]) -> list[str]:
    """Return a line for each error that dct printed."""
    lines = []
    for line in diagnostics:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            if not line.startswith("Rendered "):
                lines.append(line)
            continue
        if event["level"] == "error":
            lines.append(failure_line(event))
    return lines


def failure_line(error: dict[str, Any]) -> str:
    """Return one line of an error: the file and line, the chart or query, what is wrong, and the
    remedy if dct has one."""
    place = error["range"] or {}
    query = error["query"] or ""
    parts = (
        f"{ROOT / place['file']}:{place['start_line']}" if place else ", ".join(files_with(query)),
        error["path"] or (f"queries.{query}" if query else ""),
        error["message"],
    )
    return one_line(": ".join(part for part in parts if part) + f" {error['fix'] or ''}")


def files_with(query: str) -> list[str]:
    """Return the files of dashboards that have a query. dct names none for a query of a text."""
    boards = [FOLDER / f"{name}.yml" for name in names()]
    return [
        str(board)
        for board in boards
        if query and f"\n  {query}:" in (settings.PROJECT / board).read_text(encoding="utf-8")
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
