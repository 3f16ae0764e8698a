"""Put right what `verify` found and what can be derived. Bodies of raw are never touched."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from loaders.lake import raw
from loaders.lake.lake import Lake
from loaders.lake.raw import Folder, Page, RawError
from loaders.pipeline import differences, stage
from loaders.pipeline.context import SourceContext
from loaders.pipeline.differences import Difference, Extraction, Repair, StageFile
from loaders.pipeline.loaded_dates import Key, LoadedDate
from loaders.pipeline.results import TableResult
from loaders.pipeline.run import load_table
from loaders.pipeline.stage import BrokenTableError
from loaders.pipeline.verify import VerifiedDate
from loaders.pipeline.verify_loads import Staged
from loaders.sources.source import Table


def repair_date(
    context: SourceContext, table: Table, verified: VerifiedDate
) -> tuple[list[Difference], Staged | None]:
    """Put the lake right for a date. Return its differences, and the file that is staged now."""
    lake, source, day = context.lake, context.source.name, verified.day
    wanted = {difference.repair for difference in verified.differences}
    staged = staged_of(verified.staged)
    failures: dict[Repair, str] = {}
    to_stage = verified.to_stage
    if Repair.MARK in wanted and to_stage:
        try:
            to_stage = _write_mark(lake, to_stage, verified.staged)
        except (RawError, OSError) as error:
            failures[Repair.MARK] = str(error)
    if Repair.STAGE in wanted and to_stage:
        try:
            staged = _stage_again(context, table, day, to_stage)
        except (BrokenTableError, RawError, OSError) as error:
            failures[Repair.STAGE] = str(error)
    if Repair.DELETE in wanted:
        folder = stage.stage_folder(source, table.name, day)
        for difference in verified.differences:
            if difference.repair is Repair.DELETE:
                assert difference.place.startswith(f"{folder}/")
                lake.delete(difference.place)
    return list(_marked(verified.differences, failures)), staged


def staged_of(file: StageFile | None) -> Staged | None:
    return Staged(file.key, file.recorded.rows) if file and file.recorded else None


def _marked(found: Iterable[Difference], failures: Mapping[Repair, str]) -> Iterator[Difference]:
    """Yield differences with what became of them."""
    for difference in found:
        if difference.repair in failures:
            yield differences.failed(difference, failures[difference.repair])
        elif difference.repair is Repair.NONE:
            yield difference
        else:
            yield differences.repaired(difference)


def _write_mark(lake: Lake, one: Extraction, staged: StageFile | None) -> Extraction:
    """Write the mark of an extraction, with its pages in the order in which they were staged."""
    assert staged
    described = {file: body.described for file, body in one.bodies.items()}
    parquet = pq.read_table(pa.BufferReader(lake.read(staged.key)), columns=["raw_file"])
    order = differences.ordered_by_rows(one.kept, parquet["raw_file"].to_pylist())
    pages = [page for file in order if (page := described.get(file))]
    if len(pages) != len(order):
        raise RawError(f"{staged.key} has rows of pages that raw lacks")
    if one.folder.is_complete:  # the mark is damaged
        lake.write(f"{one.name}/{raw.COMPLETE}", orjson.dumps(pages))
    else:
        raw.complete(lake, one.name, pages)
    folder = Folder(one.name, one.folder.keys | {f"{one.name}/{raw.COMPLETE}"})
    return replace(one, folder=folder, mark=tuple(pages))


def _stage_again(context: SourceContext, table: Table, day: date, one: Extraction) -> Staged:
    """Stage a date from an extraction. Raise BrokenTableError, RawError, OSError."""
    pages: list[Page] = list(one.mark or ())
    if one.mark is None:
        found = (one.bodies[file].described for file in one.kept)
        pages = [page for page in found if page]
    contract = context.contracts[table.name]
    file, _ = stage.stage_extraction(
        context.lake, context.source.name, table, day, one.folder, pages, contract, {}
    )
    return Staged(file.key, file.rows)


def load_again(
    context: SourceContext,
    table: Table,
    found: Mapping[date, Difference],
    staged: Mapping[date, Staged],
    ledger: Mapping[Key, LoadedDate],
) -> Iterator[Difference]:
    """Load the dates with a difference from their staged files, and yield what became of each."""
    source = context.source.name
    days = [day for day, difference in found.items() if difference.repair is Repair.LOAD]
    failures: dict[Repair, str] = {}
    if days:
        result = TableResult(source, table.name, files={day: staged[day].file for day in days})
        known = {key: load for key, load in ledger.items() if key[:2] == (source, table.name)}
        known |= {
            (source, table.name, day): replace(load, file="")
            for day in days
            if (load := known.get((source, table.name, day)))
        }
        load_table(context, table, result, lambda: known)
        if result.errors:
            failures[Repair.LOAD] = "; ".join(result.errors)
    yield from _marked(found.values(), failures)
