"""Runs that are killed or interrupted, and what the next run requests again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.pipelines import bodies, lake, query, raw_files, run, start_run

from loaders.lake.raw import COMPLETE, META
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.slow


def kill_during_call(api: SampleApi, pipeline: str, operation: str, number: int) -> None:
    """Run a pipeline in another process, and kill it during the n-th call of an operation."""
    api.fail(operation, delay=30, after=number - 1, times=1)
    process = start_run(pipeline)
    while api.calls[operation] < number:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    api.clear_faults()


@pytest.mark.usefixtures("lake_url")
def test_a_killed_extraction_resumes_without_requesting_a_page_again(
    api: SampleApi, home: Path
) -> None:
    kill_during_call(api, "kopis", "pblprfr/{id}", 40)
    assert len(bodies("kopis/performance_details")) == 39
    assert run("kopis") == (0, "")
    ids = query(home, "select performance_id from staging_kopis.performance_details")
    assert len(ids) == len(set(ids)) > 150
    assert api.calls["pblprfr/{id}"] == len(ids) + 1  # the call that was interrupted
    assert api.calls["pblprfr"] == len(bodies("kopis/performances"))


@pytest.mark.usefixtures("lake_url")
def test_a_response_without_its_metadata_is_not_requested_again(api: SampleApi, home: Path) -> None:
    run("tour", table="stays")
    (complete,) = (key for key in raw_files("tour/stays") if key.endswith(COMPLETE))
    for key in (complete, *(body + META for body in bodies("tour/stays"))):
        lake().delete(key)
    before = api.calls.copy()
    assert run("tour", table="stays") == (0, "")
    assert api.calls == before
    assert lake().exists(complete)


def test_ctrl_c_stops_the_calls_and_keeps_the_responses(api: SampleApi, home: Path) -> None:
    api.fail("pblprfr/{id}", delay=0.2)
    process = start_run("kopis", subprocess.PIPE)
    while api.calls["pblprfr/{id}"] < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert api.calls["pblprfr/{id}"] < 10
    assert process.returncode == 130
    # dlt may report before it that a load ended early.
    assert stderr.endswith(
        "interrupted: finished work is kept, and the next run continues from there\n"
    )
    api.clear_faults()
    kept = raw_files("kopis/performance_details")
    assert run("kopis") == (0, "")
    assert raw_files("kopis/performance_details").items() >= kept.items()
    stopped = "select table_name from staging_runs.steps where error like '%the run was stopped'"
    assert ("performance_details",) in query(home, stopped)
