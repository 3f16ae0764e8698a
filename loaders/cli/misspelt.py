"""Settings that are set and mean nothing, such as misspelt ones."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import dlt

from loaders import web_logs
from loaders.cli.enabled import PIPELINES
from loaders.settings import SettingError, environment_name
from loaders.sources import SOURCES

GENERAL = (
    *("answers.max_megabytes", "answers.max_pages", "answers.max_seconds"),
    *("lake.encryption", "lake.kms_key_id", "lake.url"),
    *("lake.credentials.aws_access_key_id", "lake.credentials.aws_secret_access_key"),
    *("lake.credentials.aws_session_token", "lake.credentials.endpoint_url"),
    *("lake.credentials.profile_name", "lake.credentials.region_name"),
    *("notify.urls", "runs.keep_days", "staging.keep_days", "warehouse.lock_timeout"),
    *("rds.lock_timeout", "rds.max_delete_share", "rds.max_null_share", "rds.statement_timeout"),
    *("rds.targets", "rds.url", "sources.enabled", "sources.remove_rows_of"),
)
OF_EACH_SOURCE = ("base_url", "daily_allowance", "parallel_calls", "service_key")
OF_WEB_LOGS = (
    "days",
    "engine",
    "first_date",
    "heavy_share",
    "heavy_users",
    "scale",
    "seed",
    "zipf",
)
SECTIONS = {name.partition(".")[0] for name in GENERAL}
"""Sections of the names that are searched. dlt has settings of its own in other ones."""
NEAR = 0.8
"""How alike two names are, from 0 to 1, for one to be taken for a misspelling of the other."""


class UnknownSettingError(SettingError):
    """Raised for a setting that does not exist."""

    def __init__(self, name: str, expected: str) -> None:
        Exception.__init__(self, f"{name} is not a setting: expected {expected}")


def check() -> None:
    """Raise UnknownSettingError for a setting that is like one of this project, but is none."""
    known = _known()
    for name in sorted(_set_names() - known):
        section, _, rest = name.partition(".")
        near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
        of_pipeline = section == "sources" and rest.partition(".")[0] in PIPELINES
        if near or of_pipeline:
            expected = environment_name(near[0]) if near else "one of docs/settings.md"
            raise UnknownSettingError(environment_name(name), expected)


def _known() -> set[str]:
    names = set(GENERAL) | {f"sources.{web_logs.NAME}.{name}" for name in OF_WEB_LOGS}
    for source in SOURCES.values():
        names |= {f"sources.{source.name}.{name}" for name in (*OF_EACH_SOURCE, *source.options)}
        names |= {f"sources.{source.name}.{table.name}.contract" for table in source.tables}
    return names


def _set_names() -> set[str]:
    """Return the names that the environment and the files set, in dlt's dotted form."""
    names = {name.replace("__", ".").lower() for name in os.environ if "__" in name}
    for provider in dlt.config.config_providers:
        if hasattr(provider, "to_toml"):
            names |= set(_flat(tomllib.loads(provider.to_toml())))
    return {name for name in names if name.partition(".")[0] in SECTIONS}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}".lower()
