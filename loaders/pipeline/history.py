"""The history of runs: a row for each phase of each table, in the warehouse.

The rows are written to the lake first. If the warehouse is unavailable, the next run loads them.
"""

import os
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import PurePosixPath

import dlt
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dlt.common.exceptions import DltException
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract import DltResource

from loaders.lake.lake import Lake
from loaders.pipeline import load
from loaders.pipeline.locks import warehouse_lock
from loaders.pipeline.results import StepResult, TableResult

NAME = "runs"
TABLE = "steps"
HINTS: TTableSchemaColumns = {
    "began_at": {"name": "began_at", "data_type": "timestamp", "timezone": False}
}
FOLDER = f"stage/{NAME}/{TABLE}"
FILES_AT_A_TIME = 50
"""Files that are in memory together."""
SCHEMA = pa.schema(
    [
        pa.field("step_id", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("began_at", pa.timestamp("us"), nullable=False),
        pa.field("source_name", pa.string(), nullable=False),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
        pa.field("logical_date", pa.date32()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("call_count", pa.int64(), nullable=False),
        pa.field("row_count", pa.int64()),
        pa.field("rejected_count", pa.int64()),
        pa.field("byte_count", pa.int64()),
        pa.field("duration_seconds", pa.float64(), nullable=False),
        pa.field("error", pa.string()),
    ]
)
"""Times are in KST. `logical_date` is null for a phase that covers several dates."""


def write(lake: Lake, results: list[TableResult], began_at: datetime) -> None:
    """Write the rows of a run to the lake. `began_at` is the start of the run in KST."""
    run_id = f"{began_at:%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    steps = [(result, step) for result in results for step in result.steps]
    rows = [
        _row(run_id, number, result, step) for number, (result, step) in enumerate(steps, start=1)
    ]
    if rows:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), sink)
        lake.write(
            f"{FOLDER}/dt={began_at:%Y-%m-%d}/{run_id}.parquet", sink.getvalue().to_pybytes()
        )


def _row(run_id: str, number: int, result: TableResult, step: StepResult) -> dict[str, object]:
    return {
        "step_id": f"{run_id}-{number:05}",
        "run_id": run_id,
        "began_at": step.began_at.replace(tzinfo=None),
        "source_name": result.source,
        "table_name": result.table,
        "phase": step.phase,
        "logical_date": step.logical_date,
        "status": step.status,
        "call_count": step.calls,
        "row_count": step.rows,
        "rejected_count": step.rejected,
        "byte_count": step.bytes,
        "duration_seconds": round(step.seconds, 3),
        "error": step.error or None,
    }


def load_missing(lake: Lake) -> None:
    """Load the runs that the warehouse lacks from the lake. Raise LoadError."""
    try:
        pipe = load.pipeline(NAME)
        with warehouse_lock():
            load.drop_pending_packages(pipe)
            loaded = load.query(pipe, "select distinct run_id from {}", TABLE)
            run_ids = {run_id for (run_id,) in loaded or []}
            missing = [key for key in lake.keys(FOLDER) if PurePosixPath(key).stem not in run_ids]
            if missing or loaded is None:
                pipe.run(_resource(read(lake, missing)))
                load.remove_copied_files(lake, NAME)
    except (DltException, psycopg2.Error, OSError) as error:
        raise load.LoadError(
            f"the history of this run waits in the lake: {load.reason(error)}"
        ) from error


def read(lake: Lake, keys: list[str]) -> pa.Table:
    """Return the rows of files, each once: a kill may leave a file beside that of its day."""
    tables = [pq.read_table(pa.BufferReader(lake.read(key))) for key in keys]
    rows = pa.concat_tables([SCHEMA.empty_table(), *tables])
    return rows.group_by(SCHEMA.names, use_threads=False).aggregate([]).cast(SCHEMA)


def completed(lake: Lake, keys: Sequence[str]) -> dict[tuple[str, str], set[date]]:
    """Return the dates of which runs have recorded a complete extraction, by source and table.

    Files that can't be read are left out: see `is_readable`.
    """
    dates: dict[tuple[str, str], set[date]] = {}
    for start in range(0, len(keys), FILES_AT_A_TIME):
        some = [key for key in keys[start : start + FILES_AT_A_TIME] if is_readable(lake, key)]
        steps = read(lake, some)
        is_complete = pc.and_(
            pc.equal(steps["phase"], "extract"), pc.equal(steps["status"], "done")
        )
        done = steps.filter(pc.and_(is_complete, pc.is_valid(steps["logical_date"])))
        columns = [done[name].to_pylist() for name in ("source_name", "table_name", "logical_date")]
        for source, table, day in zip(*columns, strict=True):
            dates.setdefault((source, table), set()).add(day)
    return dates


def is_readable(lake: Lake, key: str) -> bool:
    """Return whether a file of the history has its columns."""
    try:
        found: pa.Schema = pq.read_table(pa.BufferReader(lake.read(key))).schema
    except (pa.ArrowException, OSError):  # of parquet's own
        return False
    return bool(found.equals(SCHEMA))


def _resource(rows: pa.Table) -> DltResource:
    """Return the rows as a resource that is merged, since a killed load is repeated."""
    return dlt.resource(
        [rows],
        name=TABLE,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key="run_id",
        columns=HINTS,
    )
