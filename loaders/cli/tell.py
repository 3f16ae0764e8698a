"""Which problems of a run or a build somebody is told of: see `loaders.notify`.

`python -m loaders.cli.tell UNIT` is for systemd's `OnFailure=`. A scheduler tells of what ended
without a command's doing with `… tell failed|late ABOUT REASON REMEDY`, and of its end with
`… tell over ABOUT`.
"""

import json
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from loaders import notify, settings
from loaders.cli import exit_codes, status
from loaders.notify import Problem
from loaders.pipeline.results import TableResult
from loaders.settings import SettingError

OF_ITS_PARENT = ("its parent ", "it was skipped: ")
"""Beginnings of the reason why a mart was kept out, if the cause is that of another one."""
TEST_FAILED = ("fail", "error", "runtime error")


def tell_of_run(
    pipeline: str | None,
    code: int,
    message: str,
    results: list[TableResult],
    export: dict[str, Any],
    phases: Collection[str] = (),
) -> list[str]:
    """Tell of a run that has ended, and of tables that are late. Return lines to print.

    `phases`: those that it was limited to.
    """
    if not _is_wanted() or code in (exit_codes.RUNNING, exit_codes.INTERRUPTED):
        return []
    command = f"dlt pipeline {pipeline} run" if pipeline else "dlt pipeline run"
    problems = [problem for result in results for problem in _failures(result)]
    covered = {f"{result.source}.{result.table}" for result in results}
    if pipeline == "rds":
        problems += _of_export(export)
        covered |= {"rds.export", *(f"rds.{table['table']}" for table in export.get("tables", []))}
    if code and not problems:  # of no table, such as a wrong setting
        problems.append(Problem("failed", command, message, f"{command}, after docs/operations.md"))
    try:
        late = [each for each in status.read_status(pipeline).tables if each.is_late]
        problems += [_late(each) for each in late]
    except (SettingError, OSError):  # is a problem of the run already
        pass

    def is_covered(about: str) -> bool:
        is_command = about == command or (not pipeline and about.startswith("dlt pipeline "))
        return about in covered or is_command

    return notify.tell(problems, is_covered, notify.log_place("the run's output"), phases)


def tell_of_build(target_dir: Path, is_plain: bool, error: str) -> list[str]:
    """Tell of a `dbt build` that has ended, and of its export. Return lines to print.

    `is_plain`: whether it built everything, so that what it does not report is over. `error`: why
    it ended without results.
    """
    if not _is_wanted():
        return []
    run_results = {} if error else _read(target_dir / "run_results.json")
    report = _read(target_dir / "export.json")
    nodes = {_name(result): result for result in run_results.get("results", [])}
    problems = [problem for name, node in nodes.items() if (problem := _of_node(name, node))]
    is_of_build = report.get("run_id") == run_results.get("metadata", {}).get("invocation_id")
    if run_results and is_of_build:
        problems += _of_export(report)
    if error:
        problems.append(Problem("failed", "dbt build", error, "dbt build"))
    covered = {*nodes} if error else {*nodes, "dbt build"}
    if is_of_build:
        covered |= {"rds.export", *(f"rds.{table['table']}" for table in report.get("tables", []))}

    def is_covered(about: str) -> bool:
        is_of_build = about.startswith(("dbt", "rds."))
        return about in covered or (is_plain and not error and is_of_build)

    return notify.tell(problems, is_covered, notify.log_place("logs/dbt.log"))


def _is_wanted() -> bool:
    """Return whether somebody is to be told. A wrong URL has ended the command already."""
    try:
        return bool(notify.urls())
    except SettingError:
        return False


def _failures(result: TableResult) -> list[Problem]:
    about, remedy = f"{result.source}.{result.table}", f"dlt pipeline {result.source} run"
    failed = [step for step in result.steps if step.status == "failed"]
    day = next((step.logical_date for step in failed if step.logical_date), None)
    phase = next((step.phase for step in failed), "")
    return [Problem("failed", about, error, remedy, day, phase) for error in result.errors]


def _late(table: status.TableStatus) -> Problem:
    reason = table.reason or "no complete date"
    return Problem("late", table.name, reason, table.remedy or "", table.newest_date)


def _of_export(report: dict[str, Any]) -> list[Problem]:
    """Return the problems of an export. Children of a mart that was kept out have its cause."""
    if report.get("error"):
        return [Problem("failed", "rds.export", report["error"], "dlt pipeline rds run")]
    return [
        Problem("held back", f"rds.{table}", reason, "dlt pipeline status says more; dbt build")
        for table, reason in report.get("kept_out", {}).items()
        if not reason.startswith(OF_ITS_PARENT)
    ]


def _of_node(name: str, node: dict[str, Any]) -> Problem | None:
    remedy = f"dbt show --select {name.removeprefix('dbt.')}"
    if node["status"] == "warn":
        return Problem("warning", name, f"{node['failures']} rows of {name}", remedy)
    if node["status"] in TEST_FAILED:
        return Problem("failed", name, f"in {name}: {node['message']}", remedy)
    return None


def _name(result: dict[str, Any]) -> str:
    """Return `dbt.` and the name of a node: tests have a hash at the end of their id."""
    kind, _, *names = result["unique_id"].split(".")
    return f"dbt.{names[0] if kind != 'unit_test' else names[-1]}"


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
    return content


def main(arguments: list[str]) -> int:
    """Tell of a unit of systemd, or of what a scheduler says. Return the exit code."""
    match arguments:
        case [unit]:
            return _tell_of_unit(unit)
        case ["failed" | "late" as kind, about, reason, remedy]:
            problem = Problem(kind, about, reason, remedy)
            is_known = kind == "late" and notify.has_failed(about)
            return 0 if is_known else _tell([problem], lambda other: False, about)
        case ["over", about]:
            return _tell([], about.__eq__, about)
    print(
        f"{' '.join(arguments)!r}: expected a unit, failed or late with what it is about, the"
        " reason and the remedy, or over with what it was about",
        file=sys.stderr,
    )
    return exit_codes.BAD_SETTING


def _tell_of_unit(unit: str) -> int:
    """Tell of a systemd unit that was ended. Its commands tell of what they end with themselves."""
    result = os.environ.get("MONITOR_SERVICE_RESULT", "failure")
    if result == "exit-code":
        return 0
    problem = Problem("failed", unit, f"{unit} was ended ({result})", f"systemctl start {unit}")
    return _tell([problem], lambda about: False, f"journalctl -u {unit}")


def _tell(problems: list[Problem], is_covered: Callable[[str], bool], log: str) -> int:
    try:
        for line in notify.tell(problems, is_covered, log):
            print(line, file=sys.stderr)
    except settings.SettingError as error:
        print(error, file=sys.stderr)
        return exit_codes.BAD_SETTING
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
