"""The SQL lint of `make lint`, which parses the models in the dialect of each engine."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.project import PROJECT

pytestmark = pytest.mark.slow

DBT_PROJECT = """
name: tiny
profile: hello_korea
flags: {send_anonymous_usage_stats: false}
model-paths: [dbt_project]
"""

MODELS = {
    "good": "select 1 as a\n",
    "broken": "select 1 as a\nfrom from b\n",
    "only_in_duckdb": "\nfrom {{ ref('good') }}\n",
    "only_in_redshift": "select\n    approximate count(distinct a) as b\nfrom {{ ref('good') }}\n",
    # sqlfluff skips files beyond a size unless it is configured not to.
    "long": "select 1 as a\n" + "-- a comment that fills the file\n" * 1000 + "from from b\n",
}


def lint_commands() -> list[list[str]]:
    """Return the SQL lints of the Makefile, in words: for Redshift, then for DuckDB."""
    makefile = (PROJECT / "Makefile").read_text()
    lines = re.findall(r"^\t@(sqlfluff lint .*)$", makefile, re.MULTILINE)
    return [shlex.split(line.replace("$(SQL)", "dbt_project")) for line in lines]


@pytest.fixture
def tiny_project(tmp_path: Path) -> Path:
    """A dbt project with this project's lint settings and no models."""
    for path in ("pyproject.toml", ".sqlfluffignore", "macros/lint_without_a_server.sql"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / path, tmp_path / path)
    shutil.copytree(PROJECT / "tests" / "sqlfluff", tmp_path / "tests" / "sqlfluff")
    (tmp_path / "dbt_project.yml").write_text(DBT_PROJECT)
    (tmp_path / "dbt_project").mkdir()
    return tmp_path


def lint(project: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    tool = str(Path(sys.executable).with_name(command[0]))
    annotations = ["--format", "github-annotation-native"]  # prints file and line in one line
    return subprocess.run(
        [tool, *command[1:], *annotations],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("number", "unparsable"),
    [
        (0, {"broken:2", "long:1002", "only_in_duckdb:2"}),
        (1, {"broken:2", "long:1002", "only_in_redshift:2"}),
    ],
    ids=["redshift", "duckdb"],
)
def test_sql_that_does_not_parse_fails_the_lint_with_file_and_line(
    tiny_project: Path, number: int, unparsable: set[str]
) -> None:
    for name, sql in MODELS.items():
        (tiny_project / "dbt_project" / f"{name}.sql").write_text(sql)
    process = lint(tiny_project, lint_commands()[number])
    assert process.returncode == 1, process.stdout + process.stderr
    errors = re.findall(r"file=dbt_project/(\w+)\.sql,line=(\d+).*PRS", process.stdout)
    assert {f"{name}:{line}" for name, line in errors} == unparsable


@pytest.mark.long
def test_a_model_that_does_not_compile_fails_the_lint(tiny_project: Path) -> None:
    model = tiny_project / "dbt_project" / "reads_nowhere.sql"
    model.write_text("select a from {{ ref('nowhere') }}\n")
    for command in lint_commands():
        process = lint(tiny_project, command)
        assert process.returncode != 0
        assert "nowhere" in process.stdout + process.stderr
