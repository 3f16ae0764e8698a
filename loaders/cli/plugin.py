"""The plug-in that adds `dlt pipeline … run` to dlt's command line, found by entry point.

dlt imports this module at every start. So it imports the commands only when one runs.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from dlt.common.configuration import plugins, resolve_configuration
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException
from dlt.common.configuration.providers import ConfigProvider
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.runtime.run_context import RunContext

LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


class _HomeContext(RunContext):
    """Makes dlt read the settings of the checkout, and keep its state in the project's home.

    So dlt's commands work in any folder, and find the pipelines of this project.
    """

    @property
    def data_dir(self) -> str:
        from loaders.settings import home

        return str(home() / "dlt")

    def initialize_runtime(self, runtime_config: RuntimeConfiguration = None) -> None:  # type: ignore[assignment]
        """Exit with one line if one of dlt's own settings is wrong. dlt reads them at its start."""
        try:
            config = runtime_config or resolve_configuration(RuntimeConfiguration())
            if config.log_format.lower() == "json":
                config.log_format = "JSON"  # dlt knows it in capitals only
            if config.log_level.upper() not in LEVELS:
                _refuse(f"RUNTIME__LOG_LEVEL is {config.log_level!r}: expected {', '.join(LEVELS)}")
            super().initialize_runtime(config)
        except ConfigValueCannotBeCoercedException as error:
            name = f"RUNTIME__{error.field_name.upper()}"
            expected = getattr(error.hint, "__name__", str(error.hint))
            _refuse(f"{name} is {error.field_value!r}: expected {expected}")

    def initial_providers(self) -> list[ConfigProvider]:
        """Exit with one line if a file of settings is no TOML."""
        try:
            return super().initial_providers()
        except TomlProviderReadException as error:
            *_, reason = str(error).splitlines()
            file = error.full_paths[0]
            _refuse(f"{file} can't be read as TOML, for example without a closing quote: {reason}")


def _refuse(line: str) -> NoReturn:
    print(line, file=sys.stderr)
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
    """`dlt pipeline [NAME] run`."""

    command = "run"
    parent = "pipeline"
    help_string = "Run one pipeline of Hello Korea, or all of them"
    description = (
        "Extract, stage and load. A response that is kept is never requested again."
        " `dlt pipeline rds run` repeats the export of the last dbt build."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", help="a KST date, or a range such as 2026-11-01..2026-11-22")
        parser.add_argument(
            "--only", choices=("extract", "stage", "load"), help="run only this phase"
        )
        parser.add_argument("--table", help="only this table")
        parser.add_argument(
            "--refresh", action="store_true", help="extract again, and keep both extractions"
        )
        parser.add_argument(
            "--plan", action="store_true", help="print the calls of a run, without making them"
        )
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="load every date of the lake again, without a call; of all pipelines, also rebuild"
            " the histories and the models",
        )
        parser.add_argument(
            "--scale", help="size of web_logs; 1 is 400 million clicks (SOURCES__WEB_LOGS__SCALE)"
        )
        parser.add_argument(
            "--output",
            choices=("text", "json"),
            default="text",
            help="json: print one JSON document to standard output, and the log to standard error",
        )

    def execute(self, args: argparse.Namespace) -> None:
        from loaders.cli import commands

        arguments = commands.RunArguments(
            args.date,
            args.only,
            args.table,
            args.refresh,
            args.plan,
            args.scale,
            args.rebuild,
            is_json=args.output == "json",
        )
        _execute(partial(commands.run, args.pipeline_name, arguments))


class RejectedCommand(plugins.SupportsCliCommand):
    """`dlt pipeline [NAME] rejected`."""

    command = "rejected"
    parent = "pipeline"
    help_string = "List the rows that a pipeline of Hello Korea rejected, and why"
    description = (
        "Each row has its date, the reason and its raw file. After a fix of the reader,"
        " `dlt pipeline <name> run --date <date>` stages it again from raw, without a call."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", help="a KST date, or a range such as 2026-11-01..2026-11-22")
        parser.add_argument("--table", help="only this table")

    def execute(self, args: argparse.Namespace) -> None:
        from loaders.cli import commands

        _execute(partial(commands.rejected, args.pipeline_name, args.date, args.table))


class StatusCommand(plugins.SupportsCliCommand):
    """`dlt pipeline [NAME] status`."""

    command = "status"
    parent = "pipeline"
    help_string = "Show how old the data of Hello Korea is, and why"
    description = (
        "For each table: its newest complete date, its age, and what the last run did. For each"
        " mart: when it was last exported, and why not since. Exits with 1 if something is late."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--output", choices=("text", "json"), default="text")

    def execute(self, args: argparse.Namespace) -> None:
        from loaders.cli import status

        _execute(partial(status.status, args.pipeline_name, args.output))


class CheckCommand(plugins.SupportsCliCommand):
    """`dlt pipeline [NAME] check`."""

    command = "check"
    parent = "pipeline"
    help_string = "Compare what the APIs return with the columns of Hello Korea's tables"
    description = (
        "One call a table, and another for an earlier time if today has no rows yet. Nothing is"
        " kept. Exits with 1 if a field is new or missing, or an API does not answer."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--output", choices=("text", "json"), default="text")

    def execute(self, args: argparse.Namespace) -> None:
        from loaders.cli import check

        _execute(partial(check.check, args.pipeline_name, args.output))


class VerifyCommand(plugins.SupportsCliCommand):
    """`dlt pipeline [NAME] verify`."""

    command = "verify"
    parent = "pipeline"
    help_string = "Compare what Hello Korea keeps with what is recorded of it"
    description = (
        "Each response and staged file with its checksum, the warehouse with the staged files, and"
        " the website's database with the marts. No API is called. Exits with 1 if something"
        " differs. `dlt pipeline rds verify` compares the website's database alone."
    )
    docs_url = None

    def configure_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", help="a KST date, or a range such as 2026-11-01..2026-11-22")
        parser.add_argument("--table", help="only this table")
        parser.add_argument(
            "--repair", action="store_true", help="put right what can be derived from the rest"
        )

    def execute(self, args: argparse.Namespace) -> None:
        from loaders.cli import verify

        arguments = verify.VerifyArguments(args.date, args.table, args.repair)
        _execute(partial(verify.verify, args.pipeline_name, arguments))


class VerifyPlugin:
    """A plug-in of its own, because dlt takes one command from each."""

    @staticmethod
    @plugins.hookimpl(specname="plug_cli")
    @plugins.only_host("dlt")
    def plug_cli(host: str) -> type[plugins.SupportsCliCommand]:
        return VerifyCommand


class CheckPlugin:
    """A plug-in of its own, because dlt takes one command from each."""

    @staticmethod
    @plugins.hookimpl(specname="plug_cli")
    @plugins.only_host("dlt")
    def plug_cli(host: str) -> type[plugins.SupportsCliCommand]:
        return CheckCommand


class StatusPlugin:
    """A plug-in of its own, because dlt takes one command from each."""

    @staticmethod
    @plugins.hookimpl(specname="plug_cli")
    @plugins.only_host("dlt")
    def plug_cli(host: str) -> type[plugins.SupportsCliCommand]:
        return StatusCommand


class RejectedPlugin:
    """A second plug-in, because dlt takes one command from each."""

    @staticmethod
    @plugins.hookimpl(specname="plug_cli")
    @plugins.only_host("dlt")
    def plug_cli(host: str) -> type[plugins.SupportsCliCommand]:
        return RejectedCommand


def _execute(command: Callable[[], tuple[int, str]]) -> None:
    """Run a command, and exit with its code and its last line unless it succeeds."""
    from loaders.cli.display import print_error

    try:
        code, message = command()
    except KeyboardInterrupt:
        code = 130
        message = "interrupted: finished work is kept, and the next run continues from there"
    except Exception as error:
        code, message = 1, _unexpected(error)
    if code:
        print_error(message)
        sys.exit(code)


def _unexpected(error: Exception) -> str:
    """Write the traceback of an error that nothing else handles. Return the line to print."""
    from loaders.errors import one_line
    from loaders.settings import home

    file = home() / "error.log"
    with suppress(OSError):  # the disk may be full
        file.write_text("".join(traceback.format_exception(error)), "utf-8")
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}:"
        f" {one_line(error)}. This is a fault of the program: please report it with {file}"
    )


os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
