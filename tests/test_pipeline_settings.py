"""Settings and arguments of pipelines: wrong values are reported before any call."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.pipelines import DLT, run
from support.project import PROJECT

from loaders.cli import commands, misspelt, plugin, summary
from loaders.sample_api import SampleApi

SETTINGS_PAGE = (PROJECT / "docs" / "settings.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SOURCES__TOUR__LANGUAGES", "en,fr", "expected some of en, ko"),
        ("SOURCES__TOUR__REGION", "Seoul", "expected a two-digit lDongRegnCd"),
        ("SOURCES__KOPIS__DAYS_AHEAD", "-1", "expected a number of days"),
        ("SOURCES__KOPIS__DAILY_ALLOWANCE", "many", "expected a number of calls"),
        ("SOURCES__KOPIS__PARALLEL_CALLS", "0", "expected a number of calls, at least 1"),
        ("SOURCES__TOUR__PARALLEL_CALLS", "four", "expected a number of calls, at least 1"),
        ("SOURCES__KOPIS__BASE_URL", "kopis.or.kr", "expected https://host/path"),
        ("HELLO_KOREA_TODAY", "yesterday", "expected a date such as 2026-11-22"),
        ("HELLO_KOREA_TODAY", "9999-12-31", "expected a date such as 2026-11-22"),
        ("LAKE__URL", "gs://bucket/lake", "expected a folder"),
        ("DBT_TARGET", "prod", "expected local"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_value_and_what_is_expected(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    code, message = run()
    assert code == 2
    assert message.startswith(f"{name} is '{value}'")
    assert expected in message
    assert not api.calls


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAX_MEGABYTES", "0", "expected megabytes, at least 1"),
        ("MAX_SECONDS", "-1", "expected seconds, more than 0"),
        ("MAX_PAGES", "many", "expected a number of pages, at least 1"),
    ],
)
def test_a_wrong_limit_of_responses_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"ANSWERS__{name}", value)
    assert run("exim") == (2, f"ANSWERS__{name} is {value!r}: {expected}")


def test_an_unknown_contract_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__EXIM__EXCHANGE_RATES__CONTRACT", "ignore")
    assert run("exim") == (
        2,
        "SOURCES__EXIM__EXCHANGE_RATES__CONTRACT is 'ignore': expected one of reject, evolve, stop",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUNTIME__REQUEST_TIMEOUT", "abc"),
        ("RUNTIME__REQUEST_TIMEOUT", "0"),
        ("RUNTIME__REQUEST_MAX_ATTEMPTS", "-1"),
        ("RUNTIME__LOG_LEVEL", "LOUD"),
        ("SOURCES__KOPIS__BASE_URL", "http://[::1/x"),
        ("SOURCES__KOPIS__BASE_URL", "http://127.0.0.1:notaport/x"),
    ],
)
def test_a_wrong_connection_setting_is_reported_in_one_line_before_any_call(
    api: SampleApi, name: str, value: str
) -> None:
    process = subprocess.run(
        [DLT, "pipeline", "run"],
        cwd=PROJECT,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.startswith(f"{name} is '{value}': expected")
    assert process.stderr.count("\n") == 1
    assert not api.calls


@pytest.mark.slow
def test_settings_are_also_read_from_config_toml(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "project" / ".dlt"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[sources.tour]\nlanguages = "fr"\n')
    process = subprocess.run(
        [DLT, "pipeline", "tour", "run"],
        cwd=tmp_path,
        env=os.environ | {"DLT_PROJECT_DIR": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    setting, *_ = process.stderr.split(":")
    assert (process.returncode, setting) == (2, "SOURCES__TOUR__LANGUAGES is 'fr'")


def test_a_password_in_a_base_url_is_refused_and_not_shown(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__BASE_URL", "https://me:planted-secret@kopis.or.kr/openApi")
    assert run("kopis") == (
        2,
        "SOURCES__KOPIS__BASE_URL is '(not shown)': expected https://host/path, without a password",
    )


@pytest.mark.slow
def test_a_file_of_keys_that_others_can_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "my settings" / ".dlt" / "secrets.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    line = f"{file} can be read by others: run `chmod 600 '{file}'`"
    for mode, is_named in ((0o644, True), (0o600, False)):
        file.chmod(mode)
        output = subprocess.check_output(
            [DLT, "pipeline", "exim", "run", "--plan"],
            env=os.environ | {"DLT_PROJECT_DIR": str(file.parents[1])},
            text=True,
        )
        assert (line in output.replace("\n", "")) is is_named


@pytest.mark.slow
def test_a_file_of_settings_that_is_no_toml_is_named_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / ".dlt" / "secrets.toml"
    file.parent.mkdir()
    file.write_text('[sources.exim]\nservice_key = "planted-secret\n')
    process = subprocess.run(
        [DLT, "pipeline", "exim", "run"],
        env=os.environ | {"DLT_PROJECT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert process.stderr.startswith(f"{file} can't be read as TOML")
    assert process.stderr.count("\n") == 1
    assert "planted-secret" not in process.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SOURCES__EXIM__DAILY_ALOWANCE", "expected SOURCES__EXIM__DAILY_ALLOWANCE"),
        ("SOURCES__TOURS__SERVICE_KEY", "expected SOURCES__TOUR__SERVICE_KEY"),
        ("SOURCES__KMA__COLOUR", "expected one of docs/settings.md"),
        ("RDS__MAX_DELETE_SHARES", "expected RDS__MAX_DELETE_SHARE"),
        ("LAKE__CREDENTIALS__REGION", "expected LAKE__CREDENTIALS__REGION_NAME"),
    ],
)
def test_a_setting_that_does_not_exist_is_named_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setenv(name, "planted-secret")
    assert run("exim") == (2, f"{name} is not a setting: {message}")


@pytest.mark.slow
def test_a_setting_of_a_file_that_does_not_exist_is_named_too(tmp_path: Path) -> None:
    file = tmp_path / ".dlt" / "config.toml"
    file.parent.mkdir()
    file.write_text("[sources.exim]\ndaily_alowance = 5\n")
    process = subprocess.run(
        [DLT, "pipeline", "exim", "run"],
        env=os.environ | {"DLT_PROJECT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert process.stderr.startswith("SOURCES__EXIM__DAILY_ALOWANCE is not a setting: expected")


def test_every_documented_setting_is_known() -> None:
    documented = re.findall(r"^\| `([A-Z_]+__[A-Z_]+)` \|", SETTINGS_PAGE, re.M)
    own = [name for name in documented if name.split("__")[0].lower() in misspelt.SECTIONS]
    assert len(own) >= 40
    known = {name.replace(".", "__").upper() for name in misspelt._known()}
    assert set(own) <= known
    documented_of_all = {name.upper() for name in misspelt.OF_EACH_SOURCE} - {"SERVICE_KEY"}
    assert documented_of_all == set(
        re.findall(r"^\| `SOURCES__<SOURCE>__([A-Z_]+)` \|", SETTINGS_PAGE, re.M)
    )


def test_an_encryption_of_a_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE__ENCRYPTION", "AES256")
    message = "LAKE__ENCRYPTION is 'AES256': expected LAKE__URL=s3://bucket/prefix with it"
    code, line = run("exim")
    assert (code, line.startswith(message)) == (2, True)


def test_a_date_before_all_calendars_is_refused() -> None:
    message = "--date is '0001-01-01': expected no date before 1900-01-01"
    assert run("exim", date="0001-01-01") == (2, message)


def test_a_home_below_which_dlt_can_not_load_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KOREA_HOME", f"{tmp_path}/it's here")
    code, message = run("exim")
    assert code == 2
    assert message.endswith("expected a path without an apostrophe, below which dlt can't load")


def test_a_fault_of_the_program_is_one_line_with_a_file_to_report(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()

    def fail() -> tuple[int, str]:
        raise ZeroDivisionError("division\nby zero")

    with pytest.raises(SystemExit) as exit:
        plugin._execute(fail)
    assert exit.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("ZeroDivisionError in test_pipeline_settings.py, line ")
    remedy = f"This is a fault of the program: please report it with {home}/error.log\n"
    assert error.endswith(f": division by zero. {remedy}")
    assert "raise ZeroDivisionError" in (home / "error.log").read_text()


def test_damaged_files_of_results_do_not_hide_the_rest(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "last_run.json").write_text("{")
    summary.main()
    output, error = capsys.readouterr()
    assert error == f"{home / 'last_run.json'} is damaged: the next run replaces it\n"
    assert "where to look" in output

    file = home / "lake" / "rejected" / "exim" / "exchange_rates" / "dt=2026-11-22" / "a.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"reason": ')
    assert commands.rejected("exim", None, None) == (0, "")
    remedy = "`dlt pipeline exim run --only stage --table exchange_rates --date 2026-11-22`"
    assert remedy in capsys.readouterr().out


def test_a_base_url_without_a_service_key_is_refused(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__TOUR__SERVICE_KEY")
    code, message = run("tour")
    assert code == 2
    assert message.startswith("SOURCES__TOUR__SERVICE_KEY is not set")


@pytest.mark.parametrize(
    ("pipeline", "arguments", "expected"),
    [
        ("tuor", {}, "'tuor': expected one of "),
        ("tour", {"table": "hotels"}, "--table is 'hotels': expected one of districts, categories"),
        (None, {"date": "22.11.2026"}, "--date is '22.11.2026': expected a date such as"),
        (None, {"date": "2026-11-22..2026-11-01"}, "--date is"),
        (None, {"date": "2026-11-01.."}, "--date is"),
        (None, {"date": "2099-01-01"}, "expected no date after today (2026-11-22 in KST)"),
    ],
)
def test_a_wrong_argument_is_named(
    pipeline: str | None, arguments: dict[str, str], expected: str
) -> None:
    code, message = run(pipeline, **arguments)  # type: ignore[arg-type]
    assert code == 2
    assert expected in message
