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

import duckdb

from loaders import settings
from loaders.errors import one_line

FOLDER = Path("analyses", "dashboards")
PAGES = "dashboards"
"""Folder of the pages in dbt's target folder."""


def main(arguments: list[str]) -> int:
    """Return the exit code: 1 if a dashboard could not be built, 2 if none could."""
    try:
        check_warehouse(settings.home() / "warehouse.duckdb", settings.dbt_artifacts())
    except settings.SettingError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments[:1] == ["--serve"]:
        return serve(arguments[1:])
    return build(settings.dbt_artifacts() / PAGES)


def names() -> list[str]:
    """Return the names of the dashboards."""
    return sorted(
        file.stem for file in (settings.PROJECT / FOLDER).glob("*.yml") if file.stem != "meta"
    )


def check_warehouse(warehouse: Path, target_dir: Path) -> None:
    """Raise SettingError if there is no build to read, or another process writes the warehouse."""
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


def build(pages: Path) -> int:
    """Write all pages, print a line for each failure, and return the exit code."""
    pages.mkdir(parents=True, exist_ok=True)
    for page in pages.glob("*.html"):
        page.unlink()
    boards = [str(FOLDER / f"{name}.yml") for name in names()]
    process = subprocess.run(
        [
            *("dct", "--no-workspace-guard", "render", *boards),
            *("--format", "html", "--output", str(pages / "{stem}.html")),
            *("--no-cache", "--diagnostics-json"),
        ],
        cwd=settings.PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in failure_lines(process.stderr.splitlines()):
        print(line, file=sys.stderr)
    for page in sorted(pages.glob("*.html")):
        print(page)
    return 1 if process.returncode else 0


def serve(options: list[str]) -> int:
    """Serve the dashboards until Ctrl-C, and return the exit code."""
    command = ["dct", "serve", "--host", "127.0.0.1", "--no-cache", *options]
    try:
        return subprocess.run(command, cwd=settings.PROJECT, env=environment()).returncode
    except KeyboardInterrupt:
        return 130


def environment() -> dict[str, str]:
    """Return the environment of dct. It joins an absolute home to the project's path, so the home
    is relative."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HELLO_KOREA_HOME": os.path.relpath(settings.home().resolve(), settings.PROJECT),
        "DO_NOT_TRACK": "1",
    }


def failure_lines(diagnostics: Iterable[str]) -> list[str]:
    """Return a line for each error among dct's diagnostics, and each line that is none."""
    lines = []
    for line in diagnostics:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            lines.append(line)
            continue
        if event.get("level") == "error":
            lines.append(one_line(json.dumps(event)))
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
