"""What could lose a row, ask twice, or show a key: each fault made, and what is left of it."""

import os
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
from support.pipelines import DLT, bodies, outcomes, query, raw_files, run
from support.project import PROJECT, TODAY, point_at, restore_interrupts

from loaders.sample_api import SampleApi


def test_an_empty_page_in_the_middle_does_not_end_a_list(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.sources.tour.PAGE_SIZE", 100)
    operation = "KorService2/areaBasedList2"
    api.fail(operation, error="no_data", after=1)
    assert run("tour", table="places")[0] == 1
    (wrong,) = outcomes(home)["tour.places"]["errors"]
    assert "a page without the rows that it should have" in wrong
    assert query(home, "select count(*) from staging_tour.places") == [(0,)]
    api.clear_faults()
    assert run("tour", table="places") == (0, "")
    assert query(home, "select count(*) from staging_tour.places where language = 'ko'")[0][0] > 400


@pytest.mark.usefixtures("few_places")
@pytest.mark.parametrize(
    "header",
    ['{"resultCode":"ERR","resultMsg":null}', '{"resultCode":3}', '{"resultCode":null}', "[]", "1"],
)
def test_an_odd_answer_ends_its_table_alone(api: SampleApi, home: Path, header: str) -> None:
    api.fail("*/searchStay2", body=f'{{"response":{{"header":{header},"body":{{}}}}}}')
    run("tour")
    others = {name: it for name, it in outcomes(home).items() if name != "tour.stays"}
    assert others["tour.places"]["loaded"]
    assert not any(it["errors"] for it in others.values())


def test_details_without_their_key_are_rejected_and_the_others_stay(
    api: SampleApi, home: Path
) -> None:
    run("kopis", table="performances")
    (bad, *_) = (
        key for (key,) in query(home, "select performance_id from staging_kopis.performances")
    )
    api.fail(f"pblprfr/{bad}", body="<dbs><db><prfnm>nameless</prfnm></db></dbs>")
    assert run("kopis", table="performance_details") == (0, "")
    outcome = outcomes(home)["kopis.performance_details"]
    assert outcome["rejected"] == 1
    assert outcome["loaded"] == outcome["pages"] - 1 > 150


def test_a_key_without_details_fails_alone_and_is_asked_again(api: SampleApi, home: Path) -> None:
    run("kopis", table="performances")
    (bad, *_) = (
        key for (key,) in query(home, "select performance_id from staging_kopis.performances")
    )
    api.fail(f"pblprfr/{bad}", error="no_data")
    assert run("kopis", table="performance_details")[0] == 1
    assert (
        "there is nothing under this key"
        in (outcomes(home)["kopis.performance_details"]["errors"][0])
    )
    api.clear_faults()
    assert run("kopis", table="performance_details") == (0, "")


def later(api: SampleApi, days: int, monkeypatch: pytest.MonkeyPatch) -> SampleApi:
    """The same sample API some days on."""
    api.today = TODAY + timedelta(days=days)
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(api.today))
    return api


def test_details_of_an_unfinished_refresh_are_asked_for_the_day_after(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "5")
    assert run("kopis") == (0, "")
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "90")
    made = api.calls["pblprfr/{id}"]
    monkeypatch.setenv("SOURCES__KOPIS__DAILY_ALLOWANCE", str(made + 40))
    assert run("kopis", refresh=True) == (0, "")
    assert "left to the next days" in outcomes(home)["kopis.performance_details"]["notes"][0]
    monkeypatch.delenv("SOURCES__KOPIS__DAILY_ALLOWANCE")
    later(api, 1, monkeypatch)
    assert run("kopis") == (0, "")
    listed = (
        f"select performance_id from staging_kopis.performances where logical_date = '{api.today}'"
    )
    known = "select performance_id from staging_kopis.performance_details"
    assert query(home, f"{listed} except {known}") == []


def test_keys_under_which_there_is_nothing_do_not_hide_the_others(
    api: SampleApi, home: Path
) -> None:
    assert run("kopis", table="performances") == (0, "")
    listed = query(home, "select performance_id from staging_kopis.performances order by 1")
    for (dead,) in listed[:6]:
        api.fail(f"pblprfr/{dead}", body="<dbs/>")
    assert run("kopis")[0] == 1
    known = query(home, "select performance_id from staging_kopis.performance_details order by 1")
    assert known == listed[6:]


def test_catching_up_after_a_gap_asks_for_each_detail_once(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kopis")
    first = api.calls["pblprfr/{id}"]
    later(api, 10, monkeypatch)
    days = f"{TODAY + timedelta(days=1)}..{TODAY + timedelta(days=10)}"
    assert run("kopis", date=days) == (0, "")
    asked = [
        body.rpartition("/")[2].split(".")[1]
        for body in bodies("kopis/performance_details")
        if f"dt={TODAY}" not in body
    ]
    assert 0 < len(asked) == len(set(asked)) == api.calls["pblprfr/{id}"] - first


def test_a_change_whose_details_failed_is_asked_for_on_the_next_day(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kopis")
    later(api, 1, monkeypatch)
    api.fail("pblprfr/{id}", status=500)
    assert run("kopis")[0] == 1
    api.clear_faults()
    changed = query(
        home,
        "select performance_id from staging_kopis.performances"
        f" where is_changed and logical_date = '{api.today}'",
    )
    assert changed
    later(api, 2, monkeypatch)
    assert run("kopis") == (0, "")
    asked = query(
        home,
        "select performance_id from staging_kopis.performance_details"
        f" where logical_date = '{api.today}'",
    )
    still = query(
        home,
        f"select performance_id from staging_kopis.performances where logical_date = '{api.today}'",
    )
    assert set(changed) & set(still) <= set(asked)
    assert len(asked) < len(still) / 4


@pytest.mark.usefixtures("few_places")
def test_a_spent_quota_that_has_no_words_stops_the_operation(api: SampleApi, home: Path) -> None:
    for operation in ("JpnService2/searchStay2", "prfplc"):
        api.fail(operation, status=429, body="")
    for _ in range(2):
        assert run("tour", table="stays")[0] == 1
        assert run("kopis", table="venues")[0] == 1
        assert api.calls["JpnService2/searchStay2"] == api.calls["prfplc"] == 1


def test_a_key_that_an_api_repeats_is_neither_kept_nor_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "planted+secret/key=="
    forms = (secret, "planted%2Bsecret%2Fkey%3D%3D")
    with SampleApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        monkeypatch.setenv("SOURCES__KOPIS__SERVICE_KEY", secret)
        api.fail("prfplc", body=f"<dbs><db><mt10id>{secret}</mt10id></db></dbs>")
        api.fail("pblprfr", status=404, body=f"not found: /pblprfr?service={forms[1]}")
        assert run("kopis")[0] == 1
    shown = "".join(capsys.readouterr())
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for form in forms:
        assert form not in shown
        assert form.encode() not in kept


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [DLT, "pipeline", *words],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_interrupts,
    )


def test_ctrl_c_ends_the_calls_and_says_what_is_kept(api: SampleApi, home: Path) -> None:
    api.fail("pblprfr/{id}", delay=0.2)
    process = start("kopis", "run")
    while api.calls["pblprfr/{id}"] < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    calls = api.calls["pblprfr/{id}"]
    assert calls < 10
    assert process.returncode == 130
    # Before it dlt may say that a load ended early.
    assert said.endswith(
        "interrupted: all responses are kept, and the next run continues from there\n"
    )
    api.clear_faults()
    kept = raw_files("kopis/performance_details")
    assert run("kopis") == (0, "")
    assert raw_files("kopis/performance_details").items() >= kept.items()
    stopped = "select table_name from staging_runs.steps where error like '%the run was stopped'"
    assert ("performance_details",) in query(home, stopped)


@pytest.mark.usefixtures("few_places")
def test_two_pipelines_run_side_by_side(api: SampleApi, home: Path) -> None:
    both = [start("tour", "run"), start("kopis", "run")]
    ends = [(process.communicate(timeout=120), process.returncode) for process in both]
    assert [code for _, code in ends] == [0, 0], ends
    assert query(home, "select count(*) from staging_tour.places") == [(80,)]
    assert query(home, "select count(*) from staging_kopis.venues")[0][0] == 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUNTIME__REQUEST_TIMEOUT", "abc"),
        ("RUNTIME__REQUEST_TIMEOUT", "0"),
        ("RUNTIME__REQUEST_MAX_ATTEMPTS", "-1"),
        ("SOURCES__KOPIS__BASE_URL", "http://[::1/x"),
        ("SOURCES__KOPIS__BASE_URL", "http://127.0.0.1:notaport/x"),
    ],
)
def test_a_setting_of_the_wire_is_refused_before_anything_is_asked(
    api: SampleApi, name: str, value: str
) -> None:
    done = subprocess.run(
        [DLT, "pipeline", "run"],
        cwd=PROJECT,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name} is '{value}': expected")
    assert done.stderr.count("\n") == 1
    assert not api.calls


def test_settings_are_read_from_config_toml_too(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "project" / ".dlt"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[sources.tour]\nlanguages = "fr"\n')
    done = subprocess.run(
        [DLT, "pipeline", "tour", "run"],
        cwd=tmp_path,
        env=os.environ | {"DLT_PROJECT_DIR": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.split(":")[0]) == (2, "SOURCES__TOUR__LANGUAGES is 'fr'")


def test_a_phase_that_finds_nothing_says_so(
    api: SampleApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tour", table="stays", only="stage") == (0, "")
    assert outcomes(home)["tour.stays"]["notes"] == [f"{TODAY}: nothing to stage"]
    assert run("tour", only="load", refresh=True)[0] == 2
    assert run("tour", date="1926-11-22..2026-11-22")[0] == 2


def test_dates_without_answers_are_told_in_one_line(api: SampleApi, home: Path) -> None:
    first = TODAY - timedelta(days=20)
    assert run("tour", date=f"{first}..{TODAY - timedelta(days=1)}") == (0, "")
    assert outcomes(home)["tour.places"]["notes"] == [
        f"{first}..{TODAY - timedelta(days=1)}: the API does not answer for a past date;"
        " nothing is kept"
    ]
