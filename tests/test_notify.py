"""Somebody is told of problems, once for a cause, and when they are over."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.inboxes import mail_server, webhook
from support.pipelines import run
from support.project import PROJECT, TODAY
from support.small_project import SmallProject, postgres

from loaders import notify
from loaders.cli import tell
from loaders.notify import Problem
from loaders.sample_api import SampleApi

Posted = list[dict[str, Any]]


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Posted]:
    """What the webhook of `NOTIFY__URLS` receives."""
    with webhook() as (url, received):
        monkeypatch.setenv("NOTIFY__URLS", url)
        yield received


def down(table: str, status: int = 503) -> Problem:
    reason = f"/list/{table}: the API is down: HTTP {status}"
    return Problem("failed", table, reason, "dlt pipeline run", TODAY)


def test_one_message_has_all_tables_of_a_cause_and_repetitions_send_none(posted: Posted) -> None:
    both = [down("kopis.venues"), down("kopis.performances")]
    assert notify.tell(both, lambda about: True, "here") == []
    (message,) = posted
    assert message["title"] == "Hello Korea: failed: kopis"
    assert f"kopis.performances, kopis.venues of {TODAY}: " in message["message"]
    assert "the API is down: HTTP 503" in message["message"]
    assert "remedy: dlt pipeline run" in message["message"]
    assert "log: here on " in message["message"]
    notify.tell([down("kopis.venues", 502)], lambda about: True, "here")
    notify.tell([down("kopis.venues"), down("kopis.venue_details")], lambda about: True, "here")
    assert len(posted) == 1

    notify.tell([down("kopis.venues"), down("tour.places")], lambda about: True, "here")
    assert "tour.places" in posted[1]["message"]


def test_what_works_again_is_told_once_all_of_it_does(posted: Posted) -> None:
    notify.tell([down("kopis.venues"), down("kopis.performances")], lambda about: True, "here")
    notify.tell([], "kopis.venues".__eq__, "here")
    notify.tell([], "tour.places".__eq__, "here")
    assert len(posted) == 1
    notify.tell([], "kopis.performances".__eq__, "here")
    notify.tell([], lambda about: True, "here")
    assert [message["title"] for message in posted[1:]] == ["Hello Korea: works again"]


def test_a_cause_stays_new_until_somebody_was_told(
    posted: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as unreachable:
        unreachable.setenv("NOTIFY__URLS", "json://127.0.0.1:9/planted-token")
        (line,) = notify.tell([down("kopis.venues")], lambda about: True, "here")
    assert line == "nobody was told through number 1 of NOTIFY__URLS (json)"
    assert notify.tell([down("kopis.venues")], lambda about: True, "here") == []
    assert len(posted) == 1


@pytest.mark.core
def test_a_run_mails_its_failure_once_and_that_it_works_again(
    api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    with mail_server() as (mail, received), webhook() as (hook, posted):
        monkeypatch.setenv("NOTIFY__URLS", f"{mail}, {hook}")
        assert run("incheon") == (0, "")
        assert received == []
        monkeypatch.setenv("HELLO_KOREA_TODAY", str(TODAY + timedelta(days=3)))
        api.fail("*", status=503)
        assert run("incheon")[0] == 1
        assert run("incheon")[0] == 1
        api.clear_faults()
        assert run("incheon") == (0, "")
    (failed, again) = received
    assert failed[0] == "Hello Korea: failed, late: incheon"
    assert f"incheon.airports, incheon.schedules of {TODAY + timedelta(days=3)}" in failed[1]
    assert "LATE" in failed[1]
    assert "HTTP 503" in failed[1]
    assert "dlt pipeline incheon run" in failed[1]
    assert again[0] == "Hello Korea: works again"
    assert len(posted) == 2


@pytest.mark.long
@pytest.mark.slow
def test_a_build_tells_of_a_warning_and_of_a_mart_that_was_held_back(
    small_project: SmallProject, tmp_path: Path, posted: Posted
) -> None:
    with postgres(tmp_path / "rds") as url:
        project = small_project.copy(tmp_path / "copy", url)
        schema = project.folder / "models" / "schema.yml"
        text = schema.read_text().replace(
            "description: Won for a unit.}",
            "description: Won for a unit., data_tests: [{not_null: {config: {severity: warn}}}]}",
        )
        schema.write_text(
            text.replace(
                "description: Name of the venue.}",
                "description: Name of the venue., data_tests: [not_null]}",
            )
        )
        project.warehouse(
            "insert into raw.rates values ('KRW', '2026-11-22', null);"
            " insert into raw.venues values ('unnamed', 11, null)"
        )
        assert project.dbt("build").returncode != 0
        (message,) = posted
        text = message["message"]
        assert "WARNING: dbt.not_null_rds_rates_rate: 1 rows" in text
        assert "dbt show --select not_null_rds_rates_rate" in text
        assert "FAILED: dbt.not_null_rds_venues_venue_name" in text
        assert "HELD BACK: rds.venues: its test not_null_rds_venues_venue_name failed" in text
        assert "rds.events" not in text
        project.dbt("build")
        assert len(posted) == 1
        project.warehouse(
            "delete from raw.rates where rate is null;"
            " delete from raw.venues where venue_name is null"
        )
        assert project.dbt("build").returncode == 0
        assert [each["title"] for each in posted[1:]] == ["Hello Korea: works again"]


@pytest.mark.parametrize("wrong", ["no-such-service://planted", "planted"])
def test_a_wrong_url_ends_a_run_with_one_line_that_does_not_show_it(
    wrong: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOTIFY__URLS", f"json://127.0.0.1:9/planted,{wrong}")
    code, message = run("exim")
    assert code == 2
    assert message.startswith("NOTIFY__URLS is '(not shown)': expected Apprise URLs between commas")
    assert "planted" not in message + "".join(capfd.readouterr())


def test_systemd_tells_of_what_the_commands_could_not(
    posted: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "exit-code")
    assert tell.main(["hello-korea.service"]) == 0
    assert posted == []
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "oom-kill")
    assert tell.main(["hello-korea.service"]) == 0
    (message,) = posted
    assert "hello-korea.service was ended (oom-kill)" in message["message"]
    assert "log: journalctl -u hello-korea.service on " in message["message"]


def test_another_phase_does_not_end_a_cause(posted: Posted) -> None:
    failed = Problem("failed", "exim.rates", "the API is down", "run", TODAY, phase="extract")
    notify.tell([failed], lambda about: True, "here", ["extract"])
    notify.tell([], lambda about: True, "here", ["load"])
    assert len(posted) == 1
    notify.tell([], lambda about: True, "here", ["extract"])
    assert posted[1]["title"] == "Hello Korea: works again"


def test_processes_that_end_together_send_one_message_of_one_cause(posted: Posted) -> None:
    words = ["failed", "exim/rates.stage", "killed", "clear it"]
    command = [sys.executable, "-m", "loaders.cli.tell", *words]
    for process in [subprocess.Popen(command, cwd=PROJECT) for _ in range(3)]:
        assert process.wait() == 0
    (message,) = posted
    assert "FAILED: exim/rates.stage: killed\n  remedy: clear it" in message["message"]


def test_a_late_asset_is_told_unless_its_source_has_failed(posted: Posted) -> None:
    late = ["late", "raw/exim", "not complete in time", "look"]
    notify.tell([down("exim.rates")], lambda about: True, "here")
    assert tell.main(late) == 0
    assert [message["title"] for message in posted] == ["Hello Korea: failed: exim"]
    notify.tell([], lambda about: True, "here")
    assert tell.main(late) == tell.main(late) == 0
    assert tell.main(["over", "raw/exim"]) == 0
    titles = [message["title"] for message in posted[2:]]
    assert titles == ["Hello Korea: late: raw/exim", "Hello Korea: works again"]


def test_wrong_words_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell.main(["failed", "exim"]) == 2
    assert capsys.readouterr().err.startswith("'failed exim': expected a unit, failed or late with")
