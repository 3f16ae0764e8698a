"""The export: write the marts whose newest proof is good to the website's database.

It runs in one transaction and under one lock: tables are filled and upserted parents first, then
rows that left the marts are deleted children first. Readers see the rows before or after it. New
columns are added before, empty, in a short transaction.
"""

import gc
import io
import json
import os
from argparse import Namespace
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
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
from loaders.export import exported, mart_proofs, rds, refusals, tables
from loaders.export.mart_proofs import Kept, kept_folder
from loaders.export.marts import (
    PREFIX,
    ExportError,
    HeldBackError,
    Json,
    Mart,
    is_mart,
    keep_out,
    read_json,
    read_manifest,
    read_run_results,
)
from loaders.export.rds import TableReport
from loaders.export.roles import READER
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
    """The tables in `kept_out` that were refused, such as those that would have lost too many
    rows."""
    selected: tuple[str, ...] = ()
    """The tables that the command was to export."""
    without_mart: tuple[str, ...] = ()
    """Tables of earlier exports whose marts are gone. Nothing writes them any more."""
    error: str | None = None

    @property
    def failure(self) -> str | None:
        """One line with the tables that were held back, or selected and kept out. If there are any,
        the command fails although the others were exported."""
        missing = self.held_back | {
            table: reason for table, reason in self.kept_out.items() if table in self.selected
        }
        reasons = "; ".join(
            f"{', '.join(table for table in missing if missing[table] == reason)}: {reason}"
            for reason in dict.fromkeys(missing.values())
        )
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
            *(
                f"  left out: indexes of {', '.join(self._tables_without(extension))}, because the "
                f"database has no extension {extension}; its owner may create it"
                for extension in sorted(
                    {name for t in self.tables for name in t.missing_extensions}
                )
            ),
            *(
                f"  no longer a mart: {table}, which keeps its rows; once the website does not "
                f"read it: drop table {table}"
                for table in self.without_mart
            ),
        ]

    def _tables_without(self, extension: str) -> list[str]:
        return [table.table for table in self.tables if extension in table.missing_extensions]

    def _kept_out_for(self, reason: str) -> list[str]:
        return [table for table, cause in self.kept_out.items() if cause == reason]


def should_export(target_dir: Path) -> bool:
    """Return whether the dbt command in `target_dir` ends with an export.

    It does if it is a build of a target in `rds.targets`, read all rows (`--empty` and `--sample`
    are trials), and was to build any mart.
    """
    run_results = read_json(target_dir / "run_results.json")
    return (
        run_results["args"]["which"] == "build"
        and not _is_trial(run_results)
        and bool(_selected(read_manifest(target_dir), run_results))
        and read_profile(run_results["args"], target_dir).target_name in settings.rds_targets()
    )


def record(target_dir: Path) -> None:
    """Keep what the command whose artifacts are in `target_dir` proved of the marts, without an
    export. Raise ExportError if artifacts are missing or unreadable."""
    args = read_json(target_dir / "run_results.json")["args"]
    mart_proofs.record(target_dir, read_profile(args, target_dir).target_name)


def _is_trial(run_results: Json) -> bool:
    return bool(run_results["args"].get("empty") or run_results["args"].get("sample"))


def _selected(manifest: Json, run_results: Json) -> tuple[str, ...]:
    """Return the tables whose marts were to be built."""
    names = [result["unique_id"] for result in run_results["results"]]
    nodes = [manifest["nodes"][name] for name in names if name in manifest["nodes"]]
    return tuple(node["name"].removeprefix(PREFIX) for node in nodes if is_mart(node))


def export(target_dir: Path) -> Report:
    """Export after the `dbt build` in `target_dir`: every mart whose newest proof is good.

    The warehouse is taken from dbt's profile. Raise ExportError or SettingError with a one-line
    message; no row of the website's database is then changed.
    """
    run_results = read_run_results(target_dir)
    if _is_trial(run_results):
        raise ExportError(
            "the last `dbt build` read only a part of the rows (--empty or --sample), which is "
            "never exported: run `dbt build` first"
        )
    profile = read_profile(run_results["args"], target_dir)
    kept = mart_proofs.record(target_dir, profile.target_name)
    selected = _selected(read_manifest(target_dir), run_results)
    return _export(kept, profile, target_dir, selected)


def export_again(target_dir: Path) -> Report:
    """Export every mart whose newest proof is good, of the target in `rds.targets` that was built
    last. Artifacts in `target_dir` that no plug-in has recorded are recorded first. Like `export`.
    """
    with suppress(ExportError):  # no artifacts
        record(target_dir)
    kept_by_target = {target: mart_proofs.read_kept(target) for target in settings.rds_targets()}
    kept = max(kept_by_target.values(), key=lambda kept: kept.built_at)
    if not kept.built_at:
        raise ExportError(
            f"no `dbt build` of {' or '.join(kept_by_target)} is kept in "
            f"{settings.home() / 'proofs'}: run `dbt build` first"
        )
    return _export(kept, read_profile(kept.args, target_dir), target_dir, None)


def _export(kept: Kept, profile: Any, target_dir: Path, selected: tuple[str, ...] | None) -> Report:
    """Export the proven marts of the profile's target. Without `selected`, all marts are."""
    if profile.target_name not in settings.rds_targets():
        raise settings.SettingError(
            "RDS__TARGETS",
            ",".join(settings.rds_targets()),
            f"expected {profile.target_name} among them, to export it",
        )
    report = Report(
        run_id=kept.run_id,
        target=profile.target_name,
        started_at=_now(),
    )
    started = perf_counter()
    try:
        manifest = read_manifest(kept_folder(profile.target_name))
        selection = mart_proofs.select(manifest, kept.proofs)
        report = replace(report, kept_out=selection.kept_out)
        report = _export_or_hold_back(report, selection.marts, profile.credentials)
    except (ExportError, settings.SettingError) as error:
        _write(target_dir, replace(report, error=str(error)))
        raise
    every_table = (*(mart.table for mart in selection.marts), *selection.kept_out)
    report = replace(
        report,
        duration_seconds=round(perf_counter() - started, 3),
        selected=every_table if selected is None else selected,
    )
    _write(target_dir, report)
    return report


def _write(target_dir: Path, report: Report) -> None:
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    target_dir.mkdir(parents=True, exist_ok=True)
    (target_dir / "export.json").write_text(text + "\n", encoding="utf-8")
    rows = {table.table: table.rows for table in report.tables}
    exported.record(report.target, rows, report.kept_out, report.error)


def _export_or_hold_back(report: Report, marts: tuple[Mart, ...], credentials: Any) -> Report:
    """Export the marts, again without each table that is held back. Return the report with its
    tables."""
    held_back: dict[str, str] = {}
    while True:
        selection = keep_out(marts, held_back)
        report = replace(report, kept_out=report.kept_out | selection.kept_out)
        try:
            if selection.marts:
                report = export_all(report, selection.marts, credentials)
        except HeldBackError as error:
            held_back[error.table] = error.reason
        else:
            return replace(report, held_back=held_back)
        # The error's frames may hold a reader, without whose end DuckDB can't open the file again.
        gc.collect()


def export_all(report: Report, marts: tuple[Mart, ...], credentials: Any) -> Report:
    """Export all marts and log their reports, or raise ExportError and change no row. Return the
    report with them."""
    url = rds.database_url(report.target)
    try:
        with (
            open_warehouse(credentials) as source,
            closing(rds.connect(url)) as connection,
            connection.cursor() as cursor,
        ):
            rds.lock(cursor)
            _match_columns(url, marts)
            rds.prepare(cursor)
            reports = export_marts(cursor, marts, source)
            for table_report in reports:
                rds.log(cursor, report.run_id, table_report)
            known = [*(mart.table for mart in marts), *report.kept_out]
            without_mart = rds.tables_without_mart(cursor, known)
            rds.commit(connection)
            return replace(report, tables=reports, without_mart=without_mart)
    except psycopg2.Error as error:
        raise ExportError(f"nothing was exported: {_failure(error, url, marts)}") from error


def _match_columns(url: str, marts: tuple[Mart, ...]) -> None:
    """Add new columns in a transaction of their own, so that readers don't wait for the rows."""
    with closing(rds.connect(url)) as connection, connection.cursor() as cursor:
        rds.set_timeouts(cursor)
        for mart in marts:
            tables.match_columns(cursor, mart)
        rds.commit(connection)


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
            f"unless {READER} exists"
        )
    return message


def export_marts(
    cursor: Cursor, marts: tuple[Mart, ...], source: Warehouse
) -> tuple[TableReport, ...]:
    """Write all marts, parents first, in the transaction of `cursor`."""
    names = {mart.table for mart in marts}
    filled = {mart.table for mart in marts if not tables.has_rows(cursor, mart)}
    reports = {
        mart.table: _load_or_hold_back(
            cursor, mart, source, mart.table in filled, mart.parents - names
        )
        for mart in marts
    }
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


def _load_or_hold_back(
    cursor: Cursor, mart: Mart, source: Warehouse, is_empty: bool, absent: set[str]
) -> TableReport:
    """Load a mart. Raise HeldBackError if PostgreSQL refuses a row."""
    try:
        return _load(cursor, mart, source, is_empty, absent)
    except refusals.REFUSED as error:
        raise HeldBackError(mart.table, refusals.describe(error, mart, source)) from error


def _load(
    cursor: Cursor, mart: Mart, source: Warehouse, is_empty: bool, absent: set[str]
) -> TableReport:
    """Fill the mart's table if it is empty, else insert and update its rows.

    `absent` are its parents that are no part of this export.
    """
    started_at, started = _now(), perf_counter()
    rows = source.count(mart.relation)
    with closing(csv_chunks(mart, source)) as chunks:
        copied = (tables.fill if is_empty else tables.stage)(cursor, mart, chunks)
    if copied != rows:
        raise ExportError(f"{mart.table}: {rows:,} rows in the warehouse, {copied:,} arrived")
    for key in mart.foreign_keys:
        if key.parent in absent:
            tables.check_parent(cursor, mart, key, is_empty)
    if not is_empty:
        tables.check_values(cursor, mart)
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
        missing_extensions=tables.missing_extensions(cursor, mart),
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
            reason = f"column {name} is {data_type}: cast it to varchar"
            raise HeldBackError(mart.table, reason)
    buffer = io.BytesIO()
    csv.write_csv(batch, buffer, CSV)
    chunk = buffer.getvalue()
    if b"\0" in chunk:
        raise HeldBackError(mart.table, _nul_message(mart, batch))
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
                    f"column {name} at {key}: a NUL character, which PostgreSQL can't store; "
                    f"remove it in {PREFIX}{mart.table}"
                )
    return "it has a NUL character, which PostgreSQL can't store"


def read_profile(args: Json, target_dir: Path) -> Any:
    """Return dbt's profile of a build with the arguments `args`: its target's name and
    credentials. Raise ExportError."""
    from dbt.config.runtime import load_profile
    from dbt.flags import get_flags, set_flags
    from dbt_common.context import set_invocation_context
    from dbt_common.exceptions import DbtBaseException

    project_dir = args.get("project_dir") or str(target_dir.parent)
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
