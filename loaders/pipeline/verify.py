"""Verify: compare the lake with what is recorded of it, a few dates at a time.

It reads every byte of raw and stage, calls no API, and changes nothing: see `repair`.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import islice

import orjson

from loaders.lake import raw
from loaders.lake.lake import READERS, Lake, map_parallel
from loaders.lake.raw import Folder, Page, RawError
from loaders.pipeline import budget, differences, history, stage
from loaders.pipeline.differences import Body, Difference, Extraction, Repair, StageFile
from loaders.pipeline.index import DamagedError
from loaders.pipeline.kept_index import KeptIndex
from loaders.sources.source import Source, Table

WINDOW = READERS
"""Dates that are read at the same time, and whose differences are in memory."""


@dataclass(frozen=True)
class VerifiedDate:
    """What the lake holds of a table's date."""

    day: date
    extractions: tuple[Extraction, ...]
    files: tuple[StageFile, ...]
    """Of its stage folder."""
    to_stage: Extraction | None
    """The extraction that it is staged from."""
    is_complete: bool
    """Whether an extraction of it is, or was, complete."""
    differences: tuple[Difference, ...]

    @property
    def staged(self) -> StageFile | None:
        """The file that a load takes."""
        return differences.current(self.files)


def ask_again(source: str, table: str, day: date) -> str:
    """Return the command that asks for a date again."""
    return f"dlt pipeline {source} run --table {table} --date {day}"


def dates(lake: Lake, source: str, table: str) -> list[date]:
    """Return the dates of which raw or stage has a folder, ascending."""
    names = [
        name.removeprefix("dt=")
        for layer in ("raw", "stage")
        for name in lake.folders(f"{layer}/{source}/{table}")
    ]
    return sorted({date.fromisoformat(name) for name in names if is_date(name)})


def is_date(text: str) -> bool:
    """Return whether a text is a date as folders have it in their names."""
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False


def verify_dates(
    lake: Lake, source: Source, table: Table, days: Sequence[date], extracted: set[date]
) -> Iterator[VerifiedDate]:
    """Yield what the lake holds of each date, in order.

    `extracted`: the dates of which a run has recorded a complete extraction.
    """
    remaining = iter(days)
    while window := list(islice(remaining, WINDOW)):
        extractions = _read_extractions(lake, source.name, table.name, window)
        read = partial(_read_stage, lake, source.name, table)
        for day, found, (files, rejected) in zip(
            window, extractions, map_parallel(read, window), strict=True
        ):
            yield _compare(source, table, day, found, files, rejected, day in extracted)


def _compare(
    source: Source,
    table: Table,
    day: date,
    extractions: tuple[Extraction, ...],
    files: tuple[StageFile, ...],
    rejected: int | None,
    was_extracted: bool,
) -> VerifiedDate:
    """Return a date with all that differs in it."""
    again = ask_again(source.name, table.name, day)
    staged = differences.current(files)
    unmarked = list(_unmarked(table, extractions, staged, was_extracted))
    to_stage = unmarked[0] if unmarked else _to_stage(table, extractions)
    folder = stage.stage_folder(source.name, table.name, day)
    found = [each for one in extractions for each in differences.of_extraction(one, again)]
    marks = [_of_mark(one, staged, again) for one in unmarked]
    found += marks
    if was_extracted and not extractions:
        found.append(
            Difference(
                f"raw/{source.name}/{table.name}/dt={day}",
                "is missing, though a run has extracted it",
                remedy=f"restore it from a backup, or ask again with `{again}`",
            )
        )
    of_stage = list(differences.of_stage(folder, files, to_stage, rejected))
    if marks and marks[0].repair is Repair.NONE and not table.details_of:
        # Without the mark, the order of the pages is not known.
        of_stage = [replace(each, repair=Repair.NONE, remedy="see its mark") for each in of_stage]
    found += of_stage
    is_complete = bool(unmarked) or any(one.folder.is_complete for one in extractions)
    return VerifiedDate(day, extractions, files, to_stage, is_complete, tuple(found))


def _to_stage(table: Table, extractions: Sequence[Extraction]) -> Extraction | None:
    folders = [one.folder for one in extractions]
    folder = raw.folder_to_stage(folders, is_details=bool(table.details_of))
    return next((one for one in extractions if one.folder is folder), None)


def _unmarked(
    table: Table,
    extractions: Sequence[Extraction],
    staged: StageFile | None,
    was_extracted: bool,
) -> Iterator[Extraction]:
    """Yield the extractions that were complete, and whose mark is missing or damaged.

    A list is staged from a complete extraction only. Details are staged before they are complete,
    so only a run's record shows that they were.
    """
    is_any_complete = any(one.mark is not None for one in extractions)
    for one in reversed(extractions):
        is_damaged = one.folder.is_complete and one.mark is None
        is_source = staged is not None and staged.extraction == one.name
        is_recorded = was_extracted and not is_any_complete
        was_complete = is_source and (not table.details_of or is_recorded)
        is_only = is_recorded and len(extractions) == 1
        if one.mark is None and (is_damaged or was_complete or is_only):
            yield one


def _of_mark(one: Extraction, staged: StageFile | None, again: str) -> Difference:
    """Return the difference of a mark. It can be derived if the date was staged from all pages."""
    state = "is damaged" if one.folder.is_complete else "is missing, though it was complete"
    is_derivable = staged and staged.extraction == one.name and staged.pages == len(one.kept)
    remedy = f"restore it from a backup, or ask again with `{again} --refresh`"
    repair = Repair.MARK if is_derivable else Repair.NONE
    return Difference(f"{one.name}/{raw.COMPLETE}", state, repair, remedy)


def verify_index(
    kept: KeptIndex, list_days: set[date], details_days: set[date]
) -> Iterator[Difference]:
    """Yield how an index differs from the dates whose lists, and details, are complete in raw.

    Dates with a mark are behind: the next run catches up with them.
    """
    try:
        found, behind = kept.kept()
    except DamagedError as error:
        yield Difference(kept.file, f"is damaged: {error}", Repair.INDEX)
        return
    if found is None:
        if list_days or details_days:
            yield Difference(kept.file, "is missing", Repair.INDEX)
        return
    pairs = (("lists", found.list_days, list_days), ("details", found.details_days, details_days))
    for name, in_index, in_raw in pairs:
        if days := sorted((in_index ^ in_raw) - behind):
            problem = f"differs from the {name} of {len(days)} dates in raw, as on {days[-1]}"
            yield Difference(kept.file, problem, Repair.INDEX)


def damaged_counts(
    lake: Lake, source: str, days: Collection[date] | None
) -> Iterator[tuple[str, date]]:
    """Yield the counts of calls that can't be read, with their day."""
    for key in lake.keys(f"budget/{source}"):
        day = date.fromisoformat(key.split("/day=")[1].partition("/")[0])
        if (days is None or day in days) and budget.is_damaged(lake, key):
            yield key, day


def verify_history(lake: Lake) -> Iterator[Difference]:
    """Yield the files of the history of runs that can't be read."""
    for key in lake.keys(history.FOLDER):
        if not history.is_readable(lake, key):
            remedy = "restore it from a backup, or delete it, and with it the record of that run"
            yield Difference(key, "can't be read as a history of runs", remedy=remedy)


def _read_extractions(
    lake: Lake, source: str, table: str, days: Sequence[date]
) -> list[tuple[Extraction, ...]]:
    """Return the extractions of some dates, with the checksum of each body."""
    folders = map_parallel(partial(raw.extractions, lake, source, table), days)
    marks = map_parallel(partial(_read_mark, lake), [one for day in folders for one in day])
    by_name = dict(marks)
    files = [
        file
        for day in folders
        for folder in day
        for file in _files(folder, by_name[folder.name] or ())
    ]
    bodies: dict[str, dict[str, Body]] = {}
    for body in map_parallel(partial(_read_body, lake), files):
        bodies.setdefault(body.file.rpartition("/")[0], {})[body.file] = body
    return [
        tuple(Extraction(one, by_name[one.name], bodies.get(one.name, {})) for one in day)
        for day in folders
    ]


def _files(folder: Folder, marked: Sequence[Page]) -> set[str]:
    """Return the bodies that an extraction has, or has a mark or a description of."""
    described = {key.removesuffix(raw.META) for key in folder.keys if key.endswith(raw.META)}
    own = {page.file for page in marked if page.file.rpartition("/")[0] == folder.name}
    return {*folder.bodies, *described, *own}


def _read_mark(lake: Lake, folder: Folder) -> tuple[str, tuple[Page, ...] | None]:
    if not folder.is_complete:
        return folder.name, None
    try:
        return folder.name, tuple(raw.read_mark(lake, folder.name))
    except RawError:
        return folder.name, None


def _read_body(lake: Lake, file: str) -> Body:
    try:
        sha256 = hashlib.sha256(lake.read(file)).hexdigest()
    except FileNotFoundError:
        return Body(file, None, None)
    return Body(file, raw.find_page(lake, file), sha256)


def _read_stage(
    lake: Lake, source: str, table: Table, day: date
) -> tuple[tuple[StageFile, ...], int | None]:
    """Return the stage files of a date, and the number of its rejected rows, or None if their file
    is damaged."""
    keys = lake.keys(stage.stage_folder(source, table.name, day))
    files = [_read_stage_file(lake, source, table, day, key) for key in keys]
    if len(files) > 1:
        files = [replace(file, modified_at=lake.modified_at(file.key)) for file in files]
    return tuple(files), _count_rejected(lake, stage.rejected_file(source, table.name, day))


def _read_stage_file(lake: Lake, source: str, table: Table, day: date, key: str) -> StageFile:
    try:
        recorded = stage.read_recorded(lake, source, table, day, key)
    except stage.DamagedFileError as error:
        return StageFile(key, None, damage=str(error))
    return StageFile(key, recorded)


def _count_rejected(lake: Lake, key: str) -> int | None:
    try:
        return len([orjson.loads(line)["reason"] for line in lake.read(key).splitlines()])
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError):
        return None
