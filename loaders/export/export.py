"""The export: what the last `dbt build` proved goes to the website's database.

One transaction under one lock: tables are filled and upserted parents first, then rows that left
are deleted children first. Readers see the state before or the state after.
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
from loaders.export import rds, warehouse
from loaders.export import tables as tables
from loaders.export.marts import (
    PROVED,
    ExportError,
    HeldBackError,
    Json,
    Mart,
    last_build,
    prove,
    read_manifest,
    read_run_results,
    without,
)
from loaders.export.warehouse import Warehouse

CSV = csv.WriteOptions(include_header=False, quoting_style="needed")
"""Every text in quotes and no null, so that COPY tells an empty text from a null."""


@dataclass(frozen=True)
class Report:
    """What an export did; also written to `target/export.json`."""

    run_id: str
    """The invocation id of the dbt build."""
    target: str
    started_at: str
    """ISO, in KST."""
    duration_seconds: float = 0.0
    tables: tuple[rds.Change, ...] = ()
    """Parents before children."""
    kept_out: dict[str, str] = field(default_factory=dict)
    """Table to reason."""
    held_back: dict[str, str] = field(default_factory=dict)
    """Of these, the ones that lost more rows than they may: the export is no full success."""
    error: str | None = None

    @property
    def failure(self) -> str | None:
        """In one line, what must be looked at though the rest was exported."""
        held = "; ".join(f"{table}: {reason}" for table, reason in self.held_back.items())
        return f"not exported: {held}" if held else None

    def lines(self) -> list[str]:
        """For a person: one line a table, one line a reason."""
        return [
            f"Exported {len(self.tables)} tables in {self.duration_seconds:.2f} s",
            *(f"  {change}" for change in self.tables),
            *(
                f"  kept out: {', '.join(t for t, its in self.kept_out.items() if its == reason)}"
                f", because {reason}"
                for reason in dict.fromkeys(self.kept_out.values())
            ),
        ]


def is_of_exporting_target(target_dir: Path) -> bool:
    """Whether the build in `target_dir` is of a target in `rds.targets`."""
    args = read_run_results(target_dir)["args"]
    return _profile(args, target_dir).target_name in _exporting_targets()


def exports(target_dir: Path) -> bool:
    """Whether the build in `target_dir` is one that ends in an export: of a target in
    `rds.targets`, on all rows (`--empty` and `--sample` are trials)."""
    args = read_run_results(target_dir)["args"]
    return is_of_exporting_target(target_dir) and not (args.get("empty") or args.get("sample"))


def proved_artifacts(target_dir: Path) -> Path:
    """The folder with the artifacts of the last build of a target in `rds.targets`: dbt's own, or
    the copy in it where a build of another target, or another command, came after."""
    last, kept = last_build(target_dir), target_dir / PROVED
    return kept if kept.is_dir() and not is_of_exporting_target(last) else last


def export(target_dir: Path) -> Report:
    """Exports the marts that the `dbt build` in `target_dir` proved.

    Works from its `manifest.json` and `run_results.json` and from dbt's profile. Raises
    ExportError or SettingError with one line; the website's database is then as it was.
    """
    run_results = read_run_results(target_dir)
    profile = _profile(run_results["args"], target_dir)
    if profile.target_name not in _exporting_targets():
        raise settings.SettingError(
            "RDS__TARGETS",
            ",".join(_exporting_targets()),
            f"expected {profile.target_name} among them, to export it",
        )
    report = Report(
        run_id=run_results["metadata"]["invocation_id"],
        target=profile.target_name,
        started_at=_now(),
    )
    started = perf_counter()
    try:
        proof = prove(read_manifest(target_dir), run_results)
        held_back: dict[str, str] = {}
        while True:
            going = without(proof.marts, held_back)
            try:
                marts = going.marts
                changes = _export(report, marts, profile.credentials) if marts else ()
                break
            except HeldBackError as error:  # again, without it
                held_back[error.table] = error.reason
    except (ExportError, settings.SettingError) as error:
        _write(target_dir, replace(report, error=str(error)))
        raise
    report = replace(
        report,
        duration_seconds=round(perf_counter() - started, 3),
        tables=changes,
        kept_out=proof.kept_out | going.kept_out,
        held_back=held_back,
    )
    _write(target_dir, report)
    return report


def _exporting_targets() -> list[str]:
    targets = settings.read("rds.targets", "local,redshift", str, "expected names of dbt targets")
    return [target.strip() for target in targets.split(",")]


def _write(target_dir: Path, report: Report) -> None:
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    (_dbt_target(target_dir) / "export.json").write_text(text + "\n", encoding="utf-8")


def _dbt_target(target_dir: Path) -> Path:
    """dbt's own folder, also for the copy that `marts.keep_proof` made in it."""
    return target_dir.parent if target_dir.name == PROVED else target_dir


def _export(report: Report, marts: tuple[Mart, ...], credentials: Any) -> tuple[rds.Change, ...]:
    url = rds.database_url(report.target)
    try:
        with (
            warehouse.opened(credentials) as source,
            closing(rds.connect(url)) as connection,
            connection.cursor() as cursor,
        ):
            rds.lock(cursor)
            rds.prepare(cursor)
            changes = export_marts(cursor, marts, source)
            for change in changes:
                rds.log(cursor, report.run_id, change)
            rds.commit(connection)
            return changes
    except LockNotAvailable:
        holders = rds.lock_holders(url, [mart.table for mart in marts])
        raise ExportError(
            f"nothing was exported: the database stayed locked by {holders} for longer than "
            "RDS__LOCK_TIMEOUT; wait for it, then `dlt pipeline rds run`"
        ) from None
    except DeadlockDetected:
        raise ExportError(
            "nothing was exported: another program had locked what the export needed, and waited "
            "for what the export had locked (a deadlock): `dlt pipeline rds run` tries again"
        ) from None
    except QueryCanceled as error:
        raise ExportError(
            f"nothing was exported: {_one_line(error)}; if a statement may take longer than "
            "RDS__STATEMENT_TIMEOUT, set it higher"
        ) from None
    except InsufficientPrivilege as error:
        raise ExportError(
            f"nothing was exported: {_one_line(error)}; the user of RDS__URL must own the tables, "
            f"and create roles or find {rds.READER} there"
        ) from None
    except psycopg2.Error as error:
        raise ExportError(f"nothing was exported: {_one_line(error)}") from error


def export_marts(
    cursor: Cursor, marts: tuple[Mart, ...], source: Warehouse
) -> tuple[rds.Change, ...]:
    """All of `marts`, parents first, in the transaction of `cursor`."""
    filled = {mart.table for mart in marts if not tables.has_rows(cursor, mart)}
    changes = {mart.table: _load(cursor, mart, source, mart.table in filled) for mart in marts}
    staged = {mart.table: mart for mart in marts if mart.table not in filled}
    for mart in reversed(staged.values()):
        started = perf_counter()
        before = changes[mart.table]
        deleted = tables.delete(cursor, mart, staged, filled, before.inserted)
        changes[mart.table] = replace(
            before,
            deleted=deleted,
            kept=_kept(cursor, mart, before.rows),
            duration_seconds=round(before.duration_seconds + perf_counter() - started, 3),
        )
    return tuple(changes.values())


def _load(cursor: Cursor, mart: Mart, source: Warehouse, empty: bool) -> rds.Change:
    started_at, started = _now(), perf_counter()
    rows = source.count(mart.relation)
    with closing(_csv(mart, source)) as chunks:
        copied = (tables.fill if empty else tables.stage)(cursor, mart, chunks)
    if copied != rows:
        raise ExportError(f"{mart.table}: {rows:,} rows in the warehouse, {copied:,} arrived")
    inserted, changed = (copied, 0) if empty else tables.upsert(cursor, mart)
    tables.keep_shape(cursor, mart)
    return rds.Change(
        table=mart.table,
        rows=rows,
        inserted=inserted,
        changed=changed,
        unchanged=rows - inserted - changed,
        started_at=started_at,
        duration_seconds=round(perf_counter() - started, 3),
    )


def _kept(cursor: Cursor, mart: Mart, rows: int) -> int:
    """The rows beyond the mart's. Raises ExportError where they are not the kept ones."""
    over = tables.count(cursor, mart) - rows
    if over and over != tables.count_gone(cursor, mart):
        raise ExportError(
            f"{mart.table}: {rows:,} rows in the warehouse, {rows + over:,} would be in the table"
        )
    return over


def _csv(mart: Mart, source: Warehouse) -> Generator[bytes, None, None]:
    """The mart's rows as COPY reads them. Each batch is made while the one before is sent: two
    are in memory, never the table."""
    batches = source.rows(mart.relation, mart.column_names)
    chunks = (_encoded(mart, batch) for batch in batches)
    with ThreadPoolExecutor(1, "csv") as thread:
        ahead = thread.submit(next, chunks, None)
        while (chunk := ahead.result()) is not None:
            ahead = thread.submit(next, chunks, None)
            yield chunk


def _encoded(mart: Mart, batch: pa.RecordBatch) -> bytes:
    for name, data_type in zip(batch.schema.names, batch.schema.types, strict=True):
        if pa.types.is_nested(data_type) or pa.types.is_binary(data_type):
            raise ExportError(f"{mart.table}: column {name} is {data_type}: cast it to varchar")
    buffer = io.BytesIO()
    csv.write_csv(batch, buffer, CSV)
    chunk = buffer.getvalue()
    if b"\0" in chunk:
        raise ExportError(_where_nul_is(mart, batch))
    return chunk


def _where_nul_is(mart: Mart, batch: pa.RecordBatch) -> str:
    for name in mart.column_names:
        column = batch.column(name)
        if pa.types.is_string(column.type):
            hits = batch.filter(pc.match_substring(column, "\0"))
            if hits.num_rows:
                key = {each: str(hits.column(each)[0].as_py()) for each in mart.primary_key}
                where = ", ".join(f"{each} {value!r}" for each, value in key.items())
                return (
                    f"{mart.table}: column {name} has a NUL character, which PostgreSQL can't "
                    f"store, at {where}: take it out in the warehouse"
                )
    return f"{mart.table} has a NUL character, which PostgreSQL can't store"


def _profile(args: Json, target_dir: Path) -> Any:
    """dbt's profile of that build: its target's name and credentials."""
    from dbt.config.runtime import load_profile
    from dbt.flags import get_flags, set_flags
    from dbt_common.context import set_invocation_context
    from dbt_common.exceptions import DbtBaseException

    project_dir = args.get("project_dir") or str(_dbt_target(target_dir).parent)
    profiles_dir = args.get("profiles_dir") or os.environ.get("DBT_PROFILES_DIR") or project_dir
    flags = get_flags()  # type: ignore[no-untyped-call]
    set_invocation_context(os.environ)  # where the profile's env_var() looks
    try:
        set_flags(Namespace(PROFILES_DIR=profiles_dir, LOG_CACHE_EVENTS=False))  # type: ignore[no-untyped-call]
        return load_profile(
            project_dir, args.get("vars") or {}, args.get("profile"), args.get("target")
        )
    except DbtBaseException as error:
        raise ExportError(f"dbt's profile can't be read: {_one_line(error)}") from error
    finally:
        set_flags(flags)  # type: ignore[no-untyped-call]


def _now() -> str:
    return datetime.now(settings.KST).isoformat(timespec="milliseconds")


def _one_line(error: Exception) -> str:
    """An error of a database or of dbt, with where it happened, without line breaks."""
    if isinstance(error, psycopg2.Error) and error.diag.message_primary:
        diagnosis = error.diag
        context = (diagnosis.context or "").split("\n")[0]
        parts = [diagnosis.message_primary, diagnosis.message_detail, context]
        return "; ".join(part for part in parts if part)
    return " ".join(str(error).split())
