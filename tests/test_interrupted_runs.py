"""Runs that are killed or interrupted, and what the next run requests again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.pipelines import bodies, lake, query, raw_files, run, start_run, table_results
from support.project import ENOUGH_SECONDS, TODAY

from loaders.lake.raw import COMPLETE, META, find_page
from loaders.pipeline.extract import WORKERS_PER_CALL
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("staging_tables")]


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
    # The kill may come between a body and its description, without which it is not kept.
    kept = [file for file in bodies("kopis/performance_details") if find_page(lake(), file)]
    assert run("kopis") == (0, "")
    ids = query(home, "select performance_id from staging_kopis.performance_details")
    assert len(ids) == len(set(ids)) > 150
    assert 0 < len(kept) < len(ids)
    calls = table_results(home)["kopis.performance_details"]["calls"]
    assert calls == len(ids) - len(kept)
    requested_again = api.calls["pblprfr/{id}"] - len(ids)
    assert 0 < requested_again <= SOURCES["kopis"].parallel_calls * WORKERS_PER_CALL
    assert api.calls["pblprfr"] == len(bodies("kopis/performances"))


@pytest.mark.parametrize("damaged", [None, b"", b'{"sha256": "0', b"[]"])
def test_a_response_without_a_whole_description_is_requested_again_and_stays_as_it_is(
    api: SampleApi, home: Path, damaged: bytes | None
) -> None:
    run("tour", table="stays")
    (complete,) = (key for key in raw_files("tour/stays") if key.endswith(COMPLETE))
    first, second = bodies("tour/stays")
    lake().delete(complete)
    lake().delete(first + META)
    if damaged is not None:
        lake().write(first + META, damaged)
    before, calls = raw_files("tour/stays"), sum(api.calls.values())
    for _ in range(2):
        assert run("tour", table="stays") == (0, "")
    assert sum(api.calls.values()) == calls + 1
    again = first.replace(".json", ".2.json")
    assert bodies("tour/stays") == sorted([first, again, second])
    assert before.items() <= raw_files("tour/stays").items()
    assert again in raw_files("tour/stays")[complete].decode()


def test_a_damaged_mark_is_named_with_its_remedy(api: SampleApi, home: Path) -> None:
    run("tour", table="stays")
    (complete,) = (key for key in raw_files("tour/stays") if key.endswith(COMPLETE))
    lake().write(complete, b'[{"file": "raw/tour')
    for key in lake().keys("stage/tour/stays"):
        lake().delete(key)
    assert run("tour", table="stays")[0] == 1
    (error,) = table_results(home)["tour.stays"]["errors"]
    assert error == (
        f"{complete} of {TODAY} is damaged in the lake: restore it from a backup, or ask again with"
        f" `dlt pipeline tour run --table stays --date {TODAY} --refresh`"
    )
    assert run("tour", table="stays", date=f"{TODAY}", refresh=True) == (0, "")


def test_ctrl_c_during_details_starts_no_further_details_of_their_list(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "ja")
    api.fail("JpnService2/detailCommon2", delay=0.2)
    process = start_run("tour", subprocess.PIPE)
    while api.calls["JpnService2/detailCommon2"] < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=ENOUGH_SECONDS)
    assert process.returncode == 130, stderr
    assert api.calls["JpnService2/detailIntro2"] == api.calls["JpnService2/detailImage2"] == 0
    assert stderr.endswith(
        "interrupted: finished work is kept, and the next run continues from there\n"
    )


def test_ctrl_c_stops_the_calls_and_keeps_the_responses(api: SampleApi, home: Path) -> None:
    api.fail("pblprfr/{id}", delay=0.5)
    process = start_run("kopis", subprocess.PIPE)
    while api.calls["pblprfr/{id}"] < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=ENOUGH_SECONDS)
    assert api.calls["pblprfr/{id}"] < 100  # of 200, of which a busy machine makes some more
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
