"""Which pipelines run, and that made-up rows never meet real ones."""

import os
import subprocess
from pathlib import Path

import pytest
from support.pipelines import DLT, lake, query, run
from support.project import PROJECT

from loaders.cli.enabled import PIPELINES, read_enabled
from loaders.pipeline.context import INTERNET, LAKE_ORIGIN, THIS_MACHINE
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES


def set_keys(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Set keys of the real APIs."""
    for name in names:
        monkeypatch.setenv(f"SOURCES__{name.upper()}__SERVICE_KEY", "real")


def test_without_any_key_every_pipeline_runs_on_made_up_rows() -> None:
    enabled = read_enabled()
    assert (enabled.names, enabled.origin) == (PIPELINES, THIS_MACHINE)
    assert enabled.lines() == []


def test_with_a_key_the_pipelines_that_have_one_run_and_a_line_says_where_to_get_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_keys(monkeypatch, "tour", "kopis")
    assert run(plan=True) == (0, "")
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("left out: exim (key: https://www.koreaexim.go.kr), incheon (key: ")
    assert first.endswith("web_logs (made-up rows)")
    assert "sample API" not in "".join(others)
    assert {line.split(".")[0] for line in others[1:]} == {"tour", "kopis"}


def test_the_same_holds_on_redshift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_TARGET", "redshift")
    set_keys(monkeypatch, "kopis")
    assert read_enabled().names == ("kopis",)


def test_the_setting_names_the_pipelines_that_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCES__ENABLED", "web_logs, kopis")
    assert read_enabled().names == ("kopis", "web_logs")
    assert run(plan=True) == (0, "")
    assert capsys.readouterr().out.startswith("left out by SOURCES__ENABLED: exim (key: ")


def test_the_usage_logs_run_beside_real_rows_only_if_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_keys(monkeypatch, *SOURCES)
    assert read_enabled().names == tuple(SOURCES)
    monkeypatch.setenv("SOURCES__ENABLED", ",".join(PIPELINES))
    enabled = read_enabled()
    assert (enabled.names, enabled.origin) == (PIPELINES, INTERNET)
    assert enabled.lines() == ["web_logs: generated, so made-up rows of usage"]


def test_the_usage_logs_run_beside_a_stand_in_on_this_machine(api: SampleApi) -> None:
    enabled = read_enabled()
    assert (enabled.names, enabled.origin) == (PIPELINES, THIS_MACHINE)


@pytest.mark.parametrize("value", ["tuor", "tour;kopis", "rds", ","])
def test_an_unknown_name_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SOURCES__ENABLED", value)
    expected = f"SOURCES__ENABLED is {value!r}: expected some of {', '.join(PIPELINES)}"
    assert run() == (2, expected)


def test_a_source_without_a_key_beside_one_with_a_key_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_keys(monkeypatch, "tour")
    monkeypatch.setenv("SOURCES__ENABLED", "tour,kopis")
    code, line = run()
    assert code == 2
    assert line.startswith("SOURCES__KOPIS__SERVICE_KEY is not set: expected a key (from https:")


def test_a_stand_in_on_this_machine_beside_a_real_api_is_refused(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__TOUR__BASE_URL")
    code, line = run()
    assert (code, api.calls) == (2, {})
    assert line.startswith("SOURCES__EXIM__BASE_URL is 'http://127.0.0.1")


@pytest.mark.parametrize(
    ("enabled", "pipeline", "expected"),
    [
        ("kopis", "tour", "SOURCES__ENABLED is 'kopis': expected tour among the names, to run it"),
        (
            "",
            "tour",
            "SOURCES__TOUR__SERVICE_KEY is not set: expected a key (from https://www.data",
        ),
        ("", "web_logs", "SOURCES__ENABLED is not set: expected web_logs among the names"),
    ],
)
def test_a_pipeline_that_is_left_out_does_not_run_alone(
    monkeypatch: pytest.MonkeyPatch, enabled: str, pipeline: str, expected: str
) -> None:
    set_keys(monkeypatch, "kopis")
    monkeypatch.setenv("SOURCES__ENABLED", enabled)
    code, line = run(pipeline)
    assert code == 2
    assert line.startswith(expected)


@pytest.mark.slow
def test_the_names_may_be_a_list_in_config_toml(tmp_path: Path) -> None:
    folder = tmp_path / ".dlt"
    folder.mkdir()
    (folder / "config.toml").write_text('[sources]\nenabled = ["tour", "kopis"]\n')
    process = subprocess.run(
        [DLT, "pipeline", "exim", "run"],
        env=os.environ | {"DLT_PROJECT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = "SOURCES__ENABLED is 'kopis,tour': expected exim among the names, to run it\n"
    assert (process.returncode, process.stderr) == (2, expected)


def test_rows_of_the_sample_api_and_of_a_real_api_do_not_share_a_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("exim") == (0, "")
    set_keys(monkeypatch, "kopis")
    code, line = run("kopis")
    assert code == 2
    assert line.startswith("LAKE__URL is")
    assert "holds exim responses from this machine" in line

    monkeypatch.setenv("LAKE__URL", str(tmp_path / "another lake"))
    code, line = run("kopis")
    assert code == 2
    assert line.startswith(f"HELLO_KOREA_HOME is '{home}': holds rows from this machine")


def test_generated_logs_and_real_rows_do_not_share_a_home_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run("web_logs", scale="0.0001") == (0, "")
    set_keys(monkeypatch, "kopis")
    code, line = run("kopis")
    assert code == 2
    assert line.startswith("HELLO_KOREA_HOME is")


def test_a_lake_of_version_0_1_keeps_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("exim", only="extract") == (0, "")
    lake().delete(LAKE_ORIGIN)
    lake().write("raw/exim/_answered_by", b"this machine")
    set_keys(monkeypatch, "exim")
    code, line = run("exim")
    assert code == 2
    assert "holds exim responses from this machine" in line


def test_the_settings_page_has_the_address_of_each_key() -> None:
    rows = (PROJECT / "docs" / "settings.md").read_text("utf-8").splitlines()
    for name, source in SOURCES.items():
        (row,) = [
            row for row in rows if row.startswith(f"| `SOURCES__{name.upper()}__SERVICE_KEY`")
        ]
        assert f"({source.key_url})" in row


def columns(home: Path, schema: str) -> list[tuple[str, ...]]:
    return query(
        home,
        "select table_name, column_name, data_type, is_nullable from information_schema.columns"
        f" where table_schema = '{schema}' and left(table_name, 1) <> '_'"
        " order by table_name, ordinal_position",
    )


def test_a_run_creates_the_tables_of_all_sources_with_the_columns_of_a_load(home: Path) -> None:
    assert run("exim") == (0, "")
    before = columns(home, "staging_kma")
    assert {table for table, *_ in before} == {table.name for table in SOURCES["kma"].tables}
    assert len(columns(home, "staging_web_logs")) > 20
    assert run("kma") == (0, "")
    assert columns(home, "staging_kma") == before
    assert query(home, "select count(*) > 0 from staging_kma.short_forecasts") == [(True,)]
