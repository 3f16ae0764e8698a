"""The lake holds its promises in a folder and on S3 alike."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faulty_wire import FaultyWire
from support.pipelines import DLT
from support.project import PROJECT
from support.s3_server import S3Server

from loaders.lake.folder import OLDEST_PART, PARTS, FolderLake
from loaders.lake.lake import Lake, open_lake
from loaders.lake.s3 import PART, S3Lake
from loaders.settings import SettingError


@pytest.fixture
def lake(lake_url: str) -> Lake:
    return open_lake(lake_url)


@pytest.fixture
def bucket(bucket_url: str) -> S3Lake:
    lake = open_lake(bucket_url)
    assert isinstance(lake, S3Lake)
    return lake


def test_what_is_written_is_read_back(lake: Lake) -> None:
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


def test_what_is_not_there_is_said_as_by_a_folder(lake: Lake) -> None:
    for ask in (lake.read, lake.modified_at, lambda key: lake.open(key).__enter__()):
        with pytest.raises(FileNotFoundError, match=r"raw/no\.json"):
            ask("raw/no.json")
    assert lake.keys("raw") == lake.folders("raw") == []


def test_what_is_written_once_is_never_changed(lake: Lake) -> None:
    lake.write_once("raw/a.json", b"first")
    with pytest.raises(FileExistsError):
        lake.write_once("raw/a.json", b"second")
    assert lake.read("raw/a.json") == b"first"
    assert lake.keys("raw") == ["raw/a.json"]


def test_of_many_writers_of_one_key_exactly_one_succeeds(lake: Lake) -> None:
    won: list[int] = []

    def write(number: int) -> None:
        try:
            lake.write_once("raw/a.json", str(number).encode() * 10_000)
            won.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert lake.read("raw/a.json") == str(won[0]).encode() * 10_000


def test_keys_and_folders_are_those_below_a_folder_in_order(lake: Lake) -> None:
    for key in ("raw/b/2.json", "raw/b/10.json", "raw/a/c/1.json", "rawer/x.json", "raw/z.json"):
        lake.write(key, b"{}")
    assert lake.keys("raw") == ["raw/a/c/1.json", "raw/b/10.json", "raw/b/2.json", "raw/z.json"]
    assert lake.keys("raw/b") == ["raw/b/10.json", "raw/b/2.json"]
    assert lake.folders("raw") == ["a", "b"]
    assert lake.folders("raw/b") == []


def test_an_object_of_many_parts_comes_back_as_a_file_that_can_be_sought(
    lake: Lake, tmp_path: Path
) -> None:
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


def test_what_a_kill_has_left_half_written_is_no_key_and_goes_after_a_day(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path)
    lake.write("raw/a.json", b"whole")
    old, new = (tmp_path / PARTS / name for name in ("old", "new"))
    for half in (old, new):
        half.write_bytes(b"ha")
    os.utime(old, (time.time() - OLDEST_PART - 60,) * 2)
    assert open_lake(str(tmp_path)).keys("") == ["raw/a.json"]
    assert list((tmp_path / PARTS).iterdir()) == [new]


def test_a_lake_that_is_no_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"LAKE__URL is .*file.*can't be written"):
        open_lake(str(tmp_path / "file"))
    with pytest.raises(SettingError, match="LAKE__URL is 'gs://bucket': expected"):
        open_lake("gs://bucket")


def test_a_listing_goes_beyond_s3s_thousand(bucket: S3Lake) -> None:
    expected = [f"raw/day={number % 3}/{number:04}.json" for number in range(1003)]
    for key in expected:
        bucket.write(key, b"")
    assert bucket.keys("raw") == sorted(expected)
    assert bucket.folders("raw") == ["day=0", "day=1", "day=2"]


def test_two_lakes_in_one_bucket_do_not_see_each_other(bucket: S3Lake, s3: S3Server) -> None:
    beside = open_lake(bucket.url.removesuffix("/prefix"))
    bucket.write("raw/a.json", b"{}")
    assert beside.keys("raw") == []
    keys = [it["Key"] for it in s3.client().list_objects_v2(Bucket=bucket.bucket)["Contents"]]
    assert keys == ["some/prefix/raw/a.json"]


@pytest.fixture
def wire(
    bucket_url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FaultyWire, Lake]]:
    """A wire to S3, and a lake at the end of it."""
    with FaultyWire(int(s3.endpoint.rpartition(":")[2])) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", wire.endpoint)
        yield wire, open_lake(bucket_url)


def test_a_write_whose_answer_was_lost_is_no_other_writers(wire: tuple[FaultyWire, Lake]) -> None:
    faulty, lake = wire
    faulty.lose["PUT"] = 1
    lake.write_once("raw/a.json", b"mine")
    assert faulty.lost == 1
    assert lake.read("raw/a.json") == b"mine"
    faulty.lose["PUT"] = 1
    with pytest.raises(FileExistsError):
        lake.write_once("raw/a.json", b"another's")
    assert faulty.lost == 2
    assert lake.read("raw/a.json") == b"mine"


def test_an_answer_that_breaks_off_is_read_again(wire: tuple[FaultyWire, Lake]) -> None:
    faulty, lake = wire
    data = os.urandom(200_000)
    lake.write("raw/a.json", data)
    faulty.keep = 30_000
    faulty.lose["GET"] = 2
    assert lake.read("raw/a.json") == data
    assert faulty.lost == 2
    faulty.lose["GET"] = 1
    with lake.open("raw/a.json") as file:
        assert file.read() == data
    assert faulty.lost == 3


def test_an_s3_that_asks_to_slow_down_is_asked_again(wire: tuple[FaultyWire, Lake]) -> None:
    faulty, lake = wire
    faulty.throttle["PUT"] = 2
    lake.write_once("raw/a.json", b"mine")
    faulty.throttle["GET"] = 2
    assert lake.read("raw/a.json") == b"mine"
    assert lake.keys("raw") == ["raw/a.json"]
    assert not faulty.throttle.total()


def test_an_s3_that_is_too_slow_for_long_is_told_in_one_line(
    wire: tuple[FaultyWire, Lake],
) -> None:
    faulty, lake = wire
    faulty.throttle["GET"] = 100
    with pytest.raises(OSError, match="SlowDown") as error:
        lake.read("raw/a.json")
    assert len(str(error.value).splitlines()) == 1


def test_a_transfer_of_many_parts_needs_memory_for_a_few(bucket: S3Lake, tmp_path: Path) -> None:
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
    done = subprocess.run(
        [sys.executable, "-c", script, bucket.url, str(tmp_path / "large")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    arrived, grown = map(int, done.stdout.split())
    assert arrived == size
    assert grown * 1024 < size / 2


@pytest.mark.parametrize(
    ("encryption", "key"), [("AES256", ""), ("aws:kms", "alias/lake"), ("", "")]
)
def test_every_object_is_encrypted_as_set(
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
    ("name", "value", "says"),
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
def test_what_is_wrong_with_a_lake_on_s3_is_said_in_one_line(
    bucket: S3Lake, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    url = value if name == "LAKE__URL" else bucket.url
    if value:
        monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv(name)
    with pytest.raises(SettingError) as raised:
        open_lake(url)
    assert says.format(endpoint) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "planted" not in str(raised.value)


def test_credentials_of_secrets_toml_open_a_lake_and_are_written_nowhere(
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
    kept = {name: it for name, it in os.environ.items() if name not in s3.environment()}
    done = subprocess.run(
        [DLT, "pipeline", "exim", "run"],
        cwd=tmp_path,
        env=kept | {"DLT_PROJECT_DIR": str(folder.parent), "RUNTIME__LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    objects = s3.client().list_objects_v2(Bucket=bucket_url.split("/")[2])["Contents"]
    assert any(it["Key"].startswith("some/prefix/stage/exim/") for it in objects)
    assert s3.secret_key not in done.stdout + done.stderr
    written = [path for path in home.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if s3.secret_key.encode() in path.read_bytes()]
