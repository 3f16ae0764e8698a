"""The lake, in a folder and on S3."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson
import pytest
from support.faulty_proxy import FaultyProxy
from support.pipelines import DLT
from support.project import PROJECT
from support.s3_server import S3Server

from loaders.lake import raw
from loaders.lake.folder import OLDEST_PART, PARTS, FolderLake
from loaders.lake.lake import Lake, open_lake
from loaders.lake.s3 import PART, S3Lake
from loaders.settings import KST, SettingError


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def lake(request: pytest.FixtureRequest, home: Path) -> Lake:
    on_s3 = request.param == "s3"
    return open_lake(request.getfixturevalue("bucket_url") if on_s3 else str(home / "lake"))


@pytest.fixture
def bucket(bucket_url: str) -> S3Lake:
    lake = open_lake(bucket_url)
    assert isinstance(lake, S3Lake)
    return lake


def test_a_written_object_is_read_back(lake: Lake) -> None:
    lake.write("raw/a.json", b"first")
    lake.write("raw/a.json", b"second")
    lake.write("raw/empty.json", b"")
    assert lake.read("raw/a.json") == b"second"
    assert lake.read("raw/empty.json") == b""
    assert lake.exists("raw/a.json")
    assert lake.modified_at("raw/a.json") > 1_000_000_000
    lake.delete("raw/a.json")
    lake.delete("raw/a.json")
    assert not lake.exists("raw/a.json")


def test_a_missing_key_raises_file_not_found(lake: Lake) -> None:
    for read in (lake.read, lake.modified_at, lambda key: lake.open(key).__enter__()):
        with pytest.raises(FileNotFoundError, match=r"raw/no\.json"):
            read("raw/no.json")
    assert lake.keys("raw") == lake.folders("raw") == []


def test_write_once_does_not_replace_an_object(lake: Lake) -> None:
    lake.write_once("raw/a.json", b"first")
    with pytest.raises(FileExistsError):
        lake.write_once("raw/a.json", b"second")
    assert lake.read("raw/a.json") == b"first"
    assert lake.keys("raw") == ["raw/a.json"]


def test_a_description_is_kept_with_its_object(lake: Lake) -> None:
    for length in (1, 5_000):  # the second is too long for S3's metadata
        description = orjson.dumps({"name": "한글  ~ " * length})
        lake.write_once(f"raw/{length}.json", b"body", description)
        assert orjson.loads(lake.description(f"raw/{length}.json")) == orjson.loads(description)
        assert lake.read(f"raw/{length}.json") == b"body"
    lake.write("raw/earlier.json", b"body")
    lake.write("raw/earlier.json.meta.json", b"{}")
    assert lake.description("raw/earlier.json") == b"{}"
    lake.write("raw/none.json", b"body")
    for key in ("raw/none.json", "raw/no.json"):
        with pytest.raises(FileNotFoundError):
            lake.description(key)


def test_exactly_one_of_many_writers_of_a_key_succeeds(lake: Lake) -> None:
    winners: list[int] = []

    def write(number: int) -> None:
        try:
            lake.write_once("raw/a.json", str(number).encode() * 10_000)
            winners.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert lake.read("raw/a.json") == str(winners[0]).encode() * 10_000


def test_keys_and_folders_below_a_folder_are_listed_in_order(lake: Lake) -> None:
    for key in ("raw/b/2.json", "raw/b/10.json", "raw/a/c/1.json", "rawer/x.json", "raw/z.json"):
        lake.write(key, b"{}")
    assert lake.keys("raw") == ["raw/a/c/1.json", "raw/b/10.json", "raw/b/2.json", "raw/z.json"]
    assert lake.keys("raw/b") == ["raw/b/10.json", "raw/b/2.json"]
    assert lake.folders("raw") == ["a", "b"]
    assert lake.folders("raw/b") == []


def test_an_object_of_many_parts_is_read_as_a_seekable_file(lake: Lake, tmp_path: Path) -> None:
    data = os.urandom(2 * PART + 17)
    (tmp_path / "large").write_bytes(data)
    lake.write("stage/a.parquet", data)
    lake.write_file("stage/b.parquet", tmp_path / "large")
    for key in ("stage/a.parquet", "stage/b.parquet"):
        with lake.open(key) as file:
            assert file.seek(-17, os.SEEK_END) == 2 * PART
            assert file.read() == data[-17:]
            file.seek(0)
            assert file.read() == data
    assert lake.keys("stage") == ["stage/a.parquet", "stage/b.parquet"]


def test_an_unfinished_write_is_not_listed_and_is_deleted_after_a_day(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path)
    lake.write("raw/a.json", b"complete")
    old, new = (tmp_path / PARTS / name for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"comp")
    os.utime(old, (time.time() - OLDEST_PART - 60,) * 2)
    assert open_lake(str(tmp_path)).keys("") == ["raw/a.json"]
    assert list((tmp_path / PARTS).iterdir()) == [new]


def test_a_lake_that_is_not_a_folder_is_refused_with_its_url(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"LAKE__URL is .*file.*can't be written"):
        open_lake(str(tmp_path / "file"))
    with pytest.raises(SettingError, match="LAKE__URL is 'gs://bucket': expected"):
        open_lake("gs://bucket")


def test_a_listing_on_s3_has_more_than_a_thousand_keys(bucket: S3Lake) -> None:
    expected = [f"raw/day={number % 3}/{number:04}.json" for number in range(1003)]
    for key in expected:
        bucket.write(key, b"")
    assert bucket.keys("raw") == sorted(expected)
    assert bucket.folders("raw") == ["day=0", "day=1", "day=2"]


def test_lakes_below_different_prefixes_of_a_bucket_are_separate(
    bucket: S3Lake, s3: S3Server
) -> None:
    other = open_lake(bucket.url.removesuffix("/prefix"))
    bucket.write("raw/a.json", b"{}")
    assert other.keys("raw") == []
    objects = s3.client().list_objects_v2(Bucket=bucket.bucket)["Contents"]
    assert [entry["Key"] for entry in objects] == ["some/prefix/raw/a.json"]


@pytest.fixture
def proxied_lake(
    bucket_url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FaultyProxy, Lake]]:
    """A proxy in front of S3, and a lake behind it."""
    with FaultyProxy(int(s3.endpoint.rpartition(":")[2])) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        yield proxy, open_lake(bucket_url)


def test_write_once_recognises_its_own_write_when_the_response_is_lost(
    proxied_lake: tuple[FaultyProxy, Lake],
) -> None:
    proxy, lake = proxied_lake
    proxy.cut["PUT"] = 1
    lake.write_once("raw/a.json", b"mine")
    assert proxy.cut_count == 1
    assert lake.read("raw/a.json") == b"mine"
    proxy.cut["PUT"] = 1
    with pytest.raises(FileExistsError):
        lake.write_once("raw/a.json", b"another's")
    assert proxy.cut_count == 2
    assert lake.read("raw/a.json") == b"mine"


def test_a_response_of_s3_that_breaks_off_is_read_again(
    proxied_lake: tuple[FaultyProxy, Lake],
) -> None:
    proxy, lake = proxied_lake
    data = os.urandom(200_000)
    lake.write("raw/a.json", data)
    proxy.cut_after = 30_000
    proxy.cut["GET"] = 2
    assert lake.read("raw/a.json") == data
    assert proxy.cut_count == 2
    proxy.cut["GET"] = 1
    with lake.open("raw/a.json") as file:
        assert file.read() == data
    assert proxy.cut_count == 3


def test_a_throttled_request_to_s3_is_tried_again(proxied_lake: tuple[FaultyProxy, Lake]) -> None:
    proxy, lake = proxied_lake
    proxy.throttle["PUT"] = 2
    lake.write_once("raw/a.json", b"mine")
    proxy.throttle["GET"] = 2
    assert lake.read("raw/a.json") == b"mine"
    assert lake.keys("raw") == ["raw/a.json"]
    assert not proxy.throttle.total()


def test_throttling_that_does_not_end_is_reported_in_one_line(
    proxied_lake: tuple[FaultyProxy, Lake],
) -> None:
    proxy, lake = proxied_lake
    proxy.throttle["GET"] = 100
    with pytest.raises(OSError, match="SlowDown") as error:
        lake.read("raw/a.json")
    assert len(str(error.value).splitlines()) == 1


def test_a_large_transfer_needs_memory_for_a_few_parts_only(bucket: S3Lake, tmp_path: Path) -> None:
    size = 256 * 1024 * 1024
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    script = """
import resource, sys
from pathlib import Path
from loaders.lake.lake import open_lake
lake = open_lake(sys.argv[1])
lake.write("small", b"")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
lake.write_file("large", Path(sys.argv[2]))
with lake.open("large") as file:
    file.seek(0, 2)
    print(file.tell(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    process = subprocess.run(
        [sys.executable, "-c", script, bucket.url, str(tmp_path / "large")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    written_bytes, memory_growth_kib = map(int, process.stdout.split())
    assert written_bytes == size
    assert memory_growth_kib * 1024 < size / 2


@pytest.mark.parametrize(
    ("encryption", "key"), [("AES256", ""), ("aws:kms", "alias/lake"), ("", "")]
)
def test_objects_are_encrypted_as_the_settings_require(
    bucket: S3Lake,
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encryption: str,
    key: str,
) -> None:
    monkeypatch.setenv("LAKE__ENCRYPTION", encryption)
    monkeypatch.setenv("LAKE__KMS_KEY_ID", key)
    lake = open_lake(bucket.url)
    data = os.urandom(PART + 1)
    (tmp_path / "large").write_bytes(data)
    lake.write_once("once", b"1")
    lake.write("small", b"2")
    lake.write("large", data)
    lake.write_file("file", tmp_path / "large")
    for name, written in {"once": b"1", "small": b"2", "large": data, "file": data}.items():
        head = s3.client().head_object(Bucket=bucket.bucket, Key=f"some/prefix/{name}")
        assert head.get("ServerSideEncryption", "") == encryption
        assert head.get("SSEKMSKeyId", "") == key
        assert lake.read(name) == written


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LAKE__URL", "s3://", "LAKE__URL is 's3://': expected s3://bucket/prefix"),
        ("LAKE__URL", "s3://no-such-bucket/x", "there is no bucket no-such-bucket: create it"),
        ("LAKE__URL", "s3://key:planted@bucket", "LAKE__URL is '(not shown)': expected s3://"),
        (
            "AWS_ACCESS_KEY_ID",
            "somebody",
            "AWS_ACCESS_KEY_ID is 'somebody': {} does not know this access key",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            "reader",
            "the access key reader needs the permission s3:PutObject there",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            "planted",
            "AWS_SECRET_ACCESS_KEY is '(not shown)': expected the secret of the access key",
        ),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID is not set: expected it together with"),
        ("AWS_PROFILE", "other", "AWS_PROFILE is 'other': expected a profile"),
        ("AWS_DEFAULT_REGION", "the moon", "AWS_DEFAULT_REGION is 'the moon': expected a region"),
        (
            "AWS_ENDPOINT_URL_S3",
            "nowhere",
            "AWS_ENDPOINT_URL_S3 is 'nowhere': expected https://host",
        ),
        (
            "AWS_ENDPOINT_URL_S3",
            "http://127.0.0.1:1",
            "'http://127.0.0.1:1': no S3 server responds",
        ),
        ("LAKE__ENCRYPTION", "rot13", "LAKE__ENCRYPTION is 'rot13': expected AES256 or aws:kms"),
        ("LAKE__KMS_KEY_ID", "alias/x", "'alias/x': expected LAKE__ENCRYPTION=aws:kms with it"),
        ("LAKE__CREDENTIALS__AWS_ACCESS_KEY_ID", "me", "expected the secret of the access key me"),
        (
            "LAKE__CREDENTIALS__PROFILE_NAME",
            "x",
            "LAKE__CREDENTIALS__PROFILE_NAME is 'x': expected",
        ),
        (
            "LAKE__CREDENTIALS__ENDPOINT_URL",
            "http://localhost:1",
            "LAKE__CREDENTIALS__ENDPOINT_URL is 'http://localhost:1': no S3 server responds there",
        ),
    ],
)
def test_a_wrong_setting_of_a_lake_on_s3_is_named_in_one_line(
    bucket: S3Lake, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    url = value if name == "LAKE__URL" else bucket.url
    if value:
        monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv(name)
    with pytest.raises(SettingError) as raised:
        open_lake(url)
    assert message.format(endpoint) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "planted" not in str(raised.value)


def test_credentials_in_secrets_toml_open_a_lake_and_are_written_nowhere(
    bucket_url: str, s3: S3Server, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "project" / ".dlt"
    folder.mkdir(parents=True)
    credentials = {
        "aws_access_key_id": s3.access_key,
        "aws_secret_access_key": s3.secret_key,
        "region_name": os.environ["AWS_DEFAULT_REGION"],
        "endpoint_url": s3.endpoint,
    }
    lines = [f'{name} = "{value}"\n' for name, value in credentials.items()]
    (folder / "secrets.toml").write_text("[lake.credentials]\n" + "".join(lines))
    environment = {name: os.environ[name] for name in os.environ.keys() - s3.environment().keys()}
    process = subprocess.run(
        [DLT, "pipeline", "exim", "run"],
        cwd=tmp_path,
        env=environment | {"DLT_PROJECT_DIR": str(folder.parent), "RUNTIME__LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    objects = s3.client().list_objects_v2(Bucket=bucket_url.split("/")[2])["Contents"]
    assert any(entry["Key"].startswith("some/prefix/stage/exim/") for entry in objects)
    assert s3.secret_key not in process.stdout + process.stderr
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if s3.secret_key.encode() in path.read_bytes()]


def test_a_page_that_another_home_has_written_meanwhile_is_named(lake: Lake) -> None:
    file = "raw/kopis/venues/dt=2026-11-22/extraction=001/prfplc.0123456789ab.xml"
    answered_at = datetime(2026, 11, 22, tzinfo=KST)
    raw.keep(lake, file, b"<dbs/>", {}, "", {}, answered_at)
    with pytest.raises(raw.RawError, match=f"{file} was written meanwhile, by a run in another"):
        raw.keep(lake, file, b"<dbs/>", {}, "", {}, answered_at)
