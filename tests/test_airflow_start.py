"""What `make airflow` refuses in one line, and the listing that its DAGs are made of."""

from contextlib import closing
from socket import socket

import pytest

from loaders.airflow import local, pools
from loaders.cli.listing import MARTS, listing
from loaders.sources import SOURCES


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"AIRFLOW__API__PORT": "http"}, "AIRFLOW__API__PORT is 'http': expected a port from 1"),
        ({"AIRFLOW__API__PORT": "70000"}, "AIRFLOW__API__PORT is '70000': expected a port from 1"),
        ({"NOTIFY__URLS": "nowhere"}, "NOTIFY__URLS is '(not shown)': expected Apprise URLs"),
        ({"SOURCES__ENABLED": "toor"}, "SOURCES__ENABLED is 'toor': expected some of exim, "),
    ],
)
def test_a_wrong_setting_is_one_line(
    settings: dict[str, str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert local.main(["start"]) == 2
    line = capsys.readouterr().err
    assert line.startswith(expected)
    assert line.count("\n") == 1


def test_a_port_in_use_is_one_line_with_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(socket()) as listener:
        listener.bind((local.HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setenv("AIRFLOW__API__PORT", str(port))
        assert local.main(["start"]) == 2
    expected = f"expected a free port: make airflow AIRFLOW__API__PORT={port + 1}"
    assert capsys.readouterr().err == f"AIRFLOW__API__PORT is '{port}': {expected}\n"


def test_unknown_words_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert local.main(["begin"]) == 2
    assert capsys.readouterr().err == "'begin': expected start or stop\n"


def test_the_listing_has_every_table_after_its_list_and_every_mart_after_its_parents() -> None:
    found = listing()
    assert {name: list(tables) for name, tables in found["sources"].items()} == {
        name: [table.name for table in source.tables] for name, source in SOURCES.items()
    }
    assert found["sources"]["tour"]["images"] == ["place_intros"]
    marts = list(found["marts"])
    assert {f"rds_{mart}" for mart in marts} == {file.stem for file in MARTS.glob("rds_*.yml")}
    assert found["marts"]["events"] == ["districts", "venues"]
    for mart, parents in found["marts"].items():
        assert all(marts.index(parent) < marts.index(mart) for parent in parents)


def test_each_source_has_a_pool_of_one_slot() -> None:
    found = pools.of(listing())
    assert set(found) == {*SOURCES, "web_logs", "warehouse"}
    assert {pool["slots"] for pool in found.values()} == {1}
