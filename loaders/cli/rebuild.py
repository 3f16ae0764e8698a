"""Rebuild the models from staging tables that hold every date of the lake.

Most models need only the newest lists. The snapshots need those of each day: they are repeated day
by day, as if each day had been built on its own.

`dlt pipeline run --rebuild` does this after its loads. If another user runs dbt, that user runs
`python -m loaders.cli.rebuild` after `dlt pipeline <name> run --rebuild` of each pipeline.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from loaders import settings
from loaders.pipeline import load, loaded_dates, retention
from loaders.pipeline.locks import warehouse_lock

SNAPSHOTS = (
    *("--select", "+snap_place", "+snap_venue"),
    # Seeds and artifacts would be the same each day, at a third of its time.
    *("--exclude-resource-type", "seed", "test", "unit_test"),
    *("--no-write-json", "--log-level-file", "warn"),
)


class RebuildError(Exception):
    """Raised when dbt fails. The message is one line."""


def rebuild_models(report: Callable[[str], None]) -> None:
    """Rebuild the snapshots and then all models, and export them. Raise RebuildError, LoadError.

    `report` is called with what is being done.
    """
    project = _parse()
    tables = _tables_of_snapshots(project)
    with warehouse_lock(), load.connect() as ledger:
        days = sorted(
            {day for source, table, day in loaded_dates.read(ledger) if (source, table) in tables}
        )
    _dbt("seed")
    with _without_export():
        manifest = project.to_msgpack()
        for number, day in enumerate(days, start=1):
            report(f"history of {day}, {number} of {len(days)}")
            _dbt("build", *SNAPSHOTS, "--vars", f"as_of: {day}", manifest=manifest)
    _forget()
    report("all models")
    _dbt("build", "--full-refresh")
    _forget()


def _tables_of_snapshots(project: Manifest) -> set[tuple[str, str]]:
    """Return source and name of the staging tables from which the snapshots are built.

    A date of another table, such as an exchange rate's, adds no day to a history.
    """
    project.build_parent_and_child_maps()  # type: ignore[no-untyped-call]
    parents: dict[str, list[str]] = project.parent_map
    waiting = [name for name in parents if name.startswith("snapshot.")]
    found: set[str] = set()
    while waiting:
        new = set(parents.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    sources = [project.sources[name] for name in found if name in project.sources]
    return {(each.source_name.removeprefix("staging_"), each.name) for each in sources}


def _forget() -> None:
    """Trim staging, if the user may. Otherwise the next run of the loader does."""
    first_kept = retention.first_kept_date(settings.today())
    with suppress(load.LoadError), warehouse_lock(), load.connect() as ledger:
        retention.forget(ledger, first_kept)


@contextmanager
def _without_export() -> Iterator[None]:
    """Keep builds of a past day out of the website's database."""
    before = os.environ.get("RDS__TARGETS")
    os.environ["RDS__TARGETS"] = "none"
    try:
        yield
    finally:
        if before is None:
            del os.environ["RDS__TARGETS"]
        else:
            os.environ["RDS__TARGETS"] = before


def _parse() -> Manifest:
    result = dbtRunner().invoke(["parse", "--quiet"])
    if not isinstance(result.result, Manifest):
        raise RebuildError(f"dbt parse failed: {result.exception}")
    return result.result


def _dbt(*words: str, manifest: bytes | None = None) -> None:
    """Run dbt in this process, without parsing the project again if a manifest is given.

    The manifest is passed as bytes, because a build changes it.
    """
    runner = dbtRunner(manifest=Manifest.from_msgpack(manifest) if manifest else None)
    result = runner.invoke([*words, "--quiet"])
    if not result.success:
        raise RebuildError(f"dbt {' '.join(words)} failed: {result.exception or 'see its output'}")


def main() -> int:
    try:
        rebuild_models(print)
    except (RebuildError, load.LoadError, settings.SettingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
