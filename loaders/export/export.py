"""The export: write the marts that the last `dbt build` proved to the website's database.

It runs in one transaction and under one lock: tables are filled and upserted parents first, then
rows that left the marts are deleted children first. Readers see the state before or after it.
"""

import io
import json
import os
from argparse import Namespace
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.errors import (
    DeadlockDetected,
    InsufficientPrivilege,
    LockNotAvailable,
    QueryCanceled,
)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from pyarrow import csv

from loaders import settings
from loaders.errors import one_line
from loaders.export import rds, tables
from loaders.export.marts import (
    PROVED,
    ExportError,
    HeldBackError,
    Json,
    Mart,
    keep_out,
    last_build,
    read_manifest,
    read_run_results,
    select_marts,
)
from loaders.export.rds import TableReport
from loaders.export.warehouse import Warehouse, open_warehouse

CSV = csv.WriteOptions(include_header=False, quoting_style="needed")
"""Quotes every text and no null, so that COPY can distinguish an empty text from a null."""


@dataclass(frozen=True)
class Report:
    """What an export did. It is also written to `target/export.json`."""

    run_id: str
    """The invocation id of the dbt build."""
    target: str
    started_at: str
    """ISO 8601, in KST."""
    duration_seconds: float = 0.0
    tables: tuple[TableReport, ...] = ()
    """Parents before children."""
    kept_out: dict[str, str] = field(default_factory=dict)
    """Table to the reason why it was not exported."""
    held_back: dict[str, str] = field(default_factory=dict)
    """The tables in `kept_out` that would have lost too many rows. If there are any, the command
    fails although the others were exported."""
    error: str | None = None

    @property
    def failure(self) -> str | None:
        """One line with the tables that were held back, though the others were exported."""
        reasons = "; ".join(f"{table}: {reason}" for table, reason in self.held_back.items())
        return f"not exported: {reasons}" if reasons else None

    def lines(self) -> list[str]:
        """Return the report for a person: a line per table, then a line per reason."""
        return [
            f"Exported {len(self.tables)} tables in {self.duration_seconds:.2f} s",
            *(f"  {table}" for table in self.tables),
            *(
                f"  kept out: {', '.join(self._kept_out_for(reason))}, because {reason}"
                for reason in dict.fromkeys(self.kept_out.values())
            ),
        ]

    def _kept_out_for(self, reason: str) -> list[str]:
        return [table for table, cause in self.kept_out.items() if cause == reason]


def is_export_target(target_dir: Path) -> bool:
    """Return whether the build in `target_dir` is of a target in `rds.targets`."""
    args = read_run_results(target_dir)["args"]
    return read_profile(args, target_dir).target_name in _export_targets()


def should_export(target_dir: Path) -> bool:
    """Return whether the build in `target_dir` ends with an export.

    It does if its target is in `rds.targets` and it read all rows: `--empty` and `--sample` are
    trials.
    """
    args = read_run_results(target_dir)["args"]
    return is_export_target(target_dir) and not (args.get("empty") or args.get("sample"))


def proved_artifacts(target_dir: Path) -> Path:
    """Return the folder with the artifacts of the last build of a target in `rds.targets`.

    That is dbt's own, or the folder of copies in it if a build of another target, or another
    command, came later.
    """
    last, copies = last_build(target_dir), target_dir / PROVED
    return copies if copies.is_dir() and not is_export_target(last) else last


def export(target_dir: Path) -> Report:
    """Export the marts that the `dbt build` in `target_dir` proved.

    The marts are taken from its `manifest.json` and `run_results.json`, the warehouse from dbt's
    profile. Raise ExportError or SettingError with a one-line message; the website's database is
    then unchanged.
    """
    run_results = read_run_results(target_dir)
    profile = read_profile(run_results["args"], target_dir)
    if profile.target_name not in _export_targets():
        raise settings.SettingError(
            "RDS__TARGETS",
            ",".join(_export_targets()),
            f"expected {profile.target_name} among them, to export it",
        )
    report = Report(
        run_id=run_results["metadata"]["invocation_id"],
        target=profile.target_name,
        started_at=_now(),
    )
    started = perf_counter()
    try:
        selection = select_marts(read_manifest(target_dir), run_results)
        report = _export_or_hold_back(report, selection.marts, profile.credentials)
    except (ExportError, settings.SettingError) as error:
        _write(target_dir, replace(report, error=str(error)))
        raise
    report = replace(
        report,
        duration_seconds=round(perf_counter() - started, 3),
        kept_out=selection.kept_out | report.kept_out,
    )
    _write(target_dir, report)
    return report


def _export_targets() -> list[str]:
    targets = settings.read("rds.targets", "local,redshift", str, "expected names of dbt targets")
    return [target.strip() for target in targets.split(",")]


def _write(target_dir: Path, report: Report) -> None:
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    (_dbt_target(target_dir) / "export.json").write_text(text + "\n", encoding="utf-8")


def _dbt_target(target_dir: Path) -> Path:
    """Return dbt's own folder, also for the folder of copies in it."""
    return target_dir.parent if target_dir.name == PROVED else target_dir


def _export_or_hold_back(report: Report, marts: tuple[Mart, ...], credentials: Any) -> Report:
    """Export the marts, again without each table that would lose too many rows. Return the report
    with its tables."""
    held_back: dict[str, str] = {}
    while True:
        selection = keep_out(marts, held_back)
        try:
            reports = export_all(report, selection.marts, credentials) if selection.marts else ()
        except HeldBackError as error:
            held_back[error.table] = error.reason
        else:
            return replace(report, tables=reports, kept_out=selection.kept_out, held_back=held_back)


def export_all(
    report: Report, marts: tuple[Mart, ...], credentials: Any
) -> tuple[TableReport, ...]:
    """Export all marts and log their reports, or raise ExportError and change nothing."""
    url = rds.database_url(report.target)
    try:
        with (
            open_warehouse(credentials) as source,
            closing(rds.connect(url)) as connection,
            connection.cursor() as cursor,
        ):
            rds.lock(cursor)
            rds.prepare(cursor)
            reports = export_marts(cursor, marts, source)
            for table_report in reports:
                rds.log(cursor, report.run_id, table_report)
            rds.commit(connection)
            return reports
    except psycopg2.Error as error:
        raise ExportError(f"nothing was exported: {_failure(error, url, marts)}") from error


def _failure(error: psycopg2.Error, url: str, marts: tuple[Mart, ...]) -> str:
    """Return why the database ended the transaction, and the remedy."""
    if isinstance(error, LockNotAvailable):
        holders = rds.lock_holders(url, [mart.table for mart in marts])
        return (
            f"the database stayed locked by {holders} for longer than RDS__LOCK_TIMEOUT; wait for "
            "it, then run `dlt pipeline rds run`"
        )
    if isinstance(error, DeadlockDetected):
        return (
            "the export and another program each waited for a lock that the other held (a "
            "deadlock); run `dlt pipeline rds run`"
        )
    message = database_message(error)
    if isinstance(error, QueryCanceled):
        return f"{message}; if a statement may take longer than RDS__STATEMENT_TIMEOUT, raise it"
    if isinstance(error, InsufficientPrivilege):
        return (
            f"{message}; the user of RDS__URL must own the tables, and be allowed to create roles "
            f"unless {rds.READER} exists"
        )
    return message


def export_marts(
    cursor: Cursor, marts: tuple[Mart, ...], source: Warehouse
) -> tuple[TableReport, ...]:
    """Write all marts, parents first, in the transaction of `cursor`."""
    filled = {mart.table for mart in marts if not tables.has_rows(cursor, mart)}
    reports = {mart.table: _load(cursor, mart, source, mart.table in filled) for mart in marts}
    staged = {mart.table: mart for mart in marts if mart.table not in filled}
    for mart in reversed(staged.values()):
        started = perf_counter()
        loaded = reports[mart.table]
        deleted = tables.delete(cursor, mart, staged, filled, loaded.inserted)
        reports[mart.table] = replace(
            loaded,
            deleted=deleted,
            kept=_count_kept(cursor, mart, loaded.rows),
            duration_seconds=round(loaded.duration_seconds + perf_counter() - started, 3),
        )
    return tuple(reports.values())


def _load(cursor: Cursor, mart: Mart, source: Warehouse, is_empty: bool) -> TableReport:
    """Fill the mart's table if it is empty, else insert and update its rows."""
    started_at, started = _now(), perf_counter()
    rows = source.count(mart.relation)
    with closing(csv_chunks(mart, source)) as chunks:
        copied = (tables.fill if is_empty else tables.stage)(cursor, mart, chunks)
    if copied != rows:
        raise ExportError(f"{mart.table}: {rows:,} rows in the warehouse, {copied:,} arrived")
    inserted, changed = (copied, 0) if is_empty else tables.upsert(cursor, mart)
    tables.apply_contract(cursor, mart)
    return TableReport(
        table=mart.table,
        rows=rows,
        inserted=inserted,
        changed=changed,
        unchanged=rows - inserted - changed,
        started_at=started_at,
        duration_seconds=round(perf_counter() - started, 3),
    )


def _count_kept(cursor: Cursor, mart: Mart, rows: int) -> int:
    """Return the number of rows in the table beyond the `rows` of the mart.

    Raise ExportError if they are not all rows that left the mart.
    """
    kept = tables.count(cursor, mart) - rows
    if kept and kept != tables.count_stale(cursor, mart):
        raise ExportError(
            f"{mart.table}: {rows:,} rows in the warehouse, {rows + kept:,} would be in the table"
        )
    return kept


def csv_chunks(mart: Mart, source: Warehouse) -> Generator[bytes, None, None]:
    """Yield the mart's rows in the CSV that COPY reads.

    Each batch is encoded while the previous one is sent. Only two are in memory at a time.
    """
    batches = source.rows(mart.relation, mart.column_names)
    chunks = (_to_csv(mart, batch) for batch in batches)
    with ThreadPoolExecutor(1, "csv") as thread:
        ahead = thread.submit(next, chunks, None)
        while (chunk := ahead.result()) is not None:
            ahead = thread.submit(next, chunks, None)
            yield chunk


def _to_csv(mart: Mart, batch: pa.RecordBatch) -> bytes:
    for name, data_type in zip(batch.schema.names, batch.schema.types, strict=True):
        if pa.types.is_nested(data_type) or pa.types.is_binary(data_type):
            raise ExportError(f"{mart.table}: column {name} is {data_type}: cast it to varchar")
    buffer = io.BytesIO()
    csv.write_csv(batch, buffer, CSV)
    chunk = buffer.getvalue()
    if b"\0" in chunk:
        raise ExportError(_nul_message(mart, batch))
    return chunk


def _nul_message(mart: Mart, batch: pa.RecordBatch) -> str:
    """Return a message with the column and the key of the first NUL character."""
    for name in mart.column_names:
        column = batch.column(name)
        if pa.types.is_string(column.type):
            matches = batch.filter(pc.match_substring(column, "\0"))
            if matches.num_rows:
                (row,) = matches.slice(0, 1).select(list(mart.primary_key)).to_pylist()
                key = ", ".join(f"{part} {str(row[part])!r}" for part in mart.primary_key)
                return (
                    f"{mart.table}: column {name} has a NUL character, which PostgreSQL can't "
                    f"store, at {key}: remove it in the warehouse"
                )
    return f"{mart.table} has a NUL character, which PostgreSQL can't store"


def read_profile(args: Json, target_dir: Path) -> Any:
    """Return dbt's profile of a build with the arguments `args`: its target's name and
    credentials. Raise ExportError."""
    from dbt.config.runtime import load_profile
    from dbt.flags import get_flags, set_flags
    from dbt_common.context import set_invocation_context
    from dbt_common.exceptions import DbtBaseException

    project_dir = args.get("project_dir") or str(_dbt_target(target_dir).parent)
    profiles_dir = args.get("profiles_dir") or os.environ.get("DBT_PROFILES_DIR") or project_dir
    flags = get_flags()  # type: ignore[no-untyped-call]
    set_invocation_context(os.environ)  # from which the profile's env_var() reads
    try:
        set_flags(Namespace(PROFILES_DIR=profiles_dir, LOG_CACHE_EVENTS=False))  # type: ignore[no-untyped-call]
        return load_profile(
            project_dir, args.get("vars") or {}, args.get("profile"), args.get("target")
        )
    except DbtBaseException as error:
        raise ExportError(f"dbt's profile can't be read: {one_line(error)}") from error
    finally:
        set_flags(flags)  # type: ignore[no-untyped-call]


def _now() -> str:
    return datetime.now(settings.KST).isoformat(timespec="milliseconds")


def database_message(error: psycopg2.Error) -> str:
    """Return PostgreSQL's message with its detail and the place of the error, in one line."""
    diagnosis = error.diag
    if not diagnosis.message_primary:
        return one_line(error)
    place = (diagnosis.context or "").split("\n")[0]
    parts = [diagnosis.message_primary, diagnosis.message_detail, place]
    return one_line("; ".join(part for part in parts if part))
