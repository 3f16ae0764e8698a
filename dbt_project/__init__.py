"""The dbt plug-in that ends `dbt build` with the export to the website's database.

dbt loads `plugins` from every installed module whose name begins with `dbt_`.
"""

from pathlib import Path
from typing import Any

from dbt.cli.exceptions import ExceptionExit
from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager_client import add_callback_to_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note
from dbt_common.exceptions import DbtRuntimeError


class ExportAfterBuild(dbtPlugin):
    """Export once `dbt build` has written its results, which an interrupted build never does."""

    def initialize(self) -> None:
        self.has_results = False
        self.target_dir: Path | None = None
        add_callback_to_manager(self.on_event)

    def on_event(self, event: Any) -> None:
        if event.info.name == "EndRunResult":
            self.has_results = True
        elif event.info.name == "ArtifactWritten" and self.has_results:
            self.target_dir = Path(event.data.artifact_path).parent
        elif event.info.name == "CommandCompleted" and self.target_dir:
            target_dir, self.target_dir = self.target_dir, None
            if get_flags().WHICH == "build":  # type: ignore[no-untyped-call]
                export_or_fail(target_dir)


def export_or_fail(target_dir: Path) -> None:
    """Export, and end dbt with a failure and a one-line reason if the export fails."""
    # Not imported at the top, where they would delay every dbt command by a second.
    from loaders.export.export import export, is_export_target, should_export
    from loaders.export.marts import ExportError, keep_artifacts
    from loaders.settings import SettingError

    try:
        if is_export_target(target_dir):
            keep_artifacts(target_dir)
        if should_export(target_dir):
            report = export(target_dir)
            for line in report.lines():
                fire_event(Note(msg=line), level=EventLevel.INFO)
            if report.failure:
                raise ExportError(report.failure)
    except (ExportError, SettingError) as error:
        fire_event(Note(msg=f"Export failed: {error}"), level=EventLevel.ERROR)
        raise ExceptionExit(DbtRuntimeError(str(error))) from error


plugins = [ExportAfterBuild]
