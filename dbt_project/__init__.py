"""The dbt plug-in: `dbt build` ends with the export to the website's database.

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
    """Exports once `dbt build` has written its results; an interrupted build never gets there."""

    def initialize(self) -> None:
        self.ended = False
        self.target_dir: Path | None = None
        add_callback_to_manager(self.on_event)

    def on_event(self, event: Any) -> None:
        if event.info.name == "EndRunResult":
            self.ended = True
        elif event.info.name == "ArtifactWritten" and self.ended:
            self.target_dir = Path(event.data.artifact_path).parent
        elif event.info.name == "CommandCompleted" and self.target_dir:
            target_dir, self.target_dir = self.target_dir, None
            if get_flags().WHICH == "build":  # type: ignore[no-untyped-call]
                export(target_dir)


def export(target_dir: Path) -> None:
    """Ends dbt with a failure, and one line that says why, where the export fails."""
    # Not at the top: they take a second, and every dbt command would wait for them.
    from loaders.export.export import export, exports, is_of_exporting_target
    from loaders.export.marts import ExportError, keep_proof
    from loaders.settings import SettingError

    try:
        if is_of_exporting_target(target_dir):
            keep_proof(target_dir)
        if exports(target_dir):
            report = export(target_dir)
            for line in report.lines():
                fire_event(Note(msg=line), level=EventLevel.INFO)
            if report.failure:
                raise ExportError(report.failure)
    except (ExportError, SettingError) as error:
        fire_event(Note(msg=f"Export failed: {error}"), level=EventLevel.ERROR)
        raise ExceptionExit(DbtRuntimeError(str(error))) from error


plugins = [ExportAfterBuild]
