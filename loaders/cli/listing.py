"""List the pipelines with their tables, and the marts with their parents, as one JSON document.

`python -m loaders.cli.listing` is for programs that plan work without importing dlt or dbt.
"""

import re
from graphlib import TopologicalSorter
from typing import Any

import yaml

from loaders import web_logs
from loaders.cli.display import print_json
from loaders.export.marts import PREFIX
from loaders.settings import PROJECT
from loaders.sources import SOURCES
from loaders.sources.source import Source

MARTS = PROJECT / "dbt_project" / "models" / "serving"


def listing() -> dict[str, Any]:
    """Return each source's tables with the tables they wait for, the tables of the logs, and the
    marts with their parents. Parents come before children."""
    return {
        "sources": {name: tables(source) for name, source in SOURCES.items()},
        "logs": {web_logs.NAME: list(web_logs.TABLES)},
        "marts": marts(),
    }


def tables(source: Source) -> dict[str, list[str]]:
    """Return the tables of a source, each with the one that is extracted before it: details follow
    their list, and further details of it follow them."""
    last: dict[str, str] = {}
    found = {}
    for table in source.tables:
        parent = table.details_of or table.name
        found[table.name] = [last.get(parent, parent)] if table.details_of else []
        last[parent] = table.name
    return found


def marts() -> dict[str, list[str]]:
    """Return the marts in the order of their foreign keys, each with its parents."""
    parents = {
        model["name"].removeprefix(PREFIX): sorted(_parents(model) - {model["name"]})
        for file in sorted(MARTS.glob(f"{PREFIX}*.yml"))
        for model in yaml.safe_load(file.read_text(encoding="utf-8"))["models"]
    }
    parents = {
        name: [parent.removeprefix(PREFIX) for parent in models] for name, models in parents.items()
    }
    return {name: parents[name] for name in TopologicalSorter(parents).static_order()}


def _parents(model: dict[str, Any]) -> set[str]:
    """Return the models that a model's foreign keys lead to."""
    described = [model, *model.get("columns", [])]
    constraints = [each for one in described for each in one.get("constraints", [])]
    return {
        name
        for constraint in constraints
        if constraint["type"] == "foreign_key"
        for name in re.findall(r"ref\('(\w+)'\)", constraint["to"])
    }


if __name__ == "__main__":
    print_json(listing())
