"""The dbt plug-in that leaves out unit tests whose code is proven, and ends `dbt build` with the
export to the website's database.

dbt loads `plugins` from every installed module whose name begins with `dbt_`.
"""

import atexit
import gc
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dbt.cli.exceptions import ExceptionExit
from dbt.flags import get_flags
from dbt.plugins.contracts import PluginArtifacts
from dbt.plugins.manager import dbt_hook, dbtPlugin
from dbt.version import __version__ as dbt_version
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager_client import add_callback_to_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

    from loaders.export.proofs import Types, UnitTests

OBJECTS_BEFORE_COLLECTION = 100_000
"""Number of new objects after which Python collects garbage, instead of 700."""

MAY_BE_EMPTY = ("state:", "result:", "source_status:")
"""Methods of selection that depend on what happened."""

WRITERS = ("build", "run", "test", "seed", "snapshot")
"""Commands that open the DuckDB file and may take long."""

LEDGER = """
select 1 as found
from information_schema.tables
where table_schema = 'staging_runs' and table_name = 'loaded_dates'
"""
LOADED = "select source_name, table_name, logical_date from staging_runs.loaded_dates"

SOURCE_TYPES = """
select
    table_schema, table_name, column_name, data_type, character_maximum_length,
    numeric_precision, numeric_scale
from information_schema.columns
where table_schema in ({})
order by table_schema, table_name, column_name
"""


class ProofsAndExport(dbtPlugin):
    """Before a command, find the unit tests that are proven. After `dbt build`, export, once its
    results are written, which an interrupted build never does."""

    def initialize(self) -> None:
        if self.project_name == "hello_korea":
            create_home()
            # The manifest's objects live to the end, and each collection of garbage walks them.
            gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
        self.has_results = False
        self.error = ""
        self.target_dir: Path | None = None
        self.unmatched: list[str] = []
        """Selectors that match nothing."""
        add_callback_to_manager(self.on_event)

    @dbt_hook  # type: ignore[untyped-decorator]
    def get_manifest_artifacts(self, manifest: "Manifest") -> PluginArtifacts:
        """Return the artifact with the unit tests, and leave out of a plain `dbt build` those that
        are proven."""
        if self.project_name == "hello_korea":
            gc.freeze()  # the manifest stays to the end
            atexit.register(gc.unfreeze)  # or DuckDB reports its objects as leaked
        if get_flags().WHICH in WRITERS and manifest.metadata.adapter_type == "duckdb":  # type: ignore[no-untyped-call]
            wait_for_warehouse()
        if get_flags().WHICH not in ("build", "test"):  # type: ignore[no-untyped-call]
            return {}
        check_settings()
        if self.project_name == "hello_korea" and manifest.metadata.adapter_type == "duckdb":
            check_warehouse()
        path, unit_tests = describe_unit_tests(manifest)
        if is_plain_build() and unit_tests.proven:
            leave_out(manifest, unit_tests)
            fire_event(Note(msg=unit_tests.to_text()), level=EventLevel.INFO)
        return {str(path): unit_tests}  # type: ignore[dict-item]  # dbt only calls its write()

    def on_event(self, event: Any) -> None:
        if event.info.name == "EndRunResult":
            self.has_results = True
        elif event.info.name == "ArtifactWritten" and self.has_results:
            self.target_dir = Path(event.data.artifact_path).parent
        elif event.info.name == "NoNodesForSelectionCriteria":
            self.unmatched.append(event.data.spec_raw)
        elif event.info.name == "CommandCompleted" and self.target_dir:
            target_dir, self.target_dir = self.target_dir, None
            command = get_flags().WHICH  # type: ignore[no-untyped-call]
            if command in ("build", "run", "test"):
                record_proofs(target_dir)
                try:
                    export_or_fail(target_dir, event.data.success)
                finally:
                    if command == "build":
                        tell(target_dir)
            if command == "build":
                fail_if_nothing_matched(self.unmatched)
        elif event.info.name == "MainEncounteredError":
            self.error = str(event.data.exc)
        elif event.info.name == "CommandCompleted" and self.error:
            error, self.error = self.error, ""
            if get_flags().WHICH == "build":  # type: ignore[no-untyped-call]
                tell(Path(get_flags().TARGET_PATH or "target"), error)  # type: ignore[no-untyped-call]


def create_home() -> None:
    """Create the folder of the warehouse, without which DuckDB fails with a traceback."""
    with suppress(OSError):  # the message of DuckDB names the folder
        Path(os.environ.get("HELLO_KOREA_HOME") or ".local").mkdir(parents=True, exist_ok=True)


def wait_for_warehouse() -> None:
    """Wait until no other process has the DuckDB file open. Raise WarehouseInUseError."""
    from dbt.adapters.factory import get_adapter_by_type

    from loaders.warehouse_file import wait_until_free

    adapter = get_adapter_by_type("duckdb")  # type: ignore[no-untyped-call]

    def connect() -> None:
        with adapter.connection_named("wait"):
            adapter.execute("select 1")

    wait_until_free(connect)


def is_plain_build() -> bool:
    """Return whether the command is a `dbt build` that does not select what to run."""
    flags = get_flags()  # type: ignore[no-untyped-call]
    return flags.WHICH == "build" and not (flags.SELECT or flags.SELECTOR or flags.RESOURCE_TYPES)


def leave_out(manifest: "Manifest", unit_tests: "UnitTests") -> None:
    """Add the proven unit tests to `--exclude`."""
    flags = get_flags()  # type: ignore[no-untyped-call]
    tests = [manifest.unit_tests[name] for name in unit_tests.proven]
    names = [f"unit_test:{test.package_name}.{test.name}" for test in tests]
    for flag in ("EXCLUDE", "exclude"):  # dbt reads both, and its flags are frozen
        object.__setattr__(flags, flag, (*flags.EXCLUDE, *names))


def check_settings() -> None:
    """Check the settings of the end of a build before it begins. Raise SettingError."""
    from loaders import notify

    notify.urls()


def check_warehouse() -> None:
    """Raise LostDatesError if a warehouse whose marts are exported has lost dates of the lake.

    On Redshift the loader alone checks it: who builds may not read the lake.
    """
    from dbt.adapters.factory import get_adapter_by_type

    from loaders import settings

    adapter = get_adapter_by_type("duckdb")  # type: ignore[no-untyped-call]
    if adapter.config.target_name not in settings.rds_targets():
        return
    with adapter.connection_named("lost"):
        _, tables = adapter.execute(LEDGER, fetch=True)
        if not tables:
            return  # check_staging_tables says so
        _, rows = adapter.execute(LOADED, fetch=True)
    from loaders.pipeline import lost  # takes a second

    lost.check(settings.lake_url(), {tuple(row) for row in rows}, settings.today())


def describe_unit_tests(manifest: "Manifest") -> tuple[Path, "UnitTests"]:
    """Return the path of the artifact with the unit tests, and the unit tests. Raise SettingError
    for a wrong setting."""
    # Not imported at the top, where they would delay every dbt command by a second.
    from dbt.adapters.factory import get_adapter_by_type

    from loaders.export import marts, proofs

    adapter = get_adapter_by_type(manifest.metadata.adapter_type)  # type: ignore[no-untyped-call]
    config = adapter.config
    kept = {} if proofs.always() else proofs.read_proofs(proofs.proofs_file(config.target_name))
    engine, types = read_source_types(adapter, manifest)
    environment = {
        "versions": [dbt_version, version(f"dbt-{adapter.type()}"), engine],
        "vars": [config.vars.to_dict(), config.cli_vars],
    }
    unit_tests = proofs.describe(manifest, environment, types, kept)
    return (
        Path(config.project_target_path, marts.UNIT_TESTS),
        proofs.UnitTests(get_invocation_id(), config.target_name, unit_tests),
    )


def read_source_types(adapter: Any, manifest: "Manifest") -> tuple[str, "Types"]:
    """Return the version of the warehouse, and the columns of the sources with their types."""
    schemas = sorted({source.schema for source in manifest.sources.values()})
    types: Types = {}
    with adapter.connection_named("unit_tests"):
        _, versions = adapter.execute("select version() as engine", fetch=True)
        if schemas:
            _, columns = adapter.execute(SOURCE_TYPES.format(repr(schemas)[1:-1]), fetch=True)
            for schema, table, *column in columns:
                types.setdefault((schema, table), []).append(column)
    return versions[0][0], types


def record_proofs(target_dir: Path) -> None:
    """Keep the proofs of the unit tests that passed in the command that has just ended."""
    from loaders.export.proofs import record

    record(target_dir)


def export_or_fail(target_dir: Path, has_passed: bool) -> None:
    """Keep the proofs of the marts, and export after a `dbt build`. End dbt with a failure and a
    one-line reason if the export fails.

    Marts that are kept out do not replace the failure of a build that has not passed.
    """
    from loaders.export.export import export, record, should_export
    from loaders.export.marts import ExportError
    from loaders.settings import SettingError

    try:
        if not should_export(target_dir):
            record(target_dir)
            return
        report = export(target_dir)
        for line in report.lines():
            fire_event(Note(msg=line), level=EventLevel.INFO)
        if report.failure and (has_passed or report.held_back):
            raise ExportError(report.failure)
    except (ExportError, SettingError) as error:
        fail(f"Export failed: {error}", error)


def fail_if_nothing_matched(selectors: list[str]) -> None:
    """End dbt with a failure if parts of its selection match nothing, other than what changed or
    failed, which may be nothing."""
    wrong = [text for text in selectors if not any(method in text for method in MAY_BE_EMPTY)]
    if wrong:
        names = ", ".join(wrong)
        fail(f"--select {names} matches nothing: expected a name that `dbt ls` lists")


def fail(message: str, cause: Exception | None = None) -> NoReturn:
    """End dbt with a failure and a line."""
    fire_event(Note(msg=message), level=EventLevel.ERROR)
    raise ExceptionExit(DbtRuntimeError(str(cause or message))) from cause


def tell(target_dir: Path, error: str = "") -> None:
    """Tell those of `NOTIFY__URLS` of the build of a target that is exported.

    What can't be told is printed, and fails no build. `error`: why it ended without results.
    """
    from loaders import notify, settings
    from loaders.settings import SettingError

    target = getattr(get_flags(), "TARGET", None) or settings.dbt_target()  # type: ignore[no-untyped-call]
    try:
        if target not in settings.rds_targets() or not notify.urls():
            return
        from loaders.cli.tell import tell_of_build  # takes a second

        lines = tell_of_build(target_dir, is_plain_build(), error)
    except SettingError:  # has ended the build
        return
    except OSError as failure:
        lines = [f"nobody was told: {failure}"]
    for line in lines:
        fire_event(Note(msg=line), level=EventLevel.WARN)


plugins = [ProofsAndExport]
