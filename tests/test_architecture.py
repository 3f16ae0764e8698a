"""Imports run one way, without a circle."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from support.project import PROJECT

FLOORS = (
    {"airflow"},
    {"cli"},
    {"web_logs"},
    {"pipeline", "export", "sample_api"},
    {"redshift", "notify", "warehouse_file"},
    {"lake", "sources"},
    {"settings", "errors", "files"},
)
"""Packages and modules of `loaders`, from the top down. Each imports lower floors only."""
MODULES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (PROJECT / "loaders").rglob("*.py")
}


def imported_names(path: Path) -> Iterator[str]:
    """Yield every absolute name that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path) -> set[str]:
    """Return the modules of `loaders` that a file imports."""
    names = {name for name in imported_names(path) if name.split(".")[0] == "loaders"}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def floor(module: str) -> int:
    part = module.split(".")[1]
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def test_imports_between_packages_run_down() -> None:
    upward = [
        f"{module} imports {imported}"
        for module, path in MODULES.items()
        for imported in imports(path) - {"loaders"}
        if module != "loaders"
        and module.split(".")[1] != imported.split(".")[1]
        and floor(imported) <= floor(module)
    ]
    assert not upward


def test_no_imports_form_a_circle() -> None:
    graph = {module: imports(path) - {module} for module, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert len(order) >= len(MODULES) > 40


def test_source_modules_do_no_input_or_output() -> None:
    forbidden = {"loaders.lake", "loaders.redshift", "boto3", "socket", "urllib.request"}
    for path in (PROJECT / "loaders" / "sources").glob("*.py"):
        names = set(imported_names(path))
        found = {name for name in names for word in forbidden if f"{name}.".startswith(f"{word}.")}
        assert not found, path.name


def test_the_dags_import_no_package_but_airflow() -> None:
    """Their environment has no other package of the project."""
    waiting = {
        module
        for module, path in MODULES.items()
        if any(name.startswith("airflow.") for name in imported_names(path))
    }
    assert {"loaders.airflow.sources", "loaders.airflow.warehouse"} <= waiting
    modules: set[str] = set()
    while waiting:
        modules |= waiting
        waiting = {name for module in waiting for name in imports(MODULES[module])} - modules
    packages = {
        f"{module} imports {name}"
        for module in modules
        for name in imported_names(MODULES[module])
        if name.split(".")[0] not in {*sys.stdlib_module_names, "airflow", "loaders"}
    }
    assert not packages
