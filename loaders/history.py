"""What became of every run: a row for each phase of each table, in the warehouse.

The rows lie in the lake first, so that a warehouse that is away gets them with the next run.
"""

import os
from datetime import datetime

import dlt
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.exceptions import DltException
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract import DltResource

from loaders import load
from loaders.lake import Lake
from loaders.run import Outcome, Step, one_writer

NAME = "runs"
TABLE = "steps"
HINTS: TTableSchemaColumns = {
    "began_at": {"name": "began_at", "data_type": "timestamp", "timezone": False}
}
FOLDER = f"stage/{NAME}/{TABLE}"
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
"""Times are KST's. `logical_date` is null where a phase did several dates at once."""


def keep(lake: Lake, outcomes: list[Outcome], began_at: datetime) -> None:
    """Writes the rows of a run, which began at a KST time, into the lake."""
    run_id = f"{began_at:%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    steps = [(outcome, step) for outcome in outcomes for step in outcome.steps]
    rows = [
        _row(run_id, number, outcome, step) for number, (outcome, step) in enumerate(steps, start=1)
    ]
    if rows:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), sink)
        lake.write(
            f"{FOLDER}/dt={began_at:%Y-%m-%d}/{run_id}.parquet", sink.getvalue().to_pybytes()
        )


def _row(run_id: str, number: int, outcome: Outcome, step: Step) -> dict[str, object]:
    return {
        "step_id": f"{run_id}-{number:05}",
        "run_id": run_id,
        "began_at": step.began_at.replace(tzinfo=None),
        "source_name": outcome.source,
        "table_name": outcome.table,
        "phase": step.phase,
        "logical_date": step.on,
        "status": step.status,
        "call_count": step.calls,
        "row_count": step.rows,
        "rejected_count": step.rejected,
        "byte_count": step.bytes,
        "duration_seconds": round(step.seconds, 3),
        "error": step.error or None,
    }


def load_kept(lake: Lake) -> None:
    """Puts into the warehouse the runs that it lacks. Raises LoadError."""
    try:
        pipe = load.pipeline(NAME)
        with one_writer():
            load.drop_what_was_begun(pipe)
            there = load.query(pipe, "select distinct run_id from {}", TABLE)
            known = {run_id for (run_id,) in there or []}
            new = [
                it for it in lake.keys(FOLDER) if it.split("/")[-1][: -len(".parquet")] not in known
            ]
            if new or there is None:
                tables = [pq.read_table(pa.BufferReader(lake.read(key))) for key in new]
                rows = pa.concat_tables([SCHEMA.empty_table(), *tables])
                pipe.run(_resource(rows))
                load.remove_copied(lake, NAME)
    except (DltException, psycopg2.Error, OSError) as error:
        raise load.LoadError(
            f"the history of this run waits in the lake: {load.reason(error)}"
        ) from error


def _resource(rows: pa.Table) -> DltResource:
    """By merge, as a load that was killed in the middle is done again."""
    return dlt.resource(
        [rows],
        name=TABLE,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key="run_id",
        columns=HINTS,
    )
