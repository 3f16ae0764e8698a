"""What is proven of each mart: its newest build, and the newest result of each of its tests.

Every dbt command that builds or tests adds its results, so a partial build renews the proofs of
what it built and leaves the others as they are. They are kept by target in `<home>/proofs`, beside
the newest manifest and the results of the last `dbt build`, wherever dbt writes its own artifacts.
"""

import fcntl
import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from loaders import settings
from loaders.export.marts import (
    ExportError,
    Json,
    Mart,
    Selection,
    is_mart,
    keep_out,
    parse_mart,
    read_json,
    read_manifest,
    root_causes,
    sort_parents_first,
    tests_by_model,
)
from loaders.export.proofs import IRRELEVANT, read_unit_tests, undispatched
from loaders.files import replace_file

KEPT = "kept.json"
COMMANDS = ("build", "run", "test")
"""Commands whose results are added. Others leave the marts and their tests as they are."""
TRIAL = "trial"
"""Status of a mart whose last build read only a part of the rows."""
LAST_BUILD_ARGS = ("project_dir", "profiles_dir", "profile", "target", "vars")


@dataclass(frozen=True)
class Proof:
    """The newest result of a mart's build or of a test."""

    status: str
    """As in dbt's results, or `trial`."""
    at: str
    """Time of the result, ISO 8601, in UTC."""
    code: str
    """Hash of the code of the model or test."""
    builds: dict[str, str] = field(default_factory=dict)
    """For a test: the time of the build of each mart that it read."""
    reason: str | None = None
    """Why a model was skipped."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a dbt target."""

    run_id: str = ""
    """Invocation id of the last `dbt build`."""
    args: Json = field(default_factory=dict)
    """Arguments of the last `dbt build` that name the project and its profile."""
    built_at: str = ""
    """Time of the last `dbt build`, ISO 8601, in UTC."""
    recorded_at: str = ""
    """Time of the newest command."""
    proofs: dict[str, Proof] = field(default_factory=dict)
    """By the id of the mart or test in dbt."""


def kept_folder(target: str) -> Path:
    """Return the folder with what is kept of a dbt target. It survives `dbt clean`."""
    return settings.home() / "proofs" / target


def read_kept(target: str) -> Kept:
    """Return what is kept of a target: nothing if the file is missing or unreadable."""
    try:
        content = json.loads((kept_folder(target) / KEPT).read_bytes())
        proofs = {name: Proof(**proof) for name, proof in content.pop("proofs").items()}
        return Kept(**content, proofs=proofs)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return Kept()


def last_build(target_dir: Path) -> Path:
    """Return the folder with the results of the last `dbt build`: dbt's own, unless a later command
    has overwritten them."""
    try:
        command = read_json(target_dir / "run_results.json")["args"]["which"]
    except ExportError:
        return target_dir
    copies = kept_folder(settings.dbt_target())
    return copies if command != "build" and copies.is_dir() else target_dir


def record(target_dir: Path, target: str) -> Kept:
    """Add the results of the command whose artifacts are in `target_dir`, and return what is kept.

    Artifacts of another command, of two commands, of a project without marts, and older ones than
    the kept change nothing.
    Raise ExportError if they are missing or unreadable.
    """
    manifest, run_results = read_manifest(target_dir), read_json(target_dir / "run_results.json")
    command, metadata = run_results["args"]["which"], run_results["metadata"]
    with _lock(target):
        kept = read_kept(target)
        if (
            command not in COMMANDS
            or metadata["invocation_id"] != manifest["metadata"]["invocation_id"]
            or metadata["generated_at"] < kept.recorded_at
            or not any(map(is_mart, manifest["nodes"].values()))
        ):
            return kept
        unit_tests = read_unit_tests(target_dir, run_results)
        proven = unit_tests.proven if unit_tests else None
        proofs = merge(kept.proofs, manifest, run_results, proven)
        recorded_at = metadata["generated_at"]
        if command == "build":
            args = {name: run_results["args"].get(name) for name in LAST_BUILD_ARGS}
            kept = Kept(metadata["invocation_id"], args, recorded_at, recorded_at, proofs)
            _copy(target_dir / "run_results.json", kept_folder(target))
        else:
            kept = Kept(kept.run_id, kept.args, kept.built_at, recorded_at, proofs)
        _copy(target_dir / "manifest.json", kept_folder(target))
        replace_file(
            kept_folder(target) / KEPT, (json.dumps(asdict(kept), indent=1) + "\n").encode()
        )
    return kept


def merge(
    proofs: dict[str, Proof], manifest: Json, run_results: Json, proven: Collection[str] | None
) -> dict[str, Proof]:
    """Return the proofs with the results of a newer command.

    `proven` are the unit tests that the command took as proven, or None if it did not tell.
    """
    codes, tests = Codes(manifest), tests_by_model(manifest)
    results = {result["unique_id"]: result for result in run_results["results"]}
    statuses = {name: result["status"] for name, result in results.items()}
    is_trial = run_results["args"].get("empty") or run_results["args"].get("sample")
    generated_at = run_results["metadata"]["generated_at"]
    marts = [name for name, node in manifest["nodes"].items() if is_mart(node)]
    merged = {name: proofs[name] for name in marts if name in proofs}
    for name in marts:
        if name in results:
            status, reason = statuses[name], None
            if status == "skipped":
                reason = root_causes(name, manifest, statuses, tests)
            elif is_trial:
                status = TRIAL
            at = _ended_at(results[name], generated_at)
            merged[name] = Proof(status, at, codes.of(name), reason=reason)
    builds = {name: proof.at for name, proof in merged.items()}
    for test in {
        test["unique_id"]: test for name in marts for test in tests.get(name, [])
    }.values():
        name = test["unique_id"]
        read = {node: builds[node] for node in test["depends_on"]["nodes"] if node in builds}
        if name in results:
            at = _ended_at(results[name], generated_at)
            merged[name] = Proof(statuses[name], at, codes.of(name), read)
        elif name in (proven or ()):
            merged[name] = Proof("pass", generated_at, codes.of(name))
        elif name in proofs and not (
            # The command built the tested model, and knew that its unit test must run.
            _is_unit_test(test) and proven is not None and statuses.keys() & read.keys()
        ):
            merged[name] = proofs[name]
    return merged


def select(manifest: Json, proofs: dict[str, Proof]) -> Selection:
    """Select the marts whose newest proof is good, without the children of those that failed.

    A mart that is not proven, since it or one of its tests did not run, does not keep out its
    children: the export looks whether the rows that they refer to are in the database. Raise
    ExportError like `parse_mart` and `sort_parents_first`.
    """
    marts = sort_parents_first(
        [parse_mart(node) for node in manifest["nodes"].values() if is_mart(node)]
    )
    codes, tests = Codes(manifest), tests_by_model(manifest)
    failed = {mart.table: _failure(mart.model_id, proofs, tests) for mart in marts}
    unproven = {mart.table: _lack_of_proof(mart, proofs, tests, codes) for mart in marts}
    return keep_out(
        tuple(marts),
        {table: reason for table, reason in failed.items() if reason},
        {table: reason for table, reason in unproven.items() if reason},
    )


def _failure(name: str, proofs: dict[str, Proof], tests: dict[str, list[Json]]) -> str | None:
    """Return what failed in the newest build of a mart or in its tests, or None."""
    build = proofs.get(name)
    if build is None:
        return None
    if build.status == TRIAL:
        return "its last build read only a part of the rows (--empty or --sample)"
    if build.status == "skipped":
        return f"it was skipped: {build.reason}"
    if build.status != "success":
        return "its build failed"
    failed = [
        f"its test {test['name']} {_failed(proof.status)}"
        for test in tests.get(name, [])
        if (proof := proofs.get(test["unique_id"])) and proof.status not in ("pass", "warn")
    ]
    return "; ".join(failed) or None


def _failed(status: str) -> str:
    return {"fail": "failed", "skipped": "was skipped"}.get(status, "could not run")


def _lack_of_proof(
    mart: Mart, proofs: dict[str, Proof], tests: dict[str, list[Json]], codes: "Codes"
) -> str | None:
    """Return what did not run since the code or a build changed, or None."""
    build = proofs.get(mart.model_id)
    if build is None:
        return "it was never built"
    if build.code != codes.of(mart.model_id):
        return f"its code has changed since its build of {build.at[:16].replace('T', ' ')} UTC"
    missing = [
        f"its test {test['name']} did not run{since}"
        for test in tests.get(mart.model_id, [])
        if (since := _stale_since(test, proofs, codes)) is not None
    ]
    return "; ".join(missing) or None


def _stale_since(test: Json, proofs: dict[str, Proof], codes: "Codes") -> str | None:
    """Return since what a test did not run, as the end of a sentence, or None if it did."""
    proof = proofs.get(test["unique_id"])
    if proof is None or proof.code != codes.of(test["unique_id"]):
        return ""
    if _is_unit_test(test):  # proves code, not rows
        return None
    rebuilt = [
        node.rpartition(".")[2]
        for node in test["depends_on"]["nodes"]
        if node in proofs and proofs[node].at != proof.builds.get(node)
    ]
    return f" since {', '.join(rebuilt)} was built" if rebuilt else None


class Codes:
    """Hashes of the code of the models and tests of a manifest."""

    def __init__(self, manifest: Json) -> None:
        self._macros = manifest["macros"]
        self._nodes = manifest["nodes"] | manifest["unit_tests"]
        self._macros_by_name: dict[str, list[str]] = {}
        for macro_id, macro in self._macros.items():
            self._macros_by_name.setdefault(undispatched(macro["name"]), []).append(macro_id)
        self.of = cache(self._of)

    def _of(self, name: str) -> str:
        """Return the hash of a node: its SQL, columns, config, and all macros that it reaches. A
        unit test's also has that of its model."""
        node = self._nodes[name]
        if _is_unit_test(node):
            fixtures = [node.get(part) for part in ("given", "expect", "overrides")]
            return _hash(fixtures, self.of(node["depends_on"]["nodes"][0]))
        columns = [
            (column["name"], column["data_type"], _constraints(column))
            for column in node["columns"].values()
        ]
        config = {key: value for key, value in node["config"].items() if key not in IRRELEVANT}
        kwargs = (node.get("test_metadata") or {}).get("kwargs")
        macros = self._reached_from(f"{node['raw_code']} {kwargs}")
        return _hash(node["raw_code"], columns, _constraints(node), config, kwargs, macros)

    def _reached_from(self, code: str) -> dict[str, str]:
        """Return the SQL of the macros that are named in a node's code, and of all that they call,
        with all of the same name that dispatch may choose.

        `depends_on` of a node is of no use: it has further macros once the node has run.
        """
        reached: dict[str, str] = {}
        visited: set[str] = set()
        to_visit = re.findall(r"\w+", code)
        while to_visit:
            name = undispatched(to_visit.pop())
            if name in visited:
                continue
            visited.add(name)
            for macro_id in self._macros_by_name.get(name, ()):
                macro = self._macros[macro_id]
                reached[macro_id] = macro["macro_sql"]
                to_visit += [each.rpartition(".")[2] for each in macro["depends_on"]["macros"]]
        return reached


def _constraints(node: Json) -> list[Json]:
    """Return the constraints of a node or column. The parent of a foreign key is its name alone,
    since dbt writes its relation only once the node has run."""
    return [
        {**constraint, "to": re.findall(r"\w+", constraint.get("to") or "")[-1:]}
        for constraint in node.get("constraints", [])
    ]


def _is_unit_test(node: Json) -> bool:
    return bool(node["resource_type"] == "unit_test")


def _ended_at(result: Json, generated_at: str) -> str:
    """Return when a node ended. One that was skipped has no timing."""
    return max((timing["completed_at"] or "" for timing in result["timing"]), default="") or (
        generated_at
    )


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _lock(target: str) -> Iterator[None]:
    """Wait until no other command records its results."""
    kept_folder(target).mkdir(parents=True, exist_ok=True)
    with (kept_folder(target) / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(file: Path, folder: Path) -> None:
    replace_file(folder / file.name, file.read_bytes())
