"""A staged file is verified before it is loaded, and a damaged one is staged again from raw."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cases import mostly_long
from support.damage import cut, flip_a_byte
from support.pipelines import query, run, table_results
from support.project import TODAY

from loaders.sample_api import SampleApi

pytestmark = pytest.mark.usefixtures("staging_tables")

ROWS = "select * exclude (_dlt_load_id) from staging_exim.exchange_rates order by all"


def put_another_table_beside(file: Path) -> None:
    (other,) = (file.parents[3] / "incheon" / "airports").rglob("*.parquet")
    shutil.copy(other, file.parent)  # newer than the file


def put_another_date_beside(file: Path) -> None:
    (other,) = (file.parents[1] / "dt=2026-11-20").glob("*.parquet")
    shutil.copy(other, file.parent)


@pytest.mark.core
@pytest.mark.parametrize(
    ("damage", "only"),
    mostly_long(
        [
            (flip_a_byte, None),
            (cut, "load"),
            (put_another_table_beside, "load"),
            (put_another_date_beside, None),
            (flip_a_byte, "load"),
            (cut, None),
            (put_another_table_beside, None),
            (put_another_date_beside, "load"),
        ],
        short=4,
    ),
)
def test_a_damaged_or_foreign_file_is_replaced_from_raw_without_a_call(
    api: SampleApi, home: Path, damage: Callable[[Path], None], only: str | None
) -> None:
    assert run("incheon", table="airports", only="extract") == (0, "")
    assert run("incheon", table="airports", only="stage") == (0, "")
    assert run("exim", date="2026-11-20") == (0, "")
    assert run("exim") == (0, "")
    before = query(home, ROWS)
    (file,) = (home / "lake" / "stage" / "exim").rglob(f"dt={TODAY}/*.parquet")
    sound = file.read_bytes()

    damage(file)
    (home / "warehouse.duckdb").unlink()
    calls = api.calls.total()
    assert run("exim", date="2026-11-20") == (0, "")
    assert run("exim", only=only) == (0, "")
    assert query(home, ROWS) == before
    assert [path.read_bytes() for path in file.parent.iterdir()] == [sound]
    assert api.calls.total() == calls


def test_a_damaged_file_whose_raw_is_gone_names_it_and_leaves_the_rows(
    api: SampleApi, home: Path
) -> None:
    assert run("exim") == (0, "")
    before = query(home, ROWS)
    (file,) = (home / "lake" / "stage" / "exim").rglob("*.parquet")
    flip_a_byte(file)
    shutil.rmtree(home / "lake" / "raw" / "exim")
    assert run("exim", only="load") == (1, "not complete: exim.exchange_rates")
    (error,) = table_results(home)["exim.exchange_rates"]["errors"]
    assert file.name in error
    assert "is damaged, and raw has no response to stage again" in error
    assert query(home, ROWS) == before
