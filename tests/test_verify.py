"""`dlt pipeline verify` finds each kind of difference, and puts right what can be derived."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import orjson
import pytest
from support.damage import cut
from support.pipelines import open_warehouse_elsewhere, query, run
from support.project import TODAY, point_at

from loaders.cli.verify import VerifyArguments, verify
from loaders.pipeline.locks import pipeline_lock
from loaders.sample_api import SampleApi

FIRST = TODAY - timedelta(days=2)
DATES = f"{FIRST}..{TODAY}"
RATES = "exim/exchange_rates"
ROWS = {
    table: f"select * exclude (_dlt_load_id) from staging_{table} order by all"
    for table in ("exim.exchange_rates", "kopis.venues", "kopis.venue_details")
}


@dataclass(frozen=True)
class Verified:
    """What a verification printed."""

    code: int
    message: str
    lines: list[str]

    def line(self, place: str) -> str:
        """Return the only line about a place."""
        (line,) = (line for line in self.lines if line.startswith(f"{place}"))
        return line


Verify = Callable[..., Verified]


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Verify:
    """A function that verifies, and returns what was printed."""

    def call(
        pipeline: str | None = "exim",
        date: str | None = None,
        table: str | None = None,
        *,
        repair: bool = False,
    ) -> Verified:
        capsys.readouterr()
        code, message = verify(pipeline, VerifyArguments(date, table, repair))
        # A busy machine prints its progress too.
        lines = capsys.readouterr().out.splitlines()
        return Verified(code, message, [line for line in lines if " dates, " not in line])

    return call


@pytest.fixture(scope="module")
def run_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after runs of two sources, one of them with details. Each test copies it."""
    home = tmp_path_factory.mktemp("run") / "home"
    with pytest.MonkeyPatch.context() as settings, SampleApi(today=TODAY) as api:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
        point_at(api, settings)
        assert run("exim", date=DATES) == (0, "")
        for table in ("venues", "venue_details"):
            assert run("kopis", table=table) == (0, "")
    return home


@pytest.fixture
def kept(run_home: Path, home: Path) -> Path:
    """The lake of a copy of that home."""
    shutil.copytree(run_home, home)
    return home / "lake"


def change(file: Path) -> None:
    """Flip a byte in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows(home: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: query(home, sql) for table, sql in ROWS.items()}


def raw_bodies(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*JSON.*") if not path.name.endswith(".meta.json"))


def of_day(folder: Path) -> Path:
    """The one parquet file of the newest date."""
    (file,) = (folder / f"dt={TODAY}").glob("*.parquet")
    return file


@pytest.mark.core
def test_what_is_as_it_was_written_has_no_difference(kept: Path, verified: Verify) -> None:
    before = content(kept)
    for pipeline in ("exim", "kopis", None):
        assert verified(pipeline) == Verified(0, "", ["as recorded"])
    assert content(kept) == before


@pytest.mark.core
def test_a_flipped_byte_of_a_response_is_found_and_the_response_never_touched(
    kept: Path, verified: Verify
) -> None:
    body = raw_bodies(kept / "raw" / RATES)[-1]
    change(body)
    before = content(kept)
    for repair in (False, True):
        found = verified(repair=repair)
        assert (found.code, found.message) == (1, "1 difference, 0 repaired")
        line = found.line(str(body.relative_to(kept)))
        assert "has changed since it was written (checksum)" in line
        assert f"`dlt pipeline exim run --table exchange_rates --date {TODAY} --refresh`" in line
    assert content(kept) == before


def test_a_response_that_is_gone_is_found(kept: Path, verified: Verify) -> None:
    body = raw_bodies(kept / "raw" / RATES)[-1]
    body.unlink()
    assert "is missing from the lake" in verified(repair=True).line(str(body.relative_to(kept)))
    assert not body.exists()


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_a_damaged_description_of_a_complete_extraction_is_found(
    kept: Path, verified: Verify, damage: Callable[[Path], None]
) -> None:
    (description, *_) = (kept / "raw" / RATES / f"dt={TODAY}").rglob("*.meta.json")
    damage(description)
    line = verified(repair=True).line(str(description.relative_to(kept)))
    assert "is missing or damaged; its rows stay, since the mark has its checksum" in line


def test_a_description_that_differs_from_the_mark_is_found(kept: Path, verified: Verify) -> None:
    (description, *_) = (kept / "raw" / RATES / f"dt={TODAY}").rglob("*.meta.json")
    meta = orjson.loads(description.read_bytes())
    description.write_bytes(orjson.dumps(meta | {"answered_at": "2026-11-22T00:00:00+09:00"}))
    line = verified(repair=True).line(str(description.relative_to(kept)))
    assert "differs from the mark" in line


def test_a_response_without_a_valid_description_is_asked_for_again(
    home: Path, verified: Verify, api: SampleApi
) -> None:
    api.fail("*exchangeJSON", error="bad_key", after=1)
    assert run("exim")[0] == 1
    (body,) = raw_bodies(home / "lake" / "raw" / RATES)
    cut(body.with_name(f"{body.name}.meta.json"))
    key = str(body.relative_to(home / "lake"))
    before = content(home / "lake" / "raw")
    line = verified(repair=True).line(key)
    assert "so it was not kept; the next run asks for it again: `dlt pipeline exim run" in line
    assert content(home / "lake" / "raw") == before
    api.clear_faults()
    assert run("exim") == (0, "")
    assert verified() == Verified(0, "", ["as recorded"])


def test_a_response_that_left_an_interrupted_extraction_is_asked_for_again(
    home: Path, verified: Verify, api: SampleApi
) -> None:
    api.fail("*exchangeJSON", error="bad_key", after=1)
    assert run("exim")[0] == 1
    (body,) = raw_bodies(home / "lake" / "raw" / RATES)
    body.unlink()
    line = verified().line(str(body.relative_to(home / "lake")))
    assert "is missing, though it has a description; restore it from a backup; the next" in line
    api.clear_faults()
    assert run("exim") == (0, "")
    assert verified() == Verified(0, "", ["as recorded"])


@pytest.mark.core
@pytest.mark.parametrize("damage", [cut, Path.unlink])
@pytest.mark.parametrize("table", [RATES, "kopis/venues", "kopis/venue_details"])
def test_a_mark_is_written_again_with_the_pages_in_their_order(
    kept: Path, home: Path, verified: Verify, damage: Callable[[Path], None], table: str
) -> None:
    source = table.partition("/")[0]
    (mark,) = (kept / "raw" / table / f"dt={TODAY}").rglob("_complete.json")
    before, pages = content(kept / "stage" / source), orjson.loads(mark.read_bytes())
    damage(mark)
    key = str(mark.relative_to(kept))
    assert verified(source).lines == [
        f"{key}: is {'damaged' if damage is cut else 'missing, though it was complete'};"
        " --repair puts it right"
    ]
    found = verified(source, repair=True)
    assert found.code == 0
    assert "it is written again from the staged file" in found.line(key)
    assert verified(source) == Verified(0, "", ["as recorded"])
    with_rows = [page for page in orjson.loads(mark.read_bytes()) if page in pages]
    assert sorted(with_rows, key=orjson.dumps) == sorted(pages, key=orjson.dumps)
    shutil.rmtree(kept / "stage" / source)
    assert verified(source, repair=True).code == 0
    assert content(kept / "stage" / source) == before


def test_a_mark_that_nothing_derives_is_found(kept: Path, verified: Verify) -> None:
    (mark,) = (kept / "raw" / RATES / f"dt={TODAY}").rglob("_complete.json")
    mark.unlink()
    shutil.rmtree(kept / "stage" / RATES / f"dt={TODAY}")
    found = verified(repair=True)
    assert "was complete; restore it from a backup" in found.line(str(mark.relative_to(kept)))
    assert not mark.exists()


def test_a_date_of_raw_that_is_gone_is_found_by_the_history_of_runs(
    kept: Path, verified: Verify
) -> None:
    for layer in ("raw", "stage"):
        shutil.rmtree(kept / layer / RATES / f"dt={FIRST}")
    found = verified(repair=True)
    line = found.line(f"raw/{RATES}/dt={FIRST}")
    assert "is missing, though a run has extracted it" in line
    assert "which the lake lacks" in found.line(f"exim.exchange_rates {FIRST} in the warehouse")


@pytest.mark.core
@pytest.mark.parametrize("damage", [change, cut, Path.unlink])
def test_a_damaged_staged_file_is_staged_again(
    kept: Path, verified: Verify, damage: Callable[[Path], None]
) -> None:
    file = of_day(kept / "stage" / RATES)
    before = content(kept)
    damage(file)
    found = verified()
    assert found.code == 1
    found = verified(repair=True)
    assert found.code == 0
    assert all("staged again" in line or "loaded" in line for line in found.lines[:-1])
    assert content(kept) == before
    assert verified() == Verified(0, "", ["as recorded"])


def test_a_stray_file_is_deleted(kept: Path, verified: Verify) -> None:
    file = of_day(kept / "stage" / RATES)
    foreign = shutil.copy(of_day(kept / "stage" / "kopis" / "venues"), file.parent)
    other = shutil.copy(next((file.parents[1] / f"dt={FIRST}").iterdir()), file.parent)
    before = file.read_bytes()
    found = verified()
    assert found.code == 1
    for stray in (foreign, other):
        assert "does not belong there" in found.line(str(Path(stray).relative_to(kept)))
    assert verified(repair=True).code == 0
    assert [path.read_bytes() for path in file.parent.iterdir()] == [before]


def test_a_damaged_file_whose_raw_is_damaged_too_is_left_as_it_is(
    kept: Path, verified: Verify
) -> None:
    file, body = of_day(kept / "stage" / RATES), raw_bodies(kept / "raw" / RATES)[-1]
    change(file)
    change(body)
    before = content(kept)
    found = verified(repair=True)
    assert found.code == 1
    assert "not repaired: raw/" in found.line(str(file.relative_to(kept)))
    assert content(kept) == before


def test_rejected_rows_that_are_gone_are_written_again(
    home: Path, verified: Verify, api: SampleApi
) -> None:
    api.fail("*exchangeJSON", body=b'[{"result": 1, "cur_unit": "USD", "deal_bas_r": "x"}]')
    assert run("exim") == (0, "")
    (file,) = (home / "lake" / "rejected").rglob("rows.jsonl")
    before = file.read_bytes()
    for damage in (cut, Path.unlink):
        damage(file)
        assert "rejected rows, but those in rejected/" in verified().lines[0]
        assert verified(repair=True).code == 0
        assert file.read_bytes() == before


@pytest.mark.core
def test_rows_that_left_the_warehouse_are_loaded_again(
    kept: Path, home: Path, verified: Verify
) -> None:
    before = rows(home)
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "delete from staging_exim.exchange_rates"
            f" where currency = 'USD' and logical_date = '{FIRST}'"
        )
        warehouse.execute("insert into staging_kopis.venues from staging_kopis.venues limit 1")
        warehouse.execute(
            "delete from staging_runs.loaded_dates where table_name = 'venue_details'"
        )
    found = verified("exim")
    assert found.code == 1
    place = f"exim.exchange_rates {FIRST} in the warehouse"
    assert "but stage/exim/exchange_rates" in found.line(place)
    assert verified("exim", str(TODAY)).lines == ["as recorded"]
    kopis = verified("kopis")
    assert "rows, but stage/kopis" in kopis.line("kopis.venues")
    assert "is missing, though stage/kopis" in kopis.line("kopis.venue_details")
    assert verified(None, repair=True).code == 0
    assert rows(home) == before
    assert verified(None) == Verified(0, "", ["as recorded"])


def test_rows_that_nothing_recorded_are_found(kept: Path, home: Path, verified: Verify) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "insert into staging_exim.exchange_rates select * replace (date '2026-01-01' as"
            " logical_date) from staging_exim.exchange_rates limit 2"
        )
    found = verified(repair=True)
    assert "has 2 rows that no load has recorded" in found.lines[0]
    assert found.code == 1


def test_a_lost_warehouse_is_one_line_with_the_rebuild(
    kept: Path, home: Path, verified: Verify
) -> None:
    (home / "warehouse.duckdb").unlink()
    found = verified(repair=True)
    assert found.lines == [
        "exim in the warehouse: has none of 3 staged dates of its tables; run `dlt pipeline run"
        " --rebuild`, which loads every date of the lake without a call"
    ]
    assert not (home / "warehouse.duckdb").exists()


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_an_index_is_rebuilt_from_raw(
    kept: Path, verified: Verify, damage: Callable[[Path], None]
) -> None:
    file = kept / "index" / "kopis" / "venue_details" / "index.json"
    before = file.read_bytes()
    damage(file)
    assert "--repair puts it right" in verified("kopis").line(str(file.relative_to(kept)))
    assert verified("kopis", repair=True).code == 0
    assert file.read_bytes() == before


def test_an_index_that_differs_from_raw_is_found(kept: Path, verified: Verify) -> None:
    for layer in ("raw", "stage"):
        shutil.rmtree(kept / layer / "kopis" / "venue_details")
    line = verified("kopis").line("index/kopis/venue_details/index.json")
    assert f"differs from the details of 1 dates in raw, as on {TODAY}" in line


def test_a_damaged_count_of_calls_is_counted_again(kept: Path, verified: Verify) -> None:
    (file,) = (kept / "budget" / "exim").rglob("*.json")
    bodies = raw_bodies(kept / "raw" / RATES)
    described = orjson.loads(bodies[0].with_name(f"{bodies[0].name}.meta.json").read_bytes())
    answered_on = described["answered_at"][:10]
    count = kept / "budget" / "exim" / f"day={answered_on}" / file.name
    count.parent.mkdir(exist_ok=True)
    count.write_bytes(b"{")
    assert "is damaged" in verified().line(str(count.relative_to(kept)))
    assert verified(repair=True).code == 0
    assert orjson.loads(count.read_bytes()) == {"calls": len(bodies), "spent": False}


def test_a_damaged_file_of_the_history_of_runs_is_found(kept: Path, verified: Verify) -> None:
    file = min((kept / "stage" / "runs").rglob("*.parquet"))
    cut(file)
    line = verified("exim", repair=True).line(str(file.relative_to(kept)))
    assert "can't be read as a history of runs" in line


@pytest.mark.core
def test_generated_files_and_their_rows_are_generated_and_loaded_again(
    home: Path, verified: Verify
) -> None:
    assert run("web_logs", scale="0.0001", date="2026-08-15..2026-08-16") == (0, "")
    folder = home / "lake" / "stage" / "web_logs"
    assert verified("web_logs") == Verified(0, "", ["as recorded"])
    before = content(folder)
    files = sorted(folder.rglob("*.parquet"))
    change(files[0])
    cut(files[1])
    files[2].unlink()
    files[3].with_suffix(".json").unlink()
    stray = folder / "users" / "dt=2026-08-15" / "0123456789abcdef-0.parquet"
    shutil.copy(files[-1], stray)
    found = verified("web_logs")
    assert found.code == 1
    keys = [str(file.relative_to(home / "lake")) for file in files[:4]]
    problems = ("has changed", "has changed", "is missing", "has no valid record")
    for key, problem in zip(keys, problems, strict=True):
        assert problem in found.line(key)
    assert "does not belong there" in found.line(str(stray.relative_to(home / "lake")))
    assert verified("web_logs", repair=True).code == 0
    assert content(folder) == before
    assert verified("web_logs") == Verified(0, "", ["as recorded"])


@pytest.mark.core
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("nothing", None, None),
            2,
            "the pipeline is 'nothing': expected one of exim, incheon, kma,",
        ),
        (("exim", None, "places"), 2, "--table is 'places': expected one of exchange_rates"),
        (("exim", "yesterday", None), 2, "--date is 'yesterday': expected a date such as"),
        (("exim", "2026-01-01", None), 2, "--date is '2026-01-01': expected a date of which the"),
        (("rds", "2026-11-22", None), 2, "--date is 'with rds': expected it with a source"),
    ],
)
def test_a_wrong_word_is_one_line(
    kept: Path, verified: Verify, arguments: tuple[str, ...], code: int, message: str
) -> None:
    found = verified(*arguments)
    assert found.code == code
    assert found.message.startswith(message)
    assert found.lines == []


@pytest.mark.core
def test_a_missing_lake_is_not_created(
    home: Path, verified: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verified()
    lake = home / "lake"
    assert found.code == 2
    assert found.message == f"LAKE__URL is '{lake}': expected a lake that a run has filled"
    assert not lake.exists()
    monkeypatch.setenv("DBT_TARGET", "elsewhere")
    assert verified().message == "DBT_TARGET is 'elsewhere': expected local or redshift"


@pytest.mark.core
def test_a_pipeline_that_runs_is_not_verified(kept: Path, verified: Verify) -> None:
    with pipeline_lock("exim"):
        found = verified()
        assert (found.code, found.lines) == (3, [])
        assert found.message.startswith("exim is being run by process")
        assert verified("kopis").code == 0
    with pipeline_lock("upkeep"):
        assert verified("kopis").code == 3


def test_a_warehouse_that_another_program_has_open_is_one_line(
    kept: Path, home: Path, verified: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE__LOCK_TIMEOUT", "0")
    with open_warehouse_elsewhere(home):
        found = verified()
    assert (found.code, found.lines) == (1, [])
    assert found.message.startswith("the warehouse was not compared: the warehouse has been open")
