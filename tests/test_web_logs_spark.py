"""The usage logs made by Spark: the very files that the local engine makes."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TODAY
from pipelines import outcomes, run

pyspark = pytest.importorskip("pyspark", reason="wants the extra spark")

if shutil.which("java") is None:
    pytest.skip("wants Java 17 or later", allow_module_level=True)

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark on this machine, with the interpreter of the tests."""
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROJECT), *sys.path]))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")


def staged(home: Path) -> dict[str, str]:
    root = home / "lake" / "stage" / "web_logs"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*.parquet")
    }


def test_spark_submit_makes_the_rows_that_one_machine_makes(
    home: Path, tmp_path: Path, spark: None
) -> None:
    dates = f"2026-11-16..{TODAY}"
    assert run("web_logs", date=dates, scale="0.01") == (0, "")
    on_spark = tmp_path / "spark"
    submit = Path(pyspark.__file__).with_name("bin") / "spark-submit"
    words = ["--date", dates, "--scale", "0.01", "--LAKE__URL", str(on_spark / "lake")]
    done = subprocess.run(
        [submit, "--master", "local[2]", PROJECT / "loaders/web_logs/spark.py", *words],
        env=os.environ | {"HELLO_KOREA_HOME": str(on_spark)},
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


def test_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEB_LOGS__ENGINE", "flink")
    assert run("web_logs") == (
        2,
        "SOURCES__WEB_LOGS__ENGINE is 'flink': wants local or spark",
    )
