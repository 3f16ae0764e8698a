"""`dlt pipeline verify` finds each kind of difference, and puts right what can be derived."""

from pathlib import Path

import pytest
from support.pipelines import bodies, run
from support.project import TODAY

from loaders.cli.verify import VerifyArguments, verify
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.core


def flip_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)


def differences(
    capsys: pytest.CaptureFixture[str],
    pipeline: str | None = "exim",
    date: str | None = None,
    *,
    repair: bool = False,
) -> tuple[int, list[str]]:
    """Verify. Return the exit code, and the lines on standard output."""
    capsys.readouterr()
    code, _ = verify(pipeline, VerifyArguments(date, repair=repair))
    return code, capsys.readouterr().out.splitlines()


def test_a_lake_as_it_was_written_has_no_difference(
    api: SampleApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("exim") == (0, "")
    assert differences(capsys) == (0, ["as recorded"])


def test_a_flipped_byte_of_a_response_is_found_and_never_repaired(
    api: SampleApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("exim") == (0, "")
    key, *_ = bodies("exim")
    flip_a_byte(home / "lake" / key)
    damaged = (home / "lake" / key).read_bytes()
    for repair in (False, True):
        code, (line,) = differences(capsys, repair=repair)
        assert code == 1
        assert line.startswith(f"{key}: has changed since it was written (checksum)")
        assert f"`dlt pipeline exim run --table exchange_rates --date {TODAY} --refresh`" in line
    assert (home / "lake" / key).read_bytes() == damaged
