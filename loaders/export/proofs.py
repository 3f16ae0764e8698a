"""Which unit tests are proven: they passed, and nothing that their result depends on has changed.

A unit test proves code and not data, so a build takes it as proven while its fingerprint is the one
with which it passed. Proofs are kept by target in `<home>/unit_tests`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders import settings
from loaders.export.marts import UNIT_TESTS, Json, read_json
from loaders.files import replace_file

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

UNIT_TEST_MACRO = "materialization_unit_default"
IRRELEVANT = {"meta", "docs", "tags", "group", "access", "grants"}
"""Parts of a model's config that do not change the result of a unit test."""

Types = dict[tuple[str, str], list[Any]]
"""Columns of the warehouse's tables with their types, by schema and name."""


@dataclass(frozen=True)
class Proof:
    """When a unit test passed, and its fingerprint then."""

    fingerprint: str
    passed_at: str
    """ISO 8601, in KST."""


@dataclass(frozen=True)
class UnitTest:
    """What a command knows of a unit test before it begins."""

    fingerprint: str
    inputs: list[str]
    """Ids of the nodes that the tested model reads. Their columns have the fixtures' types."""
    proven_at: str | None
    """When it passed with this fingerprint. None if it must run."""


@dataclass(frozen=True)
class UnitTests:
    """The unit tests of a command, by id. Written to dbt's target folder."""

    invocation_id: str
    target: str
    unit_tests: dict[str, UnitTest]

    @property
    def proven(self) -> dict[str, str]:
        """The time of the proof of each proven unit test."""
        return {name: test.proven_at for name, test in self.unit_tests.items() if test.proven_at}

    def to_text(self) -> str:
        """Return one line for a person: how many are taken as proven, and the oldest proof."""
        oldest = datetime.fromisoformat(min(self.proven.values()))
        return (
            f"{len(self.proven)} of {len(self.unit_tests)} unit tests taken as proven "
            f"(oldest proof {oldest:%Y-%m-%d %H:%M} KST); their code is unchanged"
        )

    def write(self, path: str) -> None:
        Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def always() -> bool:
    """Return whether every unit test runs, proven or not. Raise SettingError."""
    return (
        settings.read(
            "unit_tests",
            "changed",
            settings.one_of("changed", "always"),
            "expected changed or always",
        )
        == "always"
    )


def proofs_file(target: str) -> Path:
    """Return the file of the proofs of a dbt target. They survive `dbt clean`."""
    return settings.home() / "unit_tests" / f"{target}.json"


def read_proofs(file: Path) -> dict[str, Proof]:
    """Return the proofs by unit test. A missing or unreadable file has none."""
    try:
        return {name: Proof(**proof) for name, proof in json.loads(file.read_bytes()).items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}


def describe(
    manifest: "Manifest", environment: Json, types: Types, proofs: dict[str, Proof]
) -> dict[str, UnitTest]:
    """Return each unit test with its fingerprint, and the time of its proof if that still fits.

    `environment` is what all of them depend on: versions and variables. `types` are the columns of
    the sources as they are in the warehouse.
    """
    find = Fingerprints(manifest, environment, types)
    tests: dict[str, UnitTest] = {}
    for name, test in manifest.unit_tests.items():
        fingerprint, proof = find.of_unit_test(name), proofs.get(name)
        fits = proof is not None and proof.fingerprint == fingerprint
        model = manifest.nodes[test.depends_on.nodes[0]]
        tests[name] = UnitTest(
            fingerprint, model.depends_on_nodes, proof.passed_at if proof and fits else None
        )
    return tests


class Fingerprints:
    """Hashes of all that the unit tests of a manifest depend on."""

    def __init__(self, manifest: "Manifest", environment: Json, types: Types) -> None:
        self._manifest = manifest
        self._environment = environment
        self._types = types
        self._macros_by_name: dict[str, list[str]] = {}
        for macro_id, macro in manifest.macros.items():
            self._macros_by_name.setdefault(undispatched(macro.name), []).append(macro_id)
        self._columns = cache(self._columns_of)
        self._calls = cache(self._calls_of)

    def of_unit_test(self, name: str) -> str:
        test = self._manifest.unit_tests[name]
        model = self._manifest.nodes[test.depends_on.nodes[0]]
        return _hash(
            self._environment,
            test.name,
            [given.to_dict() for given in test.given],
            test.expect.to_dict(),
            test.overrides and test.overrides.to_dict(),
            self._code(model),
            self._macros(self._macros_by_name[UNIT_TEST_MACRO]),
            self._columns(model.unique_id),
            {node: self._columns(node) for node in model.depends_on_nodes},
        )

    def _code(self, node: Any) -> Any:
        config = node.config.to_dict()
        return (
            node.raw_code,
            {key: value for key, value in config.items() if key not in IRRELEVANT},
            self._macros(node.depends_on.macros),
        )

    def _columns_of(self, node_id: str) -> str:
        """Return a hash of all that the columns of a node, and their types, depend on."""
        if node_id in self._manifest.sources:
            source = self._manifest.sources[node_id]
            return _hash(self._types.get((source.schema, source.identifier), []))
        node: Any = self._manifest.nodes.get(node_id) or self._manifest.functions[node_id]
        if node.resource_type == "seed":  # without a fixture, its rows are the input
            return _hash(node.checksum.checksum, node.config.to_dict())
        if node.resource_type == "model" and node.contract.enforced:
            return _hash({column.name: column.data_type for column in node.columns.values()})
        return _hash(
            self._code(node), {name: self._columns(name) for name in node.depends_on_nodes}
        )

    def _macros(self, macro_ids: Iterable[str]) -> str:
        """Return a hash of the macros and all that they call."""
        reached: set[str] = set()
        to_visit = list(macro_ids)
        while to_visit:
            macro_id = to_visit.pop()
            if macro_id not in reached:
                reached.add(macro_id)
                to_visit += self._calls(macro_id)
        return _hash({macro_id: self._manifest.macros[macro_id].macro_sql for macro_id in reached})

    def _calls_of(self, macro_id: str) -> list[str]:
        """Return the macros that a macro calls, and all of the same name that dispatch may choose
        in their place."""
        return [
            namesake
            for called in (macro_id, *self._manifest.macros[macro_id].depends_on.macros)
            if called in self._manifest.macros
            for namesake in self._macros_by_name[undispatched(self._manifest.macros[called].name)]
        ]


def undispatched(macro_name: str) -> str:
    """Return a macro's name without the adapter: `default__concat` is `concat`."""
    return re.sub(r"^[a-z]+__", "", macro_name)


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def read_unit_tests(target_dir: Path, run_results: Json) -> UnitTests | None:
    """Return what the command with these results knew of its unit tests, or None."""
    try:
        content = json.loads((target_dir / UNIT_TESTS).read_bytes())
    except FileNotFoundError:
        return None
    tests = {name: UnitTest(**test) for name, test in content.pop("unit_tests").items()}
    is_same = content["invocation_id"] == run_results["metadata"]["invocation_id"]
    return UnitTests(**content, unit_tests=tests) if is_same else None


def record(target_dir: Path) -> None:
    """Keep the proofs of the unit tests that passed in the command whose artifacts are in
    `target_dir`, and forget those of unit tests that failed.

    A proof needs a build of all that the tested model reads, since the types of a fixture are those
    of the tables in the warehouse.
    """
    results = read_json(target_dir / "run_results.json")
    tests = read_unit_tests(target_dir, results)
    if not tests or any(results["args"].get(trial) for trial in ("empty", "sample", "defer")):
        return
    statuses = {result["unique_id"]: result["status"] for result in results["results"]}
    file = proofs_file(tests.target)
    proofs = read_proofs(file)
    now = datetime.now(settings.KST).isoformat(timespec="seconds")
    kept = {
        name: proof
        for name, test in tests.unit_tests.items()
        if (proof := _proof(test, proofs.get(name), statuses.get(name), statuses, now))
    }
    if kept != proofs:
        text = json.dumps({name: asdict(proof) for name, proof in kept.items()}, indent=2) + "\n"
        replace_file(file, text.encode())


def _proof(
    test: UnitTest, old: Proof | None, status: str | None, statuses: dict[str, str], now: str
) -> Proof | None:
    """Return the proof of a unit test after a command, or None."""
    if status in (None, "skipped"):
        return old
    built = all(
        node.startswith("source.") or statuses.get(node) in ("success", "pass")
        for node in test.inputs
    )
    if status == "pass" and built:
        return Proof(test.fingerprint, now)
    return old if status == "pass" else None
