"""What the documents say is true: their links, settings, limits and examples."""

import importlib.util
import re
from pathlib import Path

import pytest
from support.newcomer import Newcomer
from support.project import PROJECT

from loaders.redshift import CREDENTIALS
from loaders.settings import environment_name
from loaders.sources import SOURCES

README = (PROJECT / "README.md").read_text("utf-8")
SETTINGS = (PROJECT / "docs" / "settings.md").read_text("utf-8")
DOCUMENTS = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")]


def documented_settings() -> set[str]:
    """Return the settings in the tables of docs/settings.md, in dlt's dotted form."""
    names = re.findall(r"^\| `([A-Z_<>]+)`", SETTINGS, re.MULTILINE)
    return {name.lower().replace("__", ".") for name in names}


def settings_in_code() -> set[str]:
    """Return patterns of the names that the code passes to `settings.read`.

    Names that consist of placeholders only are left out: they are the options of the sources.
    """
    code = "".join(path.read_text("utf-8") for path in (PROJECT / "loaders").rglob("*.py"))
    names = re.findall(
        r"""(?:(?<![\w.])(?:settings\.)?(?:read|_seconds)\(\s*|^\s+setting = )f?["']([^"']+)["']""",
        code,
        re.MULTILINE,
    )
    names += [f"sources.web_logs.{name}" for name in re.findall(r'\b_read\(\s*"(\w+)"', code)]
    names += [f"{CREDENTIALS}.{name}" for name in re.findall(r'_required\("(\w+)"', code)]
    starred = {re.sub(r"{[^}]+}", "*", name) for name in names}
    dotted = {name for name in starred if re.fullmatch(r"[a-z_.*]*[a-z][a-z_.*]*", name)}
    return {re.escape(name).replace(r"\*", r"[\w<>.]+") for name in dotted}


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.split()) < 1000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        name, _, heading = link.partition("#")
        target = (document.parent / name).resolve()
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in {title.lower().replace(" ", "-") for title in headings}


def test_the_commands_of_the_readme_do_something_after_a_run() -> None:
    (ranged,) = re.findall(r"^dlt pipeline (\w+) run --date", README, re.MULTILINE)
    assert all(table.answers_past for table in SOURCES[ranged].tables)
    assert re.search(r"^dlt pipeline web_logs run --refresh --scale 1 ", README, re.MULTILINE)
    for analysis in re.findall(r"^dbt show --select (\w+)", README, re.MULTILINE):
        assert (PROJECT / "analyses" / f"{analysis}.sql").exists()
    for module in re.findall(r"^python -m ([\w.]+)", README, re.MULTILINE):
        assert importlib.util.find_spec(module)


def test_every_pipeline_is_in_the_readme_and_has_its_key_and_options_documented() -> None:
    names = documented_settings()
    for name, source in SOURCES.items():
        assert f"| `{name}` |" in README, f"README.md: add a row for {name} to the pipelines"
        needed = {f"sources.{name}.{option}" for option in ("service_key", *source.options)}
        missing = sorted(map(environment_name, needed - names))
        assert not missing, f"docs/settings.md: add a row for {', '.join(missing)}"


def test_the_nightly_check_gets_the_key_of_every_source() -> None:
    workflow = (PROJECT / ".github" / "workflows" / "drift.yml").read_text("utf-8")
    for name in SOURCES:
        key = environment_name(f"sources.{name}.service_key")
        assert f"{key}: ${{{{ secrets.{key} }}}}" in workflow


def test_every_documented_default_of_a_source_is_the_real_one() -> None:
    rows = dict(
        re.findall(r"^\| `SOURCES__(\w+)` \| `?([^|`]+?)`?(?: \([^|]+\))? \|", SETTINGS, re.M)
    )
    for name, source in SOURCES.items():
        for option, described in source.options.items():
            default = rows.get(f"{name}__{option}".upper())
            assert default, f"docs/settings.md: add the default of {option} of {name}"
            assert default in (described.default, f"{len(described.default.split(','))} cities")


def test_every_setting_that_the_code_reads_is_documented() -> None:
    patterns = settings_in_code()
    assert len(patterns) > 30
    for pattern in patterns:
        assert any(re.fullmatch(pattern, name) for name in documented_settings()), pattern


def test_every_documented_setting_is_read() -> None:
    read_elsewhere = {"hello_korea_home", "dbt_target", "dbt_target_path"}  # from the environment
    read_elsewhere |= {"hello_korea_bin", "airflow.api.port"}
    read_elsewhere |= {
        f"sources.{name}.{option}" for name, source in SOURCES.items() for option in source.options
    }
    for name in documented_settings() - read_elsewhere:
        assert any(re.fullmatch(pattern, name) for pattern in settings_in_code()), name


@pytest.mark.slow
def test_the_python_example_reads_a_data_frame_from_the_warehouse(
    built: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", architecture, re.DOTALL)
    *statements, query = example.strip().splitlines()
    monkeypatch.chdir(built.home)
    (built.home / ".local").symlink_to(built.home)
    names: dict[str, object] = {}
    exec("\n".join(statements), names)
    cheapest = eval(query, names)
    assert len(cheapest) > 3
    assert cheapest.is_monotonic_increasing
