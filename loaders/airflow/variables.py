"""Settings of the project that are variables of Airflow: JSON objects of names and values.

Airflow takes them from its secrets backend, the environment (`AIRFLOW_VAR_…`) or its database. They
win over the environment, and over `.dlt/secrets.toml`.
"""

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from loaders.airflow.project import Settings

LOADER, TRANSFORMER = "hello_korea_loader", "hello_korea_transformer"


def loader() -> Settings:
    """Return the settings of extract, stage and load."""
    return _read(LOADER)


def transformer() -> Settings:
    """Return the settings of the build and the export."""
    return _read(TRANSFORMER)


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
    return {setting: str(value) for setting, value in found.items()}
