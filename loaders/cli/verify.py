"""`dlt pipeline [NAME] verify`: compare the lake, the warehouse and the website's database with
what is recorded of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loaders import settings
from loaders.cli.commands import chosen, parse_dates
from loaders.cli.display import console, print_plain
from loaders.cli.enabled import PIPELINES, check_name
from loaders.cli.exit_codes import BAD_SETTING, FAILED, OK, RUNNING
from loaders.lake.lake import Lake, open_lake
from loaders.pipeline import verify as lake_verify
from loaders.pipeline.differences import Difference
from loaders.pipeline.locks import AlreadyRunningError, pipeline_lock
from loaders.settings import SettingError
from loaders.sources.source import Source


@dataclass(frozen=True)
class VerifyArguments:
    """The options of `dlt pipeline … verify` as typed."""

    date: str | None = None
    table: str | None = None
    repair: bool = False


def verify(pipeline: str | None, arguments: VerifyArguments) -> tuple[int, str]:
    """Print a line for each difference. Return the exit code, which is 1 if any is left, and a line
    that counts them."""
    output = console()
    found = repaired = 0
    try:
        check_name(pipeline)
        days = parse_dates(arguments.date, settings.today()) if arguments.date else None
        names = (pipeline,) if pipeline else PIPELINES
        sources, _ = chosen(names, arguments.table)
        lake = _open_existing_lake()
        with ExitStack() as locks:
            for source in sources:
                locks.enter_context(pipeline_lock(source.name))
            for difference in _of_sources(lake, sources, arguments.table, days):
                found += 1
                repaired += difference.is_repaired
                print_plain(output, [str(difference)])
    except SettingError as error:
        return BAD_SETTING, str(error)
    except AlreadyRunningError as error:
        return RUNNING, str(error)
    except OSError as error:
        return FAILED, str(error)
    if found > repaired:
        return FAILED, f"{found:,} differences, of which {repaired:,} are repaired"
    print_plain(output, [f"{found:,} differences, all repaired" if found else "as recorded"])
    return OK, ""


def _open_existing_lake() -> Lake:
    """Open the lake, which is not created. Raise SettingError."""
    url = settings.lake_url()
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise SettingError("LAKE__URL", url, "expected a lake that a run has filled")
    return open_lake(url)


def _of_sources(
    lake: Lake, sources: list[Source], table: str | None, days: list[date] | None
) -> Iterator[Difference]:
    for source in sources:
        for each in source.tables:
            if table in (None, each.name):
                dates = days or lake_verify.dates(lake, source.name, each.name)
                for verified in lake_verify.verify_dates(lake, source, each, dates, set()):
                    yield from verified.differences
