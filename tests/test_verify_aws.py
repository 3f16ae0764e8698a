"""`dlt pipeline verify` on S3 and Redshift, with production's clients and protocols."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.pipelines import bodies, lake, run, table_results
from support.project import TODAY
from support.redshift import RedshiftServer

from loaders.cli.verify import VerifyArguments, verify
from loaders.lake.s3 import S3Lake
from loaders.sample_api import SampleApi

RATES = "exim/exchange_rates"
DAY = "2026-08-15"
Verify = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Verify:
    def call(pipeline: str | None = None, *, repair: bool = False) -> tuple[int, list[str]]:
        capsys.readouterr()
        code, _ = verify(pipeline, VerifyArguments(repair=repair))
        # A busy machine prints its progress too.
        lines = capsys.readouterr().out.splitlines()
        return code, [line for line in lines if " dates, " not in line]

    return call


def bucket() -> S3Lake:
    opened = lake()
    assert isinstance(opened, S3Lake)
    return opened


def replace(key: str, change: Callable[[bytes], bytes], *, keeps_metadata: bool = True) -> None:
    """Replace an object behind the project's back."""
    s3 = bucket()
    name = {"Bucket": s3.bucket, "Key": s3.prefix + key}
    found = s3.client.get_object(**name)
    metadata = {"Metadata": found["Metadata"]} if keeps_metadata else {}
    s3.client.put_object(**name, Body=change(found["Body"].read()), **metadata)


def flip_a_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def staged(table: str) -> str:
    (key,) = bucket().keys(f"stage/{table}/dt={TODAY}")
    return key


def only_line(lines: list[str], place: str) -> str:
    (line,) = (line for line in lines if line.startswith(place))
    return line


@pytest.mark.long
def test_each_kind_of_difference_in_a_bucket_is_found_and_repaired(
    bucket_url: str, api: SampleApi, verified: Verify
) -> None:
    for table in ("venues", "venue_details"):
        assert run("kopis", table=table) == (0, "")
    assert run("exim") == (0, "")
    assert verified() == (0, ["as recorded"])
    body, undescribed, *_ = bodies(RATES)
    (mark,) = (key for key in bucket().keys("raw/kopis/venues") if key.endswith("_complete.json"))
    rates, venues = staged(RATES), staged("kopis/venues")
    stray = f"{rates.rpartition('/')[0]}/stray.parquet"
    index = "index/kopis/venue_details/index.json"
    sound = {key: bucket().read(key) for key in (rates, venues, mark, index)}

    replace(body, flip_a_byte)
    replace(undescribed, bytes, keeps_metadata=False)
    bucket().delete(mark)
    bucket().write(stray, sound[venues])
    replace(index, flip_a_byte)
    code, lines = verified()
    assert code == 1
    assert "has changed since it was written (checksum)" in only_line(lines, f"{body}:")
    assert "is missing or damaged" in only_line(lines, f"{undescribed}.meta.json:")
    assert "is missing, though it was complete" in only_line(lines, mark)
    assert "does not belong there" in only_line(lines, stray)
    assert "is damaged" in only_line(lines, index)
    code, lines = verified(repair=True)
    assert code == 1
    assert [line for line in lines if "it is " not in line and "2026-11" in line] == [
        line for line in lines if line.startswith((f"{body}:", f"{undescribed}.meta.json:"))
    ]
    assert {key: bucket().read(key) for key in sound} == sound
    assert not bucket().exists(stray)
    assert verified("kopis") == (0, ["as recorded"])

    replace(venues, lambda data: data[:-20])
    assert verified("kopis", repair=True)[0] == 0
    assert bucket().read(venues) == sound[venues]


@pytest.mark.long
def test_generated_files_in_a_bucket_are_verified_before_they_are_read_and_by_the_command(
    bucket_url: str, verified: Verify
) -> None:
    assert run("web_logs", only="stage", scale="0.0001", date=DAY) == (0, "")
    keys = [key for key in bucket().keys("stage/web_logs") if key.endswith(".parquet")]
    sound = {key: bucket().read(key) for key in keys}
    replace(keys[0], flip_a_byte)
    assert run("web_logs", only="load", scale="0.0001", date=DAY) == (0, "")
    assert {key: bucket().read(key) for key in keys} == sound
    assert verified() == (0, ["as recorded"])
    replace(keys[-1], lambda data: data[:-20])
    assert verified()[0] == 1
    assert verified(repair=True)[0] == 0
    assert {key: bucket().read(key) for key in keys} == sound


@pytest.mark.long
def test_rows_that_left_redshift_are_loaded_again(
    redshift: RedshiftServer,
    bucket_url: str,
    api: SampleApi,
    home: Path,
    verified: Verify,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DBT_TARGET", "redshift")
    for name, value in redshift.environment().items():
        monkeypatch.setenv(name, value)
    assert run("exim") == (0, "")
    assert run("web_logs", scale="0.0001", date=DAY) == (0, "")
    rates = "select currency, base_rate, logical_date from staging_exim.exchange_rates order by 1"
    clicks = "select count(*), sum(click_id) from staging_web_logs.clicks"
    before = [redshift.query(rates), redshift.query(clicks)]
    assert verified() == (0, ["as recorded"])

    redshift.query("delete from staging_exim.exchange_rates where currency = 'USD'")
    redshift.query("delete from staging_web_logs.clicks where click_id % 2 = 0")
    code, lines = verified()
    assert code == 1
    assert "rows, but stage/exim" in only_line(lines, f"exim.exchange_rates {TODAY} in the wareh")
    assert "are staged" in only_line(lines, "web_logs.clicks 2026-08-15 in the warehouse")
    assert verified(repair=True)[0] == 0
    assert [redshift.query(rates), redshift.query(clicks)] == before
    assert verified() == (0, ["as recorded"])

    # A file that is damaged before it is copied is generated again first.
    redshift.query("drop schema staging_web_logs cascade")
    (key,) = (key for key in bucket().keys("stage/web_logs/clicks") if key.endswith(".parquet"))
    replace(key, flip_a_byte)
    assert run("web_logs", only="load", scale="0.0001", date=DAY) == (0, "")
    assert redshift.query(clicks) == before[1]
    (note,) = table_results(home)["web_logs.clicks"]["notes"]
    assert note == f"{key} was damaged, and is generated again"
