"""What differs between the lake and what is recorded of it, and what can put it right. Values only.

`verify` reads the lake, `repair` changes it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from loaders.lake.raw import META, Folder, Page
from loaders.pipeline.stage import Recorded


class Repair(Enum):
    """How a difference is put right. The value says what was done."""

    NONE = ""
    MARK = "written again from the staged file"
    STAGE = "staged again from raw"
    DELETE = "deleted"
    INDEX = "rebuilt from raw"
    COUNT = "counted again from raw"
    LOAD = "loaded again"
    GENERATE = "generated again"
    EXPORT = "exported again"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as recorded."""

    place: str
    """A key in the lake, or a table with a date."""
    problem: str
    repair: Repair = Repair.NONE
    remedy: str = ""
    """What a person can do, if nothing can be derived."""
    is_repaired: bool = False
    failure: str = ""
    """Why the repair failed."""

    def __str__(self) -> str:
        end = self.remedy
        if self.is_repaired:
            end = f"it is {self.repair.value}"
        elif self.failure:
            end = f"not repaired: {self.failure}"
        elif self.repair is not Repair.NONE:
            end = "--repair puts it right"
        return f"{self.place}: {self.problem}" + (f"; {end}" if end else "")


def repaired(difference: Difference) -> Difference:
    return replace(difference, is_repaired=True)


def failed(difference: Difference, reason: str) -> Difference:
    return replace(difference, failure=reason)


@dataclass(frozen=True)
class Body:
    """The body of a page, and its description, as raw has them."""

    file: str
    described: Page | None
    """None if there is no valid description."""
    sha256: str | None
    """None if the body is missing."""


@dataclass(frozen=True)
class Extraction:
    """One extraction of a date, as raw has it."""

    folder: Folder
    mark: tuple[Page, ...] | None
    """The pages of its mark, or None if that is missing or damaged."""
    bodies: Mapping[str, Body]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def kept(self) -> list[str]:
        """The files of the pages that count as kept: those of the mark, else those with a valid
        description."""
        if self.mark is not None:
            return sorted({page.file for page in self.mark})
        return sorted(file for file, body in self.bodies.items() if body.described)


def of_extraction(extraction: Extraction, ask_again: str) -> Iterator[Difference]:
    """Yield what differs in an extraction. `ask_again`: the command that asks for the date again.

    Bodies are never touched. Without a mark, the next run asks for what has no valid description.
    """
    marked = {page.file: page for page in extraction.mark or ()}
    restore = "restore it from a backup, or ask again with "
    for file, body in sorted(extraction.bodies.items()):
        page = marked.get(file)
        expected = page or body.described
        if body.sha256 is None:
            if page:
                remedy = f"{restore}`{ask_again} --refresh`"
                yield Difference(file, "is missing from the lake", remedy=remedy)
            elif extraction.mark is None and not _has_successor(file, extraction.bodies):
                remedy = f"restore it from a backup; the next run asks for it again: `{ask_again}`"
                yield Difference(file, "is missing, though it has a description", remedy=remedy)
        elif expected is None:
            if extraction.mark is None and not _has_successor(file, extraction.bodies):
                remedy = f"the next run asks for it again: `{ask_again}`"
                yield Difference(
                    file, "has no valid description, so it was not kept", remedy=remedy
                )
        elif body.sha256 != expected.sha256:
            remedy = f"{restore}`{ask_again} --refresh`"
            yield Difference(file, "has changed since it was written (checksum)", remedy=remedy)
        elif body.described is None:
            remedy = f"its rows stay, since the mark has its checksum; {restore}"
            remedy += f"`{ask_again} --refresh`"
            yield Difference(f"{file}{META}", "is missing or damaged", remedy=remedy)
        elif page and body.described != page:
            remedy = f"{restore}`{ask_again} --refresh`"
            yield Difference(f"{file}{META}", "differs from the mark", remedy=remedy)


def _has_successor(file: str, bodies: Mapping[str, Body]) -> bool:
    """Return whether the request of a body without a description was answered again: into a file
    with a number."""
    stem, _, extension = file.rpartition(".")
    stem = re.sub(r"(\.[0-9a-f]{12})\.\d+$", r"\1", stem)
    again = re.compile(rf"{re.escape(stem)}\.\d+\.{re.escape(extension)}")
    return any(again.fullmatch(other) and bodies[other].described for other in bodies)


def ordered_by_rows(files: Iterable[str], raw_files: Iterable[str]) -> list[str]:
    """Return the files of an extraction in an order that stages the same rows.

    `raw_files` is the column of the staged rows, in their order. A later page replaces the rows of
    an earlier one, so files of which no row is left come first.
    """
    with_rows = list(dict.fromkeys(raw_files))
    return [*sorted(set(files) - set(with_rows)), *with_rows]


@dataclass(frozen=True)
class StageFile:
    """A file in the stage folder of a date."""

    key: str
    recorded: Recorded | None
    """What it says of itself, or None if it is damaged or of another table or date."""
    modified_at: float = 0
    """Time of its last write, if there are several files."""
    damage: str = ""

    @property
    def extraction(self) -> str:
        return str(self.recorded.origin.get("extraction", "")) if self.recorded else ""

    @property
    def pages(self) -> int | None:
        return self.recorded.origin.get("pages") if self.recorded else None


def current(files: Sequence[StageFile]) -> StageFile | None:
    """Return the file that a load takes: the newest of those that are sound."""
    sound = [file for file in files if file.recorded]
    return max(sound, key=lambda file: file.modified_at, default=None)


def of_stage(
    folder: str, files: Sequence[StageFile], to_stage: Extraction | None, rejected: int | None
) -> Iterator[Difference]:
    """Yield what differs in the stage folder of a date.

    `to_stage`: the extraction that the date is staged from, if there is one; `rejected`: the number
    of rows in its file of rejected rows, or None if that is damaged.
    """
    sound = current(files)
    remedy = "raw has no extraction to stage: restore it from a backup"
    can_stage = Repair.STAGE if to_stage else Repair.NONE
    for file in files:
        if file is sound:
            continue
        problem = file.damage or f"is older than {sound.key if sound else ''} beside it"
        if sound:
            yield Difference(file.key, f"does not belong there: {problem}", Repair.DELETE)
        else:
            yield Difference(file.key, f"is damaged: {problem}", can_stage, remedy)
    if not files and to_stage:
        yield Difference(folder, "is missing, though raw has the date", Repair.STAGE)
    if not sound or not sound.recorded:
        return
    if to_stage is None:
        yield Difference(sound.key, f"was staged from {sound.extraction}", remedy=remedy)
    elif sound.extraction != to_stage.name:
        yield Difference(
            sound.key,
            f"was staged from {sound.extraction}, but {to_stage.name} is the one to stage",
            Repair.STAGE,
        )
    elif sound.pages not in (None, len(to_stage.kept)):
        problem = f"was staged from {sound.pages} pages, but raw has {len(to_stage.kept)}"
        yield Difference(sound.key, problem, Repair.STAGE)
    elif rejected != sound.recorded.report.get("rejected", 0):
        count = "are damaged" if rejected is None else f"are {rejected}"
        yield Difference(
            sound.key,
            f"has {sound.recorded.report.get('rejected', 0)} rejected rows, but those in rejected/"
            f" {count}",
            can_stage,
        )
