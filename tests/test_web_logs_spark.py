"""The usage logs generated on Spark: the same files as those of the local engine."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support.pipelines import query, run, table_results
from support.project import PROJECT, TODAY

from loaders.cli import spark_job

pyspark = pytest.importorskip("pyspark", reason="expected the extra spark")

if shutil.which("java") is None:
    pytest.skip("expected Java 17 or later", allow_module_level=True)


GLUE_JOB = PROJECT / "docs" / "glue" / "web_logs.json"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as installed on a Spark machine: from its wheel, not from a checkout."""
    wheels, folder = tmp_path / "wheels", tmp_path / "installed"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    shutil.unpack_archive(wheel, folder, "zip")
    libraries = [path for path in sys.path if Path(path) not in (PROJECT, PROJECT / "tests")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *libraries]))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    return folder


def staged_digests(home: Path) -> dict[str, str]:
    """Return a digest of each staged file, by its path."""
    root = home / "lake" / "stage" / "web_logs"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.parquet")
    }


@pytest.mark.long
def test_the_spark_job_generates_the_same_files_as_one_machine(
    home: Path, tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = f"2026-11-16..{TODAY}"
    assert run("web_logs", date=dates, scale="0.01") == (0, "")
    on_spark = tmp_path / "spark"
    arguments = json.loads(GLUE_JOB.read_text(encoding="utf-8"))["DefaultArguments"] | {
        "--date": dates,
        "--scale": "0.01",
        "--HELLO_KOREA_HOME": str(on_spark),
        "--LAKE__URL": str(on_spark / "lake"),
        "--JOB_NAME": "hello-korea-web-logs",
    }
    submit = Path(pyspark.__file__).with_name("bin") / "spark-submit"
    done = subprocess.run(
        [
            *(submit, "--master", "local[2]", installed / "loaders/cli/spark_job.py"),
            *(text for argument in arguments.items() for text in argument),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert staged_digests(on_spark) == staged_digests(home)
    results, expected = table_results(on_spark), table_results(home)
    assert {name: result["staged"] for name, result in results.items()} == {
        name: result["staged"] for name, result in expected.items()
    }
    # One machine then loads the lake that Spark has written.
    monkeypatch.setenv("LAKE__URL", str(on_spark / "lake"))
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "loading"))
    assert run("web_logs", date=dates, scale="0.01", only="load") == (0, "")
    rows = "select count(*), sum(click_id) from staging_web_logs.clicks"
    assert query(tmp_path / "loading", rows) == query(home, rows)


def test_each_argument_of_the_glue_job_is_a_known_setting() -> None:
    job = json.loads(GLUE_JOB.read_text(encoding="utf-8"))
    glue_arguments = {"--additional-python-modules", "--enable-metrics", "--TempDir"}
    options = {"--date", "--scale", "--table"}
    code = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "loaders").rglob("*.py"))
    for argument in set(job["DefaultArguments"]) - glue_arguments - options:
        name = argument.removeprefix("--")
        assert re.fullmatch(spark_job.SETTING, name)
        dotted = name.replace("__", ".").lower()
        # The logs' own settings are read by their last name.
        read_as = [
            f'"{dotted}"',
            f'"{name}"',
            f'_read("{dotted.removeprefix("sources.web_logs.")}"',
        ]
        assert any(text in code for text in read_as), name
    wheel = f"hello_korea-{version('hello-korea')}-py3-none-any.whl"
    assert job["DefaultArguments"]["--additional-python-modules"].endswith(f"/{wheel}")
    assert Path(job["Command"]["ScriptLocation"]).name == Path(spark_job.__file__).name


def test_an_unknown_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEB_LOGS__ENGINE", "flink")
    assert run("web_logs") == (
        2,
        "SOURCES__WEB_LOGS__ENGINE is 'flink': expected local or spark",
    )
