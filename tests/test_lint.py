"""`make lint` on SQL: what does not parse in either engine's dialect fails it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.project import PROJECT

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
    "long": "select 1 as a\n" + "-- so long that it could be left out\n" * 1000 + "from from b\n",
}


def commands() -> list[list[str]]:
    """The Makefile's lints of SQL, Redshift's first."""
    makefile = (PROJECT / "Makefile").read_text()
    found = re.findall(r"^\t@(sqlfluff lint .*)$", makefile, re.MULTILINE)
    return [shlex.split(command.replace("$(SQL)", "dbt_project")) for command in found]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A dbt project with this project's lint."""
    for path in ("pyproject.toml", ".sqlfluffignore", "macros/lint_without_a_server.sql"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / path, tmp_path / path)
    shutil.copytree(PROJECT / "tests" / "sqlfluff", tmp_path / "tests" / "sqlfluff")
    (tmp_path / "dbt_project.yml").write_text(DBT_PROJECT)
    (tmp_path / "dbt_project").mkdir()
    return tmp_path


def lint(project: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    tool = str(Path(sys.executable).with_name(command[0]))
    annotations = ["--format", "github-annotation-native"]  # file and line in one line
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
def test_what_does_not_parse_fails_the_lint_by_file_and_line(
    tiny: Path, number: int, unparsable: set[str]
) -> None:
    for name, sql in MODELS.items():
        (tiny / "dbt_project" / f"{name}.sql").write_text(sql)
    done = lint(tiny, commands()[number])
    assert done.returncode == 1, done.stdout + done.stderr
    found = re.findall(r"file=dbt_project/(\w+)\.sql,line=(\d+).*PRS", done.stdout)
    assert {f"{name}:{line}" for name, line in found} == unparsable


def test_a_model_that_does_not_compile_fails_the_lint(tiny: Path) -> None:
    (tiny / "dbt_project" / "lost.sql").write_text("select a from {{ ref('nowhere') }}\n")
    for command in commands():
        done = lint(tiny, command)
        assert done.returncode != 0
        assert "nowhere" in done.stdout + done.stderr
