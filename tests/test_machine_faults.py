"""Faults of the machine, the lake and the warehouse: what is kept, printed and returned."""

import subprocess
from pathlib import Path
from threading import Timer
from time import sleep

import orjson
import pytest
from support.kills import LoggedApi, request_id
from support.pipelines import (
    DLT,
    bodies,
    lake,
    open_warehouse_elsewhere,
    run,
    start_run,
    table_results,
)
from support.project import ENOUGH_SECONDS, TODAY, point_at
from support.s3_server import S3Server
from support.small_disk import SmallDisk

from loaders.lake.lake import Lake
from loaders.pipeline import load
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.usefixtures("staging_tables")

EXIM = f"{DLT} pipeline exim run"
KOPIS = f"{DLT} pipeline kopis run"


@pytest.mark.slow
def test_a_full_disk_is_reported_and_the_next_run_resumes(
    api: SampleApi, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lake"
    monkeypatch.setenv("LAKE__URL", str(folder))
    find_bodies = f"find {folder}/raw -name '*.xml'"
    with SmallDisk(folder, megabytes=1) as disk:
        process = disk.run(KOPIS)
        assert process.returncode == 1
        assert "FAILED: [Errno 28] No space left on device" in process.stdout
        assert process.stderr.startswith("not complete: kopis.")
        assert "Traceback" not in process.stdout + process.stderr
        kept = set(disk.run(find_bodies).stdout.splitlines())
        calls = api.calls.total()
        assert kept
        disk.grow(megabytes=100)
        assert disk.run(KOPIS).returncode == 0
        complete = set(disk.run(find_bodies).stdout.splitlines())
    assert kept < complete
    assert api.calls.total() - calls == len(complete) - len(kept)


@pytest.mark.slow
def test_a_read_only_lake_is_reported_before_any_call(
    api: SampleApi, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lake"
    monkeypatch.setenv("LAKE__URL", str(folder))
    with SmallDisk(folder, megabytes=5) as disk:
        disk.run(f"mount -o remount,ro {folder}")
        process = disk.run(EXIM)
    message = f"LAKE__URL is '{folder}': can't be written (Read-only file system)\n"
    assert (process.returncode, process.stderr) == (2, message)
    assert not api.calls


@pytest.mark.slow
def test_a_read_only_home_is_named(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SmallDisk(home, megabytes=5) as disk:
        disk.run(f"mount -o remount,ro {home}")
        process = disk.run(EXIM)
    message = f"HELLO_KOREA_HOME is '{home}': expected a writable folder (it is read-only)"
    assert (process.returncode, process.stderr) == (2, f"{message}\n")
    assert not api.calls


def kept_requests(of_lake: Lake) -> set[str]:
    """Return the ids of the KOPIS requests whose responses are in raw."""
    described = map(of_lake.description, bodies("kopis"))
    return {request_id(orjson.loads(description)["request"]["url"]) for description in described}


@pytest.mark.long
@pytest.mark.slow
def test_a_restart_of_the_s3_server_during_a_run_loses_no_response(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Server(tmp_path / "s3") as s3, LoggedApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LAKE__URL", s3.make_bucket("lake"))
        with start_run("kopis", subprocess.PIPE) as process:
            while len(api.requests) < 60:
                sleep(0.005)
            s3.stop()
            sleep(1)
            s3.start()
            stdout, stderr = process.communicate(timeout=ENOUGH_SECONDS)
        assert process.returncode in (0, 1), stdout + stderr
        assert "Traceback" not in stdout + stderr
        kept, first_request = kept_requests(lake()), len(api.requests)
        assert run("kopis") == (0, "")
        assert kept.isdisjoint(api.requests[first_request:])
        assert len(kept_requests(lake())) == len(set(api.requests))


@pytest.mark.usefixtures("lake_url")
def test_a_changed_raw_file_is_named(api: SampleApi, home: Path) -> None:
    run("tour", table="stays")
    body = bodies("tour/stays")[0]
    lake().write(body, lake().read(body).replace(b"a", b"b"))
    for staged in lake().keys("stage/tour/stays"):  # otherwise nothing is staged again
        lake().delete(staged)
    assert run("tour", table="stays")[0] == 1
    (error,) = table_results(home)["tour.stays"]["errors"]
    assert body in error
    assert "checksum" in error


@pytest.mark.usefixtures("lake_url")
def test_a_lost_raw_file_is_named_with_its_date_and_what_asks_for_it_again(
    api: SampleApi, home: Path
) -> None:
    run("tour", table="stays")
    body = bodies("tour/stays")[0]
    lake().delete(body)
    for staged in lake().keys("stage/tour/stays"):  # otherwise nothing is staged again
        lake().delete(staged)
    assert run("tour", table="stays")[0] == 1
    assert table_results(home)["tour.stays"]["errors"] == [
        f"{body} of {TODAY} is missing from the lake: restore it from a backup, or ask again with "
        f"`dlt pipeline tour run --table stays --date {TODAY} --refresh`"
    ]
    assert run("tour", table="stays", date=str(TODAY), refresh=True) == (0, "")


def test_a_load_waits_until_another_program_closes_the_warehouse(home: Path) -> None:
    with open_warehouse_elsewhere(home) as process:
        Timer(0.3, process.kill).start()
        with load.connect() as client:
            assert process.poll() is not None
            assert client.has_dataset()


@pytest.mark.slow
def test_a_warehouse_that_another_process_holds_open_is_reported_and_loaded_later(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE__LOCK_TIMEOUT", "0")
    with open_warehouse_elsewhere(home) as process:
        assert run("tour", table="stays") == (1, "not complete: tour.stays")
        (error,) = table_results(home)["tour.stays"]["errors"]
        assert error.startswith("not loaded: the warehouse has been open in ")
        assert f"(PID {process.pid}) for longer than WAREHOUSE__LOCK_TIMEOUT=0" in error
    calls = api.calls.copy()
    assert run("tour", table="stays") == (0, "")
    assert api.calls == calls
