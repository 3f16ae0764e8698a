"""Settings of the project that are variables of Airflow.

A JSON object of names and values for each role, and a variable for each key. Airflow takes them
from its secrets backend, the environment (`AIRFLOW_VAR_…`) or its database. They win over the
environment, and over `.dlt/secrets.toml`.
"""

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from loaders.airflow import listing
from loaders.airflow.project import Settings

LOADER, TRANSFORMER = "hello_korea_loader", "hello_korea_transformer"
HIDDEN = "***"
"""What Airflow's pages show, and save with an edit, instead of a secret in a JSON object."""


def loader() -> Settings:
    """Return the settings of extract, stage and load."""
    keys = {name: Variable.get(name, default="") for name in map(_key, listing.read()["sources"])}
    return {**_read(LOADER), **{name: value for name, value in keys.items() if value}}


def transformer() -> Settings:
    """Return the settings of the build and the export."""
    return _read(TRANSFORMER)


def _key(source: str) -> str:
    return f"SOURCES__{source.upper()}__SERVICE_KEY"


def _read(name: str) -> Settings:
    try:
        found = Variable.get(name, default={}, deserialize_json=True)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise AirflowFailException(
            f"the variable {name} is not a JSON object: expected names and values of settings, such"
            ' as {"NOTIFY__URLS": "…"}'
        )
    if hidden := [setting for setting, value in found.items() if value == HIDDEN]:
        raise AirflowFailException(
            f"the variable {name} has {HIDDEN} for {', '.join(hidden)}, which an edit on a page of"
            " Airflow saves: write the values again, and keep keys in variables of their own, such"
            f" as {_key('tour')}"
        )
    return {setting: str(value) for setting, value in found.items()}
