"""The gate of an API: calls in flight, calls a minute, and pauses that the API asks for."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any

import orjson
import pytest
from support.cases import mostly_long
from support.pipelines import run, table_results
from support.project import TODAY, point_at
from support.stub_api import Parameters, point_tour_at, serve, stays

from loaders.cli.display import Display, console
from loaders.lake.folder import FolderLake
from loaders.pipeline import gate
from loaders.pipeline.budget import BLOCK, Budget
from loaders.pipeline.gate import Gate, StoppedError, seconds_to_retry
from loaders.pipeline.results import Progress
from loaders.sample_api import SampleApi
from loaders.settings import KST
from loaders.sources import SOURCES

pytestmark = pytest.mark.usefixtures("staging_tables")


class Load:
    """Counts how many calls are in flight at the same time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._now = 0
        self.most = 0
        self.calls = 0

    @contextmanager
    def call(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.calls += 1
            self.most = max(self.most, self._now)
        yield
        with self._lock:
            self._now -= 1


def call_many(of_gate: Gate, count: int, seconds: float) -> Load:
    load = Load()

    def call(_: int) -> None:
        with of_gate.call(), load.call():
            time.sleep(seconds)

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(call, range(count)))
    return load


def test_no_more_calls_are_in_flight_than_allowed() -> None:
    began = time.monotonic()
    assert call_many(Gate(3, None, Event()), 12, 0.05).most == 3
    assert time.monotonic() - began >= 4 * 0.05


def test_no_more_calls_begin_in_a_minute_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MINUTE", 0.5)
    began = time.monotonic()
    assert call_many(Gate(10, 4, Event()), 9, 0).calls == 9
    assert time.monotonic() - began >= 2 * 0.5


def test_no_call_begins_during_a_pause_or_after_a_stop() -> None:
    stopping = Event()
    paused = Gate(2, None, stopping)
    paused.pause(0.3)
    began = time.monotonic()
    with paused.call():
        assert time.monotonic() - began >= 0.3
    paused.pause(60)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(call_many, paused, 1, 0)
        stopping.set()
        with pytest.raises(StoppedError):
            waiting.result(timeout=2)


def test_retry_after_is_read_as_seconds_or_a_date() -> None:
    assert seconds_to_retry("2") == 2
    assert seconds_to_retry("-2") == seconds_to_retry("soon") == 0
    assert seconds_to_retry("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_to_retry("Fri, 21 Oct 2157 07:28:00 GMT") > 1e9


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [1, 3])
def test_a_run_has_at_most_the_set_number_of_calls_in_flight(
    home: Path, monkeypatch: pytest.MonkeyPatch, parallel: int
) -> None:
    load = Load()

    def respond(_: Parameters) -> Iterator[bytes]:
        with load.call():
            time.sleep(0.05)
        yield stays(range(3), 3)

    with serve(respond) as url:
        point_tour_at(url, monkeypatch)
        monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "en,ko,ja,zh")
        monkeypatch.setenv("SOURCES__TOUR__PARALLEL_CALLS", str(parallel))
        run("tour")
    assert load.calls > 10
    assert load.most == parallel


@pytest.mark.slow
def test_a_call_that_must_wait_delays_all_calls_of_its_api(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "5")
    run("kopis", table="performances")
    api.fail("pblprfr/{id}", status=429, headers={"Retry-After": "2"}, times=1)
    began = time.monotonic()
    assert run("kopis", table="performance_details") == (0, "")
    details = table_results(home)["kopis.performance_details"]
    assert details["calls"] == details["pages"] + 1
    assert time.monotonic() - began >= 2


@pytest.mark.slow
def test_rows_are_staged_in_the_order_of_the_requests(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[Any] = []
    for parallel in (1, 7):
        monkeypatch.setenv("HELLO_KOREA_HOME", str(home / str(parallel)))
        monkeypatch.setenv("SOURCES__KMA__PARALLEL_CALLS", str(parallel))
        for number in range(1, 6):
            api.fail("*/getVilageFcst", delay=0.01 * number, times=3)
        assert run("kma", table="short_forecasts") == (0, "")
        (file,) = (home / str(parallel) / "lake" / "stage" / "kma").rglob("*.parquet")
        staged.append((file.name, file.read_bytes()))
    assert staged[0] == staged[1]


def budget(folder: Path, allowance: int = 1000) -> Budget:
    lake = FolderLake(folder)
    return Budget(lake, "kopis", lambda: TODAY, allowance, "ALLOWANCE", lambda _: Counter())


def test_a_killed_run_has_counted_its_calls_and_at_most_a_block_more(tmp_path: Path) -> None:
    killed = budget(tmp_path)
    for _ in range(60):
        killed.spend("pblprfr/{id}", expected=500)
    assert killed.left("pblprfr/{id}") == 940
    assert 940 - BLOCK <= budget(tmp_path).left("pblprfr/{id}") <= 940


def test_calls_that_were_counted_ahead_and_not_made_are_given_back(tmp_path: Path) -> None:
    ended = budget(tmp_path)
    for _ in range(3):
        ended.spend("prfplc", expected=30)
    ended.give_back()
    assert budget(tmp_path).left("prfplc") == 997


def test_no_call_is_counted_ahead_of_the_allowance(tmp_path: Path) -> None:
    ended = budget(tmp_path, allowance=5)
    ended.spend("prfplc", expected=30)
    assert budget(tmp_path, allowance=5).left("prfplc") == 0
    ended.give_back()
    assert budget(tmp_path, allowance=5).left("prfplc") == 4


def test_a_pause_longer_than_a_run_waits_ends_the_table_with_its_time(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.fail("prfplc", status=503, headers={"Retry-After": "259200"})
    code, message = run("kopis", table="venues")
    assert (code, message) == (1, "not complete: kopis.venues")
    (error,) = table_results(home)["kopis.venues"]["errors"]
    assert re.search(
        r"a longer pause than a run waits: until 20\d\d-\d\d-\d\d \d\d:\d\d KST", error
    )
    assert "RUNTIME__REQUEST_MAX_RETRY_DELAY=300 s" in error
    assert api.calls["prfplc"] == 1


def test_a_pause_of_a_minute_is_shown_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(console(), tables=1) as display:
        display.progress("kopis", "venues", Progress(pages=1, total=3, pause=59.0))
        display.progress("kopis", "venues", Progress(pages=1, total=3, pause=75.0))
    lines = [line for line in capsys.readouterr().out.splitlines() if "pause" in line]
    assert lines == ["kopis.venues: pauses 75 s, as the API asks (Retry-After)"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "sources"),
    mostly_long(
        [
            (b"{", ["tour"]),
            (b'{"calls": "many"}', ["tour"]),
            (b"", ["tour"]),
            (b"[]", ["tour"]),
            (b"", list(SOURCES)),
        ],
        short=2,
    ),
)
def test_a_damaged_count_is_counted_again_in_raw(
    home: Path,
    few_places: None,
    monkeypatch: pytest.MonkeyPatch,
    damage: bytes,
    sources: list[str],
) -> None:
    today = datetime.now(KST).date()  # as raw has it
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(today))
    with SampleApi(today=today) as api:
        point_at(api, monkeypatch)
        for source in sources:
            assert run(source) == (0, "")
        files = sorted((home / "lake" / "budget").rglob("*.json"))
        counts = {file: orjson.loads(file.read_bytes())["calls"] for file in files}
        assert sum(counts.values()) == sum(api.calls.values())
        for file in files:
            file.write_bytes(damage)
        for source in sources:
            assert run(source) == (0, "")
            results = table_results(home).values()
            notes = [note for result in results for note in result["notes"] if "damaged" in note]
            assert len(notes) == sum(f"/budget/{source}/" in str(file) for file in files)
    assert {file: orjson.loads(file.read_bytes())["calls"] for file in files} == counts
