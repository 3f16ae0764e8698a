"""Details: tables that need a call per key, for the keys that another table lists."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from lxml import etree
from support.pipelines import bodies, query, run, table_results
from support.project import ENOUGH_SECONDS, TODAY, point_at

from loaders.sample_api import SampleApi

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("staging_tables")]


def advance(api: SampleApi, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the date of the sample API and of the pipelines to some days after `TODAY`."""
    api.today = TODAY + timedelta(days=days)
    monkeypatch.setenv("HELLO_KOREA_TODAY", str(api.today))


def performance_ids(home: Path, table: str, condition: str = "true") -> set[str]:
    sql = f"select performance_id from staging_kopis.{table} where {condition}"
    return {performance_id for (performance_id,) in query(home, sql)}


def test_details_without_their_key_are_rejected_and_the_others_loaded(
    api: SampleApi, home: Path
) -> None:
    run("kopis", table="performances")
    bad = min(performance_ids(home, "performances"))
    api.fail(f"pblprfr/{bad}", body="<dbs><db><prfnm>nameless</prfnm></db></dbs>")
    assert run("kopis", table="performance_details") == (0, "")
    result = table_results(home)["kopis.performance_details"]
    assert result["rejected"] == 1
    assert result["loaded"] == result["pages"] - 1 > 150


def test_a_key_without_details_is_an_error_and_requested_again(api: SampleApi, home: Path) -> None:
    run("kopis", table="performances")
    bad = min(performance_ids(home, "performances"))
    api.fail(f"pblprfr/{bad}", error="no_data")
    assert run("kopis", table="performance_details")[0] == 1
    error = table_results(home)["kopis.performance_details"]["errors"][0]
    assert "there is nothing under this key" in error
    api.clear_faults()
    assert run("kopis", table="performance_details") == (0, "")


def test_several_keys_without_details_do_not_affect_the_others(api: SampleApi, home: Path) -> None:
    assert run("kopis", table="performances") == (0, "")
    listed = sorted(performance_ids(home, "performances"))
    for performance_id in listed[:6]:
        api.fail(f"pblprfr/{performance_id}", body="<dbs/>")
    assert run("kopis")[0] == 1
    loaded = query(home, "select performance_id from staging_kopis.performance_details order by 1")
    assert [performance_id for (performance_id,) in loaded] == listed[6:]


def test_a_detail_that_fails_does_not_lose_the_others(api: SampleApi, home: Path) -> None:
    run("kopis", table="performances")
    bad = min(performance_ids(home, "performances"))
    api.fail(f"pblprfr/{bad}", status=500)
    message = "not complete: kopis.performance_details"
    assert run("kopis", table="performance_details") == (1, message)
    result = table_results(home)["kopis.performance_details"]
    error = f"1 of {result['loaded'] + 1} details failed, the last pblprfr/{bad}"
    assert error in result["errors"][0]
    api.clear_faults()
    before = api.calls["pblprfr/{id}"]
    assert run("kopis") == (0, "")
    assert api.calls["pblprfr/{id}"] == before + 1


@pytest.mark.usefixtures("lake_url")
def test_details_beyond_the_allowance_are_left_to_the_next_days(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "20")
    monkeypatch.setenv("SOURCES__KOPIS__DAILY_ALLOWANCE", "30")
    assert run("kopis") == (0, "")
    assert api.calls["pblprfr/{id}"] == 30
    result = table_results(home)["kopis.performance_details"]
    assert result["loaded"] == 30
    assert result["calls_left"] == 0
    assert re.search(
        r"\d+ of \d+ details are left to the next days: .*SOURCES__KOPIS__DAILY_ALLOWANCE",
        result["notes"][0],
    )
    run("kopis")
    assert api.calls["pblprfr/{id}"] == 30
    monkeypatch.delenv("SOURCES__KOPIS__DAILY_ALLOWANCE")
    assert run("kopis") == (0, "")
    ids = query(home, "select performance_id from staging_kopis.performance_details")
    assert api.calls["pblprfr/{id}"] == len(ids) == len(set(ids))


def test_details_of_an_unfinished_refresh_are_requested_on_the_next_day(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "5")
    assert run("kopis") == (0, "")
    monkeypatch.setenv("SOURCES__KOPIS__DAYS_AHEAD", "90")
    calls = api.calls["pblprfr/{id}"]
    monkeypatch.setenv("SOURCES__KOPIS__DAILY_ALLOWANCE", str(calls + 40))
    assert run("kopis", refresh=True) == (0, "")
    note = table_results(home)["kopis.performance_details"]["notes"][0]
    assert "left to the next days" in note
    monkeypatch.delenv("SOURCES__KOPIS__DAILY_ALLOWANCE")
    advance(api, 1, monkeypatch)
    assert run("kopis") == (0, "")
    listed = performance_ids(home, "performances", f"logical_date = '{api.today}'")
    assert listed - performance_ids(home, "performance_details") == set()


def test_each_detail_is_requested_once_when_several_days_are_caught_up(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kopis")
    before = api.calls["pblprfr/{id}"]
    advance(api, 10, monkeypatch)
    days = f"{TODAY + timedelta(days=1)}..{TODAY + timedelta(days=10)}"
    assert run("kopis", date=days) == (0, "")
    requested = [
        body.rpartition("/")[2].split(".")[1]
        for body in bodies("kopis/performance_details")
        if f"dt={TODAY}" not in body
    ]
    assert 0 < len(requested) == len(set(requested)) == api.calls["pblprfr/{id}"] - before


def test_a_changed_detail_that_failed_is_requested_on_the_next_day(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kopis")
    advance(api, 1, monkeypatch)
    api.fail("pblprfr/{id}", status=500)
    assert run("kopis")[0] == 1
    api.clear_faults()
    of_today = f"logical_date = '{api.today}'"
    changed = performance_ids(home, "performances", f"is_changed and {of_today}")
    assert changed
    advance(api, 2, monkeypatch)
    assert run("kopis") == (0, "")
    of_today = f"logical_date = '{api.today}'"
    requested = performance_ids(home, "performance_details", of_today)
    listed = performance_ids(home, "performances", of_today)
    assert changed & listed <= requested
    assert len(requested) < len(listed) / 4


def changed_ids(api: SampleApi, since: str) -> set[str]:
    """Return the performances that the API lists as changed since a date, over all windows."""
    ids: set[str] = set()
    first = TODAY + timedelta(days=1) - timedelta(days=7)
    for start in range(0, 98, 31):
        window = {
            "service": "sample",
            "stdate": f"{first + timedelta(days=start):%Y%m%d}",
            "eddate": f"{first + timedelta(days=min(start + 30, 97)):%Y%m%d}",
            "signgucode": "11",
            "rows": "100",
            "cpage": "1",
            "afterdate": since,
        }
        body = requests.get(f"{api.url}/kopis/pblprfr", window, timeout=ENOUGH_SECONDS).content
        ids |= {str(element.text) for element in etree.fromstring(body).iter("mt20id")}
    return ids


def test_only_new_and_changed_details_are_requested(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kopis")
    first_listed = performance_ids(home, "performances")
    tomorrow = TODAY + timedelta(days=1)
    with SampleApi(today=tomorrow) as later_api:
        point_at(later_api, monkeypatch)
        monkeypatch.setenv("HELLO_KOREA_TODAY", str(tomorrow))
        assert run("kopis") == (0, "")
        changed = changed_ids(later_api, f"{TODAY:%Y%m%d}")
    listed = performance_ids(home, "performances", f"logical_date = '{tomorrow}'")
    requested = performance_ids(home, "performance_details", f"logical_date = '{tomorrow}'")
    assert requested == (listed - first_listed) | (listed & changed)
    assert 0 < len(requested) < len(first_listed) / 4
    assert later_api.calls["prfplc/{id}"] < api.calls["prfplc/{id}"] / 4
