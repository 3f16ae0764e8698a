"""How many requests a lake on S3 gets: a day costs what the day brings."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.guarded_s3 import GuardedS3
from support.pipelines import run
from support.project import TODAY
from support.s3_server import S3Server

from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]}
READS = ("GET", "LIST", "HEAD")


@pytest.fixture
def counting_s3(s3: S3Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GuardedS3]:
    """A lake on S3 behind a proxy that counts the requests."""
    with GuardedS3(s3, EVERYTHING) as proxy:
        for name, value in proxy.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LAKE__URL", f"{s3.make_bucket('counted')}/prefix")
        yield proxy


def count(proxy: GuardedS3, *methods: str) -> int:
    return sum(number for (method, _), number in proxy.counts.items() if method in methods)


def run_all() -> None:
    for source in SOURCES:
        assert run(source) == (0, "")


@pytest.mark.long
def test_a_day_costs_few_requests_beyond_its_responses(
    api: SampleApi, home: Path, counting_s3: GuardedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__TRAVELPAYOUTS__ORIGINS")
    run_all()
    all_tables = [table for source in SOURCES.values() for table in source.tables]
    tables = sum(table.kept_under is None for table in all_tables)  # requested daily
    details = sum(table.details_of is not None for table in all_tables)
    reads = []
    for day in (1, 2):
        api.today = TODAY + timedelta(days=day)
        monkeypatch.setenv("HELLO_KOREA_TODAY", str(api.today))
        before = api.calls.total()
        counting_s3.counts.clear()
        run_all()
        calls = api.calls.total() - before
        assert counting_s3.counts["PUT", "raw"] == calls + tables
        histories_of_runs = len(SOURCES)
        assert counting_s3.counts["PUT", "stage"] == tables + histories_of_runs
        assert counting_s3.counts["PUT", "index"] == 2 * details
        assert counting_s3.counts["PUT", "budget"] < 3 * tables
        reads.append(count(counting_s3, *READS))
        print(day, calls, "calls", sorted(counting_s3.counts.items()))
    assert max(reads) <= 300
    assert abs(reads[0] - reads[1]) < 10  # a further day of history costs nothing
    counting_s3.counts.clear()
    run_all()
    print("again", sorted(counting_s3.counts.items()))
    assert count(counting_s3, *READS) < 200
    assert counting_s3.counts["PUT", "raw"] == 0
    assert counting_s3.counts["PUT", "stage"] == len(SOURCES)  # the history of each run
