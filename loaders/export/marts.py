"""What dbt's artifacts say of the marts: their contracts, and which of them a build proved.

A mart is a model named `rds_<table>`; the website's database calls it `<table>`.
"""

import json
import re
import shutil
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

PREFIX = "rds_"
PROVED = "proved"

Json = dict[str, Any]


class ExportError(Exception):
    """An export that can't go on. The message is one line: what, where, and what to do."""


class HeldBackError(ExportError):
    """A table that lost more rows than it may: it stays as it was, and the others go."""

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
class Mart:
    """A serving model and what its contract promises to the website."""

    model_id: str
    table: str
    relation: str
    """Where it lies in the warehouse, quoted."""
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    indexes: tuple[tuple[str, ...], ...]
    """From the model's `meta.rds_indexes`, and one for each foreign key."""
    max_delete_share: float
    """The model's `meta.rds_max_delete_share`: what it may lose whatever the setting says."""

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def parents(self) -> set[str]:
        return {key.parent for key in self.foreign_keys} - {self.table}


@dataclass(frozen=True)
class Proof:
    """What a build proved: the marts to export, parents first, and why the others stay out."""

    marts: tuple[Mart, ...]
    kept_out: dict[str, str]


def read_manifest(target_dir: Path) -> Json:
    """dbt's `manifest.json`. Raises ExportError where it is missing or unreadable."""
    return _read_json(target_dir / "manifest.json")


def read_run_results(target_dir: Path) -> Json:
    """dbt's `run_results.json`. Raises ExportError where it is missing, unreadable, or of another
    command than `dbt build`, which alone both builds and tests."""
    path = target_dir / "run_results.json"
    run_results = _read_json(path)
    if (command := run_results["args"]["which"]) != "build":
        raise ExportError(
            f"{path} is of `dbt {command}`, which proves no mart: run `dbt build` first"
        )
    return run_results


def keep_proof(target_dir: Path) -> None:
    """Keeps what a build proved, because other commands of dbt, and builds of targets that export
    nothing, write over its artifacts."""
    (target_dir / PROVED).mkdir(exist_ok=True)
    for name in ("manifest.json", "run_results.json"):
        shutil.copy(target_dir / name, target_dir / PROVED / name)


def last_build(target_dir: Path) -> Path:
    """The folder with the artifacts of the last build: dbt's own, unless a later command wrote
    over them and a copy is there."""
    try:
        manifest, run_results = read_manifest(target_dir), read_run_results(target_dir)
        if manifest["metadata"]["invocation_id"] == run_results["metadata"]["invocation_id"]:
            return target_dir
    except ExportError:
        pass
    kept = target_dir / PROVED
    return kept if kept.is_dir() else target_dir


def _read_json(path: Path) -> Json:
    try:
        content: Json = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError(f"{path} is not there: run `dbt build` first") from None
    except ValueError as error:
        raise ExportError(f"{path} is no JSON ({error}): run `dbt build` again") from None
    return content


def prove(manifest: Json, run_results: Json) -> Proof:
    """Which marts go: built in this run, every test of theirs passed, and every parent goes too.

    Raises ExportError where the build read only a part of the rows, and as `in_order` does.
    """
    if run_results["args"].get("empty") or run_results["args"].get("sample"):
        raise ExportError(
            "the last `dbt build` read a part of the rows only (--empty or --sample), which is "
            "never exported: run `dbt build` first"
        )
    marts = in_order([mart(node) for node in manifest["nodes"].values() if _is_mart(node)])
    statuses = {result["unique_id"]: result["status"] for result in run_results["results"]}
    tests = _tests_by_model(manifest)
    unproven = {
        each.table: reason
        for each in marts
        if (reason := _why_unproven(each.model_id, manifest, statuses, tests))
    }
    return without(tuple(marts), unproven)


def in_order(marts: list[Mart]) -> list[Mart]:
    """Parents before children, then by name. Raises ExportError naming a cycle or lost parent."""
    by_table = {each.table: each for each in sorted(marts, key=lambda each: each.table)}
    for each in marts:
        if lost := each.parents - by_table.keys():
            raise ExportError(
                f"{PREFIX}{each.table} has a foreign key to {PREFIX}{min(lost)}, which is no model"
            )
    sorter = TopologicalSorter({each.table: each.parents for each in by_table.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise ExportError(
            f"the foreign keys go round: {cycle}; take one of them out of the contracts"
        ) from None
    order: list[Mart] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += [by_table[table] for table in ready]
        sorter.done(*ready)
    return order


def mart(node: Json) -> Mart:
    """A Mart from its node in the manifest. Raises ExportError where the contract is too weak."""
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
    meta = node["config"].get("meta", {})
    indexes = [tuple(index) for index in meta.get("rds_indexes", [])]
    if unknown := {column for index in indexes for column in index} - node["columns"].keys():
        raise ExportError(f"{name}: meta.rds_indexes names {min(unknown)}, which is no column")
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
        indexes=tuple(dict.fromkeys([*indexes, *(key.columns for key in foreign_keys)])),
        max_delete_share=float(meta.get("rds_max_delete_share", 0)),
    )


def _is_mart(node: Json) -> bool:
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


def _foreign_key(model: str, constraint: Json) -> ForeignKey:
    """dbt writes `to` (a relation, or `ref('…')` before it compiled) and `to_columns`, or else
    the author's `expression`: `schema.table (column, …)`."""
    to, to_columns = constraint.get("to"), constraint.get("to_columns") or []
    if not to:
        to, _, columns = (constraint.get("expression") or "").partition("(")
        to_columns = re.findall(r"\w+", columns)
    parent = re.search(rf"\b{PREFIX}(\w+)\W*$", to)
    if not parent or not to_columns:
        raise ExportError(
            f"{model}: a foreign key on {', '.join(constraint['columns'])} names no mart and "
            f"column: give it `to: ref('{PREFIX}…')` and `to_columns`"
        )
    return ForeignKey(tuple(constraint["columns"]), parent[1], tuple(to_columns))


def _tests_by_model(manifest: Json) -> dict[str, list[Json]]:
    """The tests of each model: a generic test is of the model it stands with, so that orphans
    keep the child out and not its parent; any other is of every model that it reads."""
    tests: dict[str, list[Json]] = {}
    for test in [*manifest["nodes"].values(), *manifest["unit_tests"].values()]:
        if test["resource_type"] not in ("test", "unit_test"):
            continue
        attached = test.get("attached_node")
        for model_id in [attached] if attached else test["depends_on"]["nodes"]:
            tests.setdefault(model_id, []).append(test)
    return tests


def _why_unproven(
    model_id: str, manifest: Json, statuses: dict[str, str], tests: dict[str, list[Json]]
) -> str | None:
    status = statuses.get(model_id)
    if status is None:
        return "it was not built in this run"
    if status == "skipped":
        return f"it was skipped: {_root_causes(model_id, manifest, statuses, tests)}"
    if status != "success":
        return "its build failed"
    return (
        "; ".join(
            f"its test {test['name']} {_outcome(statuses.get(test['unique_id']))}"
            for test in tests.get(model_id, [])
            if statuses.get(test["unique_id"]) not in ("pass", "warn")
        )
        or None
    )


def without(marts: tuple[Mart, ...], staying: dict[str, str]) -> Proof:
    """The marts, parents first, that go where some stay out, each with its reason: a child stays
    out with its parent."""
    kept_out: dict[str, str] = {}
    for each in marts:
        reason = staying.get(each.table) or _why_parentless(each, kept_out)
        if reason:
            kept_out[each.table] = reason
    return Proof(tuple(each for each in marts if each.table not in kept_out), kept_out)


def _why_parentless(each: Mart, kept_out: dict[str, str]) -> str | None:
    missing = sorted(each.parents & kept_out.keys())
    return f"its parent {', '.join(missing)} stays out" if missing else None


def _root_causes(
    model_id: str, manifest: Json, statuses: dict[str, str], tests: dict[str, list[Json]]
) -> str:
    """The failed nodes, and failed tests on nodes, that the model is built from."""
    found: set[str] = set()
    seen: set[str] = set()
    ahead = [model_id]
    while ahead:
        node_id = ahead.pop()
        if node_id in seen or node_id not in manifest["nodes"]:
            continue
        seen.add(node_id)
        node = manifest["nodes"][node_id]
        ahead += node["depends_on"].get("nodes", [])
        for each in (node, *tests.get(node_id, [])):
            if statuses.get(each["unique_id"]) in ("error", "fail", "runtime error"):
                found.add(each["name"])
    return f"{', '.join(sorted(found))} failed" if found else "the run ended before it"


def _outcome(status: str | None) -> str:
    return {None: "did not run", "fail": "failed", "skipped": "was skipped"}.get(
        status, "could not run"
    )
