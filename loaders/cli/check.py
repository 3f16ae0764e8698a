"""`dlt pipeline [NAME] check`: compare what the APIs return today with the sources' columns.

It makes one call for each table, and another for an earlier time if today has no rows yet. They
count against the day's allowance. Nothing is kept.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from tempfile import TemporaryDirectory

import pyarrow as pa

from loaders import settings
from loaders.cli.display import console, print_json, print_plain
from loaders.cli.enabled import NO_SAMPLE_API, check_name, read_enabled
from loaders.cli.exit_codes import BAD_SETTING, FAILED, OK, RUNNING
from loaders.lake.lake import open_lake
from loaders.pipeline import stage
from loaders.pipeline.budget import AllowanceSpentError
from loaders.pipeline.context import RunOptions, SourceContext, needs_sample, prepare
from loaders.pipeline.extract import fetch_page
from loaders.pipeline.kept_index import listing
from loaders.pipeline.locks import AlreadyRunningError, part_lock
from loaders.sample_api import SampleApi
from loaders.settings import SettingError
from loaders.sources.source import ApiError, ExtractRequest, Source, Table


@dataclass(frozen=True)
class Checked:
    """What the page of a table shows."""

    table: str
    """Such as `tour.places`."""
    differences: list[str]
    """New fields, and fields that no row has."""
    error: str | None = None
    note: str | None = None
    """Why there was nothing to compare, although nothing failed."""

    def __str__(self) -> str:
        text = self.error or self.note or "; ".join(self.differences) or "as described"
        return f"{self.table}: {text}"


def check(pipeline: str | None, output: str = "text") -> tuple[int, str]:
    """Compare the tables of one source, or of all that run. Return the exit code, which is 1 if one
    differs or did not answer, and a line that names it."""
    try:
        check_name(pipeline)
        enabled = read_enabled()
        if pipeline:
            enabled.check(pipeline)
        settings.check_requests()
        sources = [source for source in enabled.sources if pipeline in (None, source.name)]
        found = [checked for source in sources for checked in _check_source(source)]
    except SettingError as error:
        return BAD_SETTING, str(error)
    except AlreadyRunningError as error:
        return RUNNING, str(error)
    except OSError as error:
        return FAILED, str(error)
    if output == "json":
        print_json([asdict(checked) for checked in found])
    else:
        print_plain(console(), map(str, found))
    changed = [checked.table for checked in found if checked.differences or checked.error]
    return (FAILED, f"not as described: {', '.join(changed)}") if changed else (OK, "")


def _check_source(source: Source) -> Iterator[Checked]:
    """Yield what each table of a source shows. Raise SettingError, AlreadyRunningError, OSError."""
    today = settings.today()
    lake = open_lake(settings.lake_url())  # counts the calls
    with ExitStack() as stack:
        stack.enter_context(part_lock(source.name, "extract"))
        url = NO_SAMPLE_API
        if needs_sample(source):
            url = stack.enter_context(SampleApi(today=today)).url
        context = prepare(source, lake, url, RunOptions(today, (today,)))
        stack.callback(context.budget.give_back)
        folder = stack.enter_context(TemporaryDirectory())
        context = replace(context, lake=open_lake(folder))
        lists: dict[str, pa.Table] = {}
        for table in source.tables:
            yield _check_table(context, table, today, lists)


def _check_table(
    context: SourceContext, table: Table, today: date, lists: dict[str, pa.Table]
) -> Checked:
    """Compare one page of a table. `lists` has the staged rows of the lists that were checked."""
    name = f"{context.source.name}.{table.name}"
    keys = _first_key(context.source, table, lists)
    if table.details_of and not keys:
        return Checked(name, [], note=f"not asked for: {table.details_of} has no row to ask about")
    request = ExtractRequest(today, context.options, keys=keys)
    try:
        first = next(iter(table.requests(request)))
        rows, constants = fetch_page(context, table, first)
        if not len(rows):
            return Checked(name, [], note="no row today")
        if any(other.details_of == table.name for other in context.source.tables):
            with suppress(stage.BrokenTableError):
                page = ("this page", constants, lambda: rows)
                lists[table.name] = stage.stage(table, [page], today).rows
        return Checked(name, stage.differences(table, rows, constants))
    except (ApiError, AllowanceSpentError) as error:
        return Checked(name, [], error=str(error))


def _first_key(source: Source, details: Table, lists: dict[str, pa.Table]) -> tuple[str, ...]:
    """Return the first key that details are wanted of, if there is one."""
    if details.details_of not in lists:
        return ()
    parent = source.table(details.details_of)
    return listing(details, parent, lists[parent.name], []).keys[:1]
