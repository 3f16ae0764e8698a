import threading
from pathlib import Path

import pytest

from loaders.lake import Lake, open_lake
from loaders.settings import SettingError


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


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


def test_a_half_written_file_is_no_key(lake: Lake) -> None:
    lake.write("raw/a.json", b"whole")
    (lake.root / "raw" / ".b.json.x.part").write_bytes(b"ha")
    assert lake.keys("raw") == ["raw/a.json"]
    assert lake.keys("nothing") == []
    assert lake.folders("nothing") == []


def test_a_lake_that_is_no_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"LAKE__URL is .*file.*can't be written"):
        open_lake(str(tmp_path / "file"))
    with pytest.raises(SettingError, match="LAKE__URL is 's3://bucket'"):
        open_lake("s3://bucket")
