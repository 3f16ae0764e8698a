"""Print what the last run, build and export did, and where to look:
`python -m loaders.cli.summary`.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from loaders import settings
from loaders.cli import dashboards
from loaders.cli.display import console, print_plain, remarks, results_table
from loaders.cli.enabled import read_enabled
from loaders.errors import one_line
from loaders.export import embedded_postgres
from loaders.export.mart_proofs import last_build
from loaders.export.marts import ExportError
from loaders.files import read_json
from loaders.pipeline.context import needs_sample
from loaders.pipeline.results import LAST_RUN, TableResult


def main() -> None:
    output = console()
    home, artifacts = settings.home(), settings.dbt_artifacts()
    results = [TableResult(**result) for result in read_json(home / LAST_RUN, [])]
    if results:
        output.rule("pipelines")
        output.print(results_table(results))
        print_plain(output, remarks(results))
    output.rule("dbt build")
    for line in build_lines(read_json(last_build(artifacts) / "run_results.json", {})):
        output.print(line, highlight=False)
    output.rule("export")
    print_plain(output, export_lines(read_json(artifacts / "export.json", {})))
    output.rule("where to look")
    print_plain(output, places(home, artifacts))


def build_lines(run_results: dict[str, Any]) -> list[str]:
    """Return the number of nodes by kind and status, then a line for each failure and warning."""
    results = run_results.get("results", [])
    kinds = {
        "seed": "seeds",
        "model": "models",
        "snapshot": "snapshots",
        "test": "tests",
        "unit_test": "unit tests",
    }
    statuses: dict[str, Counter[str]] = {}
    for result in results:
        kind = kinds.get(result["unique_id"].split(".")[0])
        if kind:
            statuses.setdefault(kind, Counter())[result["status"]] += 1
    counts = [
        f"{kind}: " + ", ".join(f"{count} {status}" for status, count in sorted(counter.items()))
        for kind, counter in statuses.items()
    ]
    problems = [
        f"{result['status']}: {result['unique_id']}: {one_line(str(result['message']))}"
        for result in results
        if result["status"] in ("error", "fail", "warn", "runtime error")
    ]
    return counts + problems or ["there is no build yet"]


def export_lines(report: dict[str, Any]) -> list[str]:
    """Return a line for each exported table and for each table that was kept out."""
    lines = [
        f"{change['table']}: {change['rows']:,} rows, {change['inserted']:,} inserted,"
        f" {change['changed']:,} changed, {change['deleted']:,} deleted"
        for change in report.get("tables", [])
    ]
    lines += [
        f"{table} was kept out: {reason}" for table, reason in report.get("kept_out", {}).items()
    ]
    if report.get("error"):
        lines.append(f"FAILED: {report['error']}")
    return lines or ["nothing was exported"]


def _reader_url() -> list[str]:
    """Return the website's own URL of the embedded database, or nothing if that does not start."""
    if settings.rds_url():  # then none is started
        return []
    try:
        return [f"{embedded_postgres.reader_url()} (read-only)"]
    except ExportError:
        return []


def places(home: Path, artifacts: Path) -> list[str]:
    """Return the lines that say where the data is and what to type next."""
    embedded = ["python -m loaders.export.embedded_postgres psql", *_reader_url()]
    first, *more = ["RDS__URL"] if settings.rds_url() else embedded
    sampled = [source.name for source in read_enabled().sources if needs_sample(source)]
    return [
        *([f"MADE-UP DATA         of {', '.join(sampled)}: no key is set"] if sampled else []),
        "first               . .venv/bin/activate",
        f"website's database  {first}",
        *(f"                    {line}" for line in more),
        "warehouse           python -m loaders.cli.sql (staging_*, star, frequent, serving)",
        f"                    {home / 'warehouse.duckdb'}, for a client of DuckDB 2",
        f"lake                {settings.lake_url()}",
        f"docs site           {artifacts / 'docs' / 'static_index.html'}",
        *column_lines(artifacts / "docs" / "columns" / "index.html"),
        *dashboard_lines(artifacts),
        "to type next        dlt pipeline run --plan",
        "                    dbt show --select events_by_district_and_month --limit 20",
        "real data           a key in .dlt/secrets.toml, another HELLO_KOREA_HOME, then make run",
    ]


def column_lines(page: Path) -> list[str]:
    """Return a line for the page of the columns' lineage, if it is built."""
    return [f"lineage of columns  {page}"] if page.is_file() else []


def dashboard_lines(artifacts: Path) -> list[str]:
    """Return a line for the page of each dashboard that is built, or that none is."""
    built = [str(page) for page in dashboards.pages(artifacts) if page.is_file()]
    if not built:
        return ["dashboards          none yet: make dashboards"]
    return [f"{'' if number else 'dashboards':20}{page}" for number, page in enumerate(built)]


if __name__ == "__main__":
    main()
