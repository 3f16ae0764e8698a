"""`dlt pipeline … run`: this project's part of dlt's command line, found by entry point.

dlt imports this module at every start, so it imports the rest only when a command runs.
"""

import argparse
import os
import sys
from typing import Any

from dlt.common.configuration import plugins
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.runtime.run_context import RunContext


class _HomeContext(RunContext):
    """dlt's settings are the checkout's, from whatever folder it is called; its working folders
    lie in the project's home, where dlt's other commands find them too."""

    @property
    def data_dir(self) -> str:
        from loaders.settings import home

        return str(home() / "dlt")

    def initialize_runtime(self, runtime_config: RuntimeConfiguration = None) -> None:  # type: ignore[assignment]
        """dlt reads its own settings at its start, before any command; a wrong one ends it here."""
        try:
            super().initialize_runtime(runtime_config)
        except ConfigValueCannotBeCoercedException as error:
            name = f"RUNTIME__{error.field_name.upper()}"
            wants = getattr(error.hint, "__name__", str(error.hint))
            print(f"{name} is {error.field_value!r}: wants {wants}", file=sys.stderr)
            sys.exit(2)


@plugins.hookimpl(specname="plug_run_context")
def plug_run_context(run_dir: str | None, runtime_kwargs: dict[str, Any] | None) -> RunContext:
    from loaders.settings import PROJECT

    return _HomeContext(str(PROJECT))


@plugins.hookimpl(specname="plug_cli")
@plugins.only_host("dlt")
def plug_cli(host: str) -> type[plugins.SupportsCliCommand]:
    return RunCommand


class RunCommand(plugins.SupportsCliCommand):
    """Reads the words of a command and hands them over as values."""

    command = "run"
    parent = "pipeline"
    help_string = "Runs a pipeline of Hello Korea (all of them when none is named)"
    description = (
        "Extracts, stages and loads. An answer that is kept is never asked for again."
        " `dlt pipeline rds run` exports again what the last dbt build proved."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", help="a KST date, or a range such as 2026-11-01..2026-11-22")
        parser.add_argument("--only", choices=("extract", "stage", "load"), help="one phase alone")
        parser.add_argument("--table", help="one table alone")
        parser.add_argument(
            "--refresh", action="store_true", help="ask again, and keep both answers"
        )
        parser.add_argument(
            "--plan", action="store_true", help="print the calls that a run would make; make none"
        )
        parser.add_argument(
            "--scale", help="of web_logs: 1 for 400 million clicks (SOURCES__WEB_LOGS__SCALE)"
        )

    def execute(self, args: argparse.Namespace) -> None:
        from loaders import commands

        try:
            code, message = commands.run(
                args.pipeline_name,
                args.date,
                args.only,
                args.table,
                args.refresh,
                args.plan,
                args.scale,
            )
        except KeyboardInterrupt:
            code, message = 130, "interrupted: what came is kept, and the next run goes on from it"
        _end(code, message)


class RejectedCommand(plugins.SupportsCliCommand):
    """Reads the words of a command and hands them over as values."""

    command = "rejected"
    parent = "pipeline"
    help_string = "Lists the rows that a pipeline of Hello Korea rejected, and why"
    description = (
        "Each with its date, the reason and the raw file it came from. After a change of the"
        " reader, `dlt pipeline <name> run --date <its date>` takes it in from raw, without a call."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", help="a KST date, or a range such as 2026-11-01..2026-11-22")
        parser.add_argument("--table", help="one table alone")

    def execute(self, args: argparse.Namespace) -> None:
        from loaders import commands

        _end(*commands.rejected(args.pipeline_name, args.date, args.table))


class RejectedPlugin:
    """A plug-in of its own: dlt takes one command of each."""

    @staticmethod
    @plugins.hookimpl(specname="plug_cli")
    @plugins.only_host("dlt")
    def plug_cli(host: str) -> type[plugins.SupportsCliCommand]:
        return RejectedCommand


def _end(code: int, message: str) -> None:
    if code:
        print(message, file=sys.stderr)
        sys.exit(code)


os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
