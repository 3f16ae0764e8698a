"""The usage logs made by Spark: the very files that the local engine makes."""

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
from support.pipelines import outcomes, query, run
from support.project import PROJECT, TODAY

from loaders.cli import spark_job

pyspark = pytest.importorskip("pyspark", reason="expected the extra spark")

if shutil.which("java") is None:
    pytest.skip("expected Java 17 or later", allow_module_level=True)


GLUE_JOB = PROJECT / "docs" / "glue" / "web_logs.json"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as it is installed on a machine of Spark: by its wheel, with no checkout."""
    wheels, folder = tmp_path / "wheels", tmp_path / "installed"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    shutil.unpack_archive(wheel, folder, "zip")
    libraries = [it for it in sys.path if Path(it) not in (PROJECT, PROJECT / "tests")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *libraries]))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    return folder


def staged(home: Path) -> dict[str, str]:
    root = home / "lake" / "stage" / "web_logs"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.parquet")
    }


def test_the_job_makes_on_spark_the_files_that_one_machine_makes(
    home: Path, tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = f"2026-11-16..{TODAY}"
    assert run("web_logs", date=dates, scale="0.01") == (0, "")
    on_spark = tmp_path / "spark"
    words = json.loads(GLUE_JOB.read_text(encoding="utf-8"))["DefaultArguments"] | {
        "--date": dates,
        "--scale": "0.01",
        "--HELLO_KOREA_HOME": str(on_spark),
        "--LAKE__URL": str(on_spark / "lake"),
        "--JOB_NAME": "hello-korea-web-logs",
    }
    submit = Path(pyspark.__file__).with_name("bin") / "spark-submit"
    done = subprocess.run(
        [
            *(submit, "--master", "local[2]", installed / "loaders/web_logs/spark.py"),
            *(part for word in words.items() for part in word),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert staged(on_spark) == staged(home)
    told, wanted = outcomes(on_spark), outcomes(home)
    assert {name: it["staged"] for name, it in told.items()} == {
        name: it["staged"] for name, it in wanted.items()
    }
    # The load stays with the one machine, on the lake that Spark has written.
    monkeypatch.setenv("LAKE__URL", str(on_spark / "lake"))
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "loading"))
    assert run("web_logs", date=dates, scale="0.01", only="load") == (0, "")
    rows = "select count(*), sum(click_id) from staging_web_logs.clicks"
    assert query(tmp_path / "loading", rows) == query(home, rows)


def test_each_argument_of_the_glue_job_is_one_that_is_read() -> None:
    job = json.loads(GLUE_JOB.read_text(encoding="utf-8"))
    glue = {"--additional-python-modules", "--enable-metrics", "--TempDir"}
    words = set(job["DefaultArguments"]) - glue
    code = "".join(it.read_text(encoding="utf-8") for it in (PROJECT / "loaders").rglob("*.py"))
    for word in words - {"--date", "--scale", "--table"}:
        name = word.removeprefix("--")
        assert re.fullmatch(spark_job.SETTING, name)
        dotted = name.replace("__", ".").lower().replace("sources.web_logs.", "{name}.")
        assert f'"{dotted}"' in code or f'"{name}"' in code, name
    wheel = f"hello_korea-{version('hello-korea')}-py3-none-any.whl"
    assert job["DefaultArguments"]["--additional-python-modules"].endswith(f"/{wheel}")
    assert Path(job["Command"]["ScriptLocation"]).name == Path(spark_job.__file__).name


def test_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEB_LOGS__ENGINE", "flink")
    assert run("web_logs") == (
        2,
        "SOURCES__WEB_LOGS__ENGINE is 'flink': expected local or spark",
    )
