"""What happens to pipelines that do not run: their tables exist, their rows leave on request."""

from contextlib import suppress

from loaders import web_logs
from loaders.lake.lake import Lake
from loaders.pipeline import staging
from loaders.pipeline.locks import AlreadyRunningError, pipeline_lock, warehouse_lock
from loaders.pipeline.staging import Tables

LOGS: Tables = {(web_logs.NAME, table) for table in web_logs.TABLES}


def create_missing(lake: Lake) -> Tables:
    """Create the staging tables that the warehouse lacks, without rows. Return those it had.

    Raise LoadError.
    """
    existing = staging.existing()
    staging.create(staging.ALL - existing)
    if LOGS - existing:
        with suppress(AlreadyRunningError), pipeline_lock(web_logs.NAME):
            _empty_logs(lake, LOGS - staging.existing())  # another process may have loaded them
    return existing


def remove_rows(
    lake: Lake, existing: Tables, left_out: tuple[str, ...], removed: tuple[str, ...]
) -> list[str]:
    """Remove the rows of the `removed` pipelines. Return lines for a person, also about the rows of
    the other pipelines in `left_out`, which stay.

    The lake keeps their responses and staged files. Raise LoadError, AlreadyRunningError.
    """
    tables = {(name, table) for name, table in existing & (staging.ALL | LOGS) if name in left_out}
    filled = staging.filled(tables)
    to_empty = {(name, table) for name, table in filled if name in removed}
    staging.remove_rows(to_empty - LOGS)
    if to_empty & LOGS:
        with pipeline_lock(web_logs.NAME):
            _empty_logs(lake, to_empty & LOGS)
    gone = ", ".join(sorted({name for name, _ in to_empty}))
    kept = ",".join(sorted({name for name, _ in filled - to_empty}))
    lines = (
        [f"{gone}: all rows are removed from the warehouse, and stay in the lake"] if gone else []
    )
    if kept:
        setting = f"SOURCES__REMOVE_ROWS_OF={kept}"
        lines.append(f"{kept}: left out, but the rows of earlier runs stay; {setting} removes them")
    return lines


def _empty_logs(lake: Lake, tables: Tables) -> None:
    from loaders.web_logs import warehouse  # imports numpy

    with warehouse_lock():
        warehouse.empty_tables(lake, sorted(table for _, table in tables))
