"""Read the marts from dbt's artifacts: their contracts, and which of them to export.

A mart is a model named `rds_<table>`. In the website's database its name is `<table>`.
"""

import json
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

PREFIX = "rds_"
UPDATED_AT = "updated_at"
"""Column that the export adds to each table: when the row last changed there."""
UNIT_TESTS = "unit_tests.json"
"""Artifact in dbt's target folder: what a command knew of each unit test before it began."""

Json = dict[str, Any]


class ExportError(Exception):
    """Raised when an export can't continue. The message is one line with the place and remedy."""


class HeldBackError(ExportError):
    """Raised for a table that can't be exported. It is held back with its children, and the others
    are exported."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"{table}: {reason}")
        self.table = table
        self.reason = reason


@dataclass(frozen=True)
class Column:
    name: str
    data_type: str
    description: str
    not_null: bool


@dataclass(frozen=True)
class ForeignKey:
    columns: tuple[str, ...]
    parent: str
    """The parent's table, without `rds_`."""
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """An index of an exported table: on columns, or on the `expressions` of an access method."""

    columns: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    """SQL expressions, each with its operator class if it needs one."""
    method: str = "btree"
    where: str | None = None
    """Condition of a partial index."""
    unique: bool = False
    extension: str | None = None
    """Extension of PostgreSQL without which the index is left out."""

    @property
    def is_plain(self) -> bool:
        """Whether the index is a b-tree of all rows on columns, as any other program makes it."""
        return self == Index(self.columns)


@dataclass(frozen=True)
class Mart:
    """A serving model and its contract with the website."""

    model_id: str
    table: str
    relation: str
    """Quoted name in the warehouse."""
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    indexes: tuple[Index, ...]
    """From the model's `meta.rds_indexes`, one for each foreign key, and one on `updated_at`."""
    max_delete_share: float
    """The model's `meta.rds_max_delete_share`: share of rows that an export may delete even if the
    setting allows fewer."""

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def parents(self) -> set[str]:
        return {key.parent for key in self.foreign_keys} - {self.table}


@dataclass(frozen=True)
class Selection:
    """The marts to export, and why the others are kept out."""

    marts: tuple[Mart, ...]
    """Parents before children."""
    kept_out: dict[str, str]
    """Table to reason."""


def read_manifest(target_dir: Path) -> Json:
    """Return dbt's `manifest.json`. Raise ExportError if it is missing or unreadable."""
    return read_json(target_dir / "manifest.json")


def read_run_results(target_dir: Path) -> Json:
    """Return dbt's `run_results.json`.

    Raise ExportError if it is missing, unreadable, or of another command than `dbt build`, the only
    one that both builds and tests.
    """
    path = target_dir / "run_results.json"
    run_results = read_json(path)
    if (command := run_results["args"]["which"]) != "build":
        raise ExportError(
            f"{path} is of `dbt {command}`, which does not build and test: run `dbt build` first"
        )
    return run_results


def read_json(path: Path) -> Json:
    """Return an artifact of dbt. Raise ExportError if it is missing or unreadable."""
    try:
        content: Json = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError(f"{path} does not exist: run `dbt build` first") from None
    except ValueError as error:
        raise ExportError(f"{path} is not JSON ({error}): run `dbt build` again") from None
    return content


def keep_out(
    marts: tuple[Mart, ...], reasons: dict[str, str], unproven: dict[str, str] | None = None
) -> Selection:
    """Select all marts except those with a reason, by table, and the children of those.

    `unproven` are reasons that do not keep out the children. The marts must be sorted parents
    first.
    """
    kept_out: dict[str, str] = {}
    for mart in marts:
        reason = reasons.get(mart.table) or _missing_parents(mart, kept_out)
        if reason:
            kept_out[mart.table] = reason
    kept_out = {**(unproven or {}), **kept_out}
    return Selection(
        tuple(mart for mart in marts if mart.table not in kept_out),
        {mart.table: kept_out[mart.table] for mart in marts if mart.table in kept_out},
    )


def sort_parents_first(marts: list[Mart]) -> list[Mart]:
    """Sort parents before children, then by name. Raise ExportError for a cycle of foreign keys or
    a parent that does not exist."""
    by_table = {mart.table: mart for mart in sorted(marts, key=lambda mart: mart.table)}
    for mart in marts:
        if missing := mart.parents - by_table.keys():
            raise ExportError(
                f"{PREFIX}{mart.table} has a foreign key to {PREFIX}{min(missing)}, "
                "which is not a model"
            )
    sorter = TopologicalSorter({mart.table: mart.parents for mart in by_table.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise ExportError(
            f"the foreign keys form a cycle: {cycle}; remove one of them from the contracts"
        ) from None
    order: list[Mart] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += [by_table[table] for table in ready]
        sorter.done(*ready)
    return order


def parse_mart(node: Json) -> Mart:
    """Return the mart of a node in the manifest.

    Raise ExportError if the contract is not enforced, has no primary key, or is wrong.
    """
    name = node["name"]
    constraints = [
        {**constraint, "columns": constraint.get("columns") or [column["name"]]}
        for column in node["columns"].values()
        for constraint in column["constraints"]
    ] + node["constraints"]
    primary_key = _columns_of("primary_key", constraints)
    if not node["contract"]["enforced"] or not primary_key:
        raise ExportError(f"{name} has no enforced contract with a primary key: add them")
    not_null = {*primary_key, *_columns_of("not_null", constraints)}
    foreign_keys = tuple(
        dict.fromkeys(
            _foreign_key(name, constraint)
            for constraint in constraints
            if constraint["type"] == "foreign_key"
        )
    )
    if UPDATED_AT in node["columns"]:
        raise ExportError(f"{name}: the export itself adds {UPDATED_AT}: name the column otherwise")
    meta = node["config"].get("meta", {})
    indexes = [_index(name, index) for index in meta.get("rds_indexes", [])]
    if (
        unknown := {column for index in indexes for column in index.columns}
        - node["columns"].keys()
    ):
        raise ExportError(f"{name}: meta.rds_indexes names {min(unknown)}, which is not a column")
    indexes += [Index(key.columns) for key in foreign_keys]
    indexes.append(Index((UPDATED_AT,)))
    return Mart(
        model_id=node["unique_id"],
        table=name.removeprefix(PREFIX),
        relation=node["relation_name"],
        description=node["description"].strip(),
        columns=tuple(
            Column(
                name=column["name"],
                data_type=column["data_type"],
                description=column["description"].strip(),
                not_null=column["name"] in not_null,
            )
            for column in node["columns"].values()
        ),
        primary_key=primary_key,
        foreign_keys=foreign_keys,
        indexes=tuple(dict.fromkeys(indexes)),
        max_delete_share=float(meta.get("rds_max_delete_share", 0)),
    )


def is_mart(node: Json) -> bool:
    return node["resource_type"] == "model" and str(node["name"]).startswith(PREFIX)


def _columns_of(kind: str, constraints: list[Json]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            column
            for constraint in constraints
            if constraint["type"] == kind
            for column in constraint["columns"]
        )
    )


def _index(model: str, entry: object) -> Index:
    """Return the index of an entry of `meta.rds_indexes`: a list of columns, or a mapping with
    `columns` or `expressions`, and the other fields of Index. Raise ExportError."""
    if isinstance(entry, list):
        return Index(tuple(entry))
    fields = dict(entry) if isinstance(entry, dict) else {}
    unknown = fields.keys() - Index.__dataclass_fields__.keys()
    if unknown or bool(fields.get("columns")) == bool(fields.get("expressions")):
        raise ExportError(
            f"{model}: meta.rds_indexes has {entry}; expected a list of columns, or a mapping with "
            f"columns or expressions, and of {', '.join(Index.__dataclass_fields__)} nothing else"
        )
    for name in ("columns", "expressions"):
        fields[name] = tuple(fields.get(name, ()))
    return Index(**fields)


def _foreign_key(model: str, constraint: Json) -> ForeignKey:
    """Return the foreign key of a constraint.

    dbt writes `to` (a relation, or `ref('…')` if it is not compiled) and `to_columns`, or the
    author's `expression`: `schema.table (column, …)`.
    """
    to, to_columns = constraint.get("to"), constraint.get("to_columns") or []
    if not to:
        to, _, columns = (constraint.get("expression") or "").partition("(")
        to_columns = re.findall(r"\w+", columns)
    parent = re.search(rf"\b{PREFIX}(\w+)\W*$", to)
    if not parent or not to_columns:
        raise ExportError(
            f"{model}: the foreign key on {', '.join(constraint['columns'])} does not name a mart "
            f"and a column: give it `to: ref('{PREFIX}…')` and `to_columns`"
        )
    return ForeignKey(tuple(constraint["columns"]), parent[1], tuple(to_columns))


def tests_by_model(manifest: Json) -> dict[str, list[Json]]:
    """Return the tests of each model, by its id.

    A generic test belongs to the model that declares it, so that orphans keep out the child and not
    its parent. Any other test belongs to every model that it reads.
    """
    tests: dict[str, list[Json]] = {}
    for test in [*manifest["nodes"].values(), *manifest["unit_tests"].values()]:
        if test["resource_type"] not in ("test", "unit_test"):
            continue
        attached = test.get("attached_node")
        for model_id in [attached] if attached else test["depends_on"]["nodes"]:
            tests.setdefault(model_id, []).append(test)
    return tests


def _missing_parents(mart: Mart, kept_out: dict[str, str]) -> str | None:
    missing = sorted(mart.parents & kept_out.keys())
    return f"its parent {', '.join(missing)} was kept out" if missing else None


def root_causes(
    model_id: str, manifest: Json, statuses: dict[str, str], tests: dict[str, list[Json]]
) -> str:
    """Return the names of the failed nodes upstream of a model, and of the failed tests on them."""
    failed: set[str] = set()
    visited: set[str] = set()
    to_visit = [model_id]
    while to_visit:
        node_id = to_visit.pop()
        if node_id in visited or node_id not in manifest["nodes"]:
            continue
        visited.add(node_id)
        node = manifest["nodes"][node_id]
        to_visit += node["depends_on"].get("nodes", [])
        failed |= {
            candidate["name"]
            for candidate in (node, *tests.get(node_id, []))
            if statuses.get(candidate["unique_id"]) in ("error", "fail", "runtime error")
        }
    return f"{', '.join(sorted(failed))} failed" if failed else "the run ended before it"
