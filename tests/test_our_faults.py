"""What goes wrong on our side of the APIs: what is kept, what the user reads, and the exit code."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path
from threading import Thread
from time import sleep

import orjson
import pytest
from support.kills import Api, question
from support.pipelines import DLT, bodies, lake, outcomes, query, run
from support.project import TODAY, point_at
from support.s3_server import S3Server
from support.small_disk import SmallDisk

from loaders.lake.lake import Lake
from loaders.lake.raw import META
from loaders.sample_api import SampleApi

EXIM = f"{DLT} pipeline exim run"


def test_a_run_across_midnight_is_one_of_the_day_on_which_it_began(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.fail("*", delay=0.1)

    def midnight() -> None:
        while not api.calls:
            sleep(0.01)
        os.environ["HELLO_KOREA_TODAY"] = str(TODAY + timedelta(days=1))

    night = Thread(target=midnight)
    night.start()
    assert run("kma") == (0, "")
    night.join()
    assert all(it["loaded"] for it in outcomes(home).values())
    folders = {key.split("/")[3] for key in bodies("kma")}
    assert folders == {f"dt={TODAY}"}
    days = query(home, "select distinct logical_date from staging_kma.short_forecasts")
    assert days == [(TODAY,)]


def test_a_full_disk_under_the_lake_is_told_and_the_next_run_goes_on(
    api: SampleApi, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lake"
    monkeypatch.setenv("LAKE__URL", str(folder))
    kopis = f"{DLT} pipeline kopis run"
    with SmallDisk(folder, megabytes=1) as disk:
        full = disk.run(kopis)
        assert full.returncode == 1
        assert "FAILED: [Errno 28] No space left on device" in full.stdout
        assert full.stderr.startswith("not complete: kopis.")
        assert "Traceback" not in full.stdout + full.stderr
        kept = set(disk.run(f"find {folder}/raw -name '*.xml'").stdout.splitlines())
        asked = api.calls.total()
        assert kept
        disk.grow(megabytes=100)
        assert disk.run(kopis).returncode == 0
        now = set(disk.run(f"find {folder}/raw -name '*.xml'").stdout.splitlines())
    assert kept < now
    assert api.calls.total() - asked == len(now) - len(kept)


def test_a_lake_that_can_only_be_read_is_told_before_anything_is_asked(
    api: SampleApi, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lake"
    monkeypatch.setenv("LAKE__URL", str(folder))
    with SmallDisk(folder, megabytes=5) as disk:
        disk.run(f"mount -o remount,ro {folder}")
        done = disk.run(EXIM)
    said = f"LAKE__URL is '{folder}': can't be written (Read-only file system)\n"
    assert (done.returncode, done.stderr) == (2, said)
    assert not api.calls


def test_an_s3_server_that_restarts_in_the_middle_costs_no_answer(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Server(tmp_path / "s3") as s3, Api(today=TODAY) as api:
        point_at(api, monkeypatch)
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LAKE__URL", s3.make_bucket("lake"))
        with subprocess.Popen(
            [DLT, "pipeline", "kopis", "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            while len(api.asked) < 60:
                sleep(0.005)
            s3.stop()
            sleep(1)
            s3.start()
            out, said = (it.decode() for it in process.communicate(timeout=120))
        assert process.returncode in (0, 1), out + said
        assert "Traceback" not in out + said
        kept, asked = questions_in(lake()), len(api.asked)
        assert run("kopis") == (0, "")
        assert kept.isdisjoint(api.asked[asked:])
        assert len(questions_in(lake())) == len(set(api.asked))


def questions_in(of: Lake) -> set[str]:
    metas = [key for key in of.keys("raw/kopis") if key.endswith(META)]
    return {question(orjson.loads(of.read(key))["request"]["url"]) for key in metas}


def test_a_home_that_can_only_be_read_is_named(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SmallDisk(home, megabytes=5) as disk:
        disk.run(f"mount -o remount,ro {home}")
        done = disk.run(EXIM)
    said = f"HELLO_KOREA_HOME is '{home}': expected a writable folder (it is read-only)"
    assert (done.returncode, done.stderr) == (2, f"{said}\n")
    assert not api.calls
