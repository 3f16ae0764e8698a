"""`python -m loaders.summary`: what the last run, build and export did, and where to look now."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from loaders import settings
from loaders.commands import LAST_RUN
from loaders.display import console, outcomes_table, remarks
from loaders.marts import last_build
from loaders.run import Outcome
from loaders.sources import SOURCES
from loaders.work import needs_sample


def main() -> None:
    output = console()
    home, artifacts = settings.home(), settings.dbt_artifacts()
    outcomes = [Outcome(**it) for it in _read(home / LAST_RUN, [])]
    if outcomes:
        output.rule("pipelines")
        output.print(outcomes_table(outcomes))
        for line in remarks(outcomes):
            output.print(line, highlight=False, markup=False, soft_wrap=True)
    output.rule("dbt build")
    for line in build_lines(_read(last_build(artifacts) / "run_results.json", {})):
        output.print(line, highlight=False)
    output.rule("export")
    for line in export_lines(_read(artifacts / "export.json", {})):
        output.print(line, highlight=False, markup=False, soft_wrap=True)
    output.rule("where to look")
    for line in places(home, artifacts):
        output.print(line, highlight=False, markup=False, soft_wrap=True)


def _read(file: Path, default: Any) -> Any:
    return json.loads(file.read_bytes()) if file.is_file() else default


def build_lines(run_results: dict[str, Any]) -> list[str]:
    """How many nodes of each kind came to each end, then each that did not do well."""
    results = run_results.get("results", [])
    kinds = {
        "seed": "seeds",
        "model": "models",
        "snapshot": "snapshots",
        "test": "tests",
        "unit_test": "unit tests",
    }
    ends: dict[str, Counter[str]] = {}
    for result in results:
        kind = kinds.get(result["unique_id"].split(".")[0])
        if kind:
            ends.setdefault(kind, Counter())[result["status"]] += 1
    counted = [
        f"{kind}: " + ", ".join(f"{count} {status}" for status, count in sorted(of.items()))
        for kind, of in ends.items()
    ]
    bad = [
        f"{result['status']}: {result['unique_id']}: {' '.join(str(result['message']).split())}"
        for result in results
        if result["status"] in ("error", "fail", "warn", "runtime error")
    ]
    return counted + bad or ["there was none"]


def export_lines(report: dict[str, Any]) -> list[str]:
    lines = [
        f"{it['table']}: {it['rows']:,} rows, {it['inserted']:,} inserted,"
        f" {it['changed']:,} changed, {it['deleted']:,} deleted"
        for it in report.get("tables", [])
    ]
    lines += [f"{table} stayed out: {why}" for table, why in report.get("kept_out", {}).items()]
    if report.get("error"):
        lines.append(f"FAILED: {report['error']}")
    return lines or ["nothing was exported"]


def places(home: Path, artifacts: Path) -> list[str]:
    database = "RDS__URL" if settings.rds_url() else "python -m loaders.embedded_postgres psql"
    made_up = [source.name for source in SOURCES.values() if needs_sample(source)]
    return [
        *([f"MADE-UP DATA         of {', '.join(made_up)}: no key is set"] if made_up else []),
        "first               . .venv/bin/activate",
        f"website's database  {database}",
        f"warehouse           {home / 'warehouse.duckdb'} (staging_*, star, frequent, serving)",
        f"lake                {settings.lake_url()}",
        f"docs site           {artifacts / 'docs' / 'static_index.html'}",
        "to type next        dlt pipeline run --plan",
        "                    dbt show --select events_by_district_and_month --limit 20",
        "real data           a key in .dlt/secrets.toml, another HELLO_KOREA_HOME, then make run",
    ]


if __name__ == "__main__":
    main()
