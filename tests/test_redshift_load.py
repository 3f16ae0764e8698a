"""The loaders on Redshift: COPY from the lake, and clear messages where that fails."""

from pathlib import Path

import pytest
from support.pipelines import run, table_results
from support.project import TODAY, point_at
from support.redshift import PASSWORD, RedshiftServer
from test_source_incheon import DESTINATIONS, envelope

from loaders import web_logs
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

CREDENTIALS = "DESTINATION__REDSHIFT__CREDENTIALS"
AIRPORTS = f"select count(*) from staging_incheon.airports where logical_date = '{TODAY}'"


@pytest.fixture(autouse=True)
def on_redshift(
    redshift: RedshiftServer, api: SampleApi, bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_TARGET", "redshift")
    for name, value in redshift.environment().items():
        monkeypatch.setenv(name, value)
    for schema in ("staging_incheon", "staging_incheon_staging"):
        redshift.query(f"drop schema if exists {schema} cascade")


@pytest.mark.parametrize("with_role", [True, False])
def test_rows_are_copied_with_a_role_or_with_the_lakes_own_keys(
    redshift: RedshiftServer, home: Path, with_role: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_role:
        monkeypatch.delenv("DESTINATION__REDSHIFT__STAGING_IAM_ROLE")
    assert run("incheon") == (0, "")
    result = table_results(home)["incheon.airports"]
    assert redshift.query(AIRPORTS) == [(result["loaded"],)]
    assert result["loaded"] == result["staged"] > 0


def test_a_run_creates_the_tables_of_all_sources_and_a_later_load_fills_them(
    redshift: RedshiftServer, home: Path
) -> None:
    columns = (
        "select table_name, column_name, data_type, is_nullable from information_schema.columns"
        " where table_schema = 'staging_incheon' and left(table_name, 1) <> '_'"
        " order by table_name, ordinal_position"
    )
    redshift.query("drop schema if exists staging_web_logs cascade")
    assert run("exim") == (0, "")
    existing = redshift.query("select table_schema, table_name from information_schema.tables")
    assert {
        *(
            (f"staging_{source.name}", table.name)
            for source in SOURCES.values()
            for table in source.tables
        ),
        *(("staging_web_logs", table) for table in web_logs.TABLES),
        ("staging_runs", "steps"),
    } <= set(existing)
    before = redshift.query(columns)
    assert run("incheon") == (0, "")
    assert redshift.query(AIRPORTS) == [(table_results(home)["incheon.airports"]["staged"],)]
    assert redshift.query(columns) == before


@pytest.mark.long
def test_the_rows_of_a_source_leave_on_request(
    redshift: RedshiftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pipeline in ("incheon", "web_logs"):
        assert run(pipeline, scale="0.0001" if pipeline == "web_logs" else None) == (0, "")
    counts = [
        "select count(*) from staging_incheon.airports",
        "select count(*) from staging_web_logs.clicks",
    ]
    monkeypatch.setenv("SOURCES__ENABLED", "exim")
    assert run() == (0, "")
    assert all(redshift.query(count) > [(0,)] for count in counts)
    monkeypatch.setenv("SOURCES__REMOVE_ROWS_OF", "incheon,web_logs")
    assert run() == (0, "")
    assert [redshift.query(count) for count in counts] == [[(0,)], [(0,)]]
    monkeypatch.setenv("SOURCES__ENABLED", "incheon,web_logs")
    monkeypatch.delenv("SOURCES__REMOVE_ROWS_OF")
    assert run(only="load", scale="0.0001") == (0, "")
    assert all(redshift.query(count) > [(0,)] for count in counts)


def test_a_date_that_is_loaded_again_replaces_its_rows_and_no_others(
    redshift: RedshiftServer,
) -> None:
    assert run("incheon")[0] == 0
    redshift.query(
        "insert into staging_incheon.airports select a.*"
        " from (select * from staging_incheon.airports limit 1) as a"
    )
    redshift.query(
        "update staging_incheon.airports set logical_date = '2026-11-01' where airport = 'NRT'"
    )
    ((before,),) = redshift.query("select count(*) from staging_incheon.airports")
    redshift.query("update staging_incheon.airports set stage_file = 'an older one'")
    assert run("incheon") == (0, "")
    ((after,),) = redshift.query("select count(*) from staging_incheon.airports")
    assert redshift.query(
        "select count(*) from staging_incheon.airports where stage_file = 'an older one'"
    ) == redshift.query(
        "select count(*) from staging_incheon.airports where logical_date = '2026-11-01'"
    )
    assert after >= before


def test_a_new_field_becomes_a_column_if_the_contract_is_evolve(
    redshift: RedshiftServer, api: SampleApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "first"))
    assert run("incheon", table="airports") == (0, "")
    monkeypatch.setenv("SOURCES__INCHEON__AIRPORTS__CONTRACT", "evolve")
    airport = {"airportCode": "KIX", "airportName": "간사이", "countryName": "일본"}
    api.fail(DESTINATIONS, body=envelope([{**airport, "timeZone": "Asia/Tokyo", "select": "x"}], 1))
    assert run("incheon", table="airports", refresh=True) == (0, "")
    rows = 'select airport, airport_name, time_zone, "select" from staging_incheon.airports'
    assert redshift.query(rows) == [("KIX", "간사이", "Asia/Tokyo", "x")]
    for home in ("first", "second"):
        monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / home))
        api.clear_faults()
        api.fail(DESTINATIONS, body=envelope([{**airport, "airportName": home}], 1))
        assert run("incheon", table="airports", refresh=True) == (0, "")
        assert redshift.query(rows) == [("KIX", home, None, None)]


def test_a_wrong_password_is_reported_with_its_setting_and_the_next_run_loads_without_calls(
    redshift: RedshiftServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as wrong:
        wrong.setenv(f"{CREDENTIALS}__PASSWORD", "not-the-password")
        assert run("incheon")[0] == 1
    (error,) = table_results(home)["incheon.airports"]["errors"]
    assert "password authentication failed" in error
    assert f"{CREDENTIALS}__PASSWORD" in error
    assert "not-the-password" not in error
    assert run("incheon") == (0, "")
    result = table_results(home)["incheon.airports"]
    assert (result["calls"], redshift.query(AIRPORTS)) == (0, [(result["staged"],)])


def test_an_unreachable_cluster_is_reported_with_its_setting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{CREDENTIALS}__PORT", "1")
    assert run("incheon")[0] == 1
    (error,) = table_results(home)["incheon.airports"]["errors"]
    assert "Connection refused" in error
    assert f"{CREDENTIALS}__HOST" in error
    assert PASSWORD not in error


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        (f"{CREDENTIALS}__HOST", "", "is not set: expected the cluster's"),
        (f"{CREDENTIALS}__PASSWORD", "", "is not set: expected the user's password"),
        (f"{CREDENTIALS}__PORT", "x", "expected a port number"),
        (f"{CREDENTIALS}__SSLMODE", "yes", "expected verify-full"),
        ("DESTINATION__REDSHIFT__STAGING_IAM_ROLE", "hello", "expected arn:aws:iam"),
        ("LAKE__URL", "/tmp/lake", "expected s3://bucket/prefix"),
        ("DBT_TARGET", "postgres", "expected local or redshift"),
        ("SOURCES__INCHEON__SERVICE_KEY", "", "expected the key of"),
    ],
)
def test_an_invalid_setting_is_named_before_any_call(
    api: SampleApi, setting: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    code, line = run("incheon")
    assert (code, api.calls) == (2, {})
    assert line.startswith(setting)
    assert expected in line


def test_a_remote_cluster_needs_a_verified_host_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{CREDENTIALS}__HOST", "cluster.example.com")
    monkeypatch.setenv(f"{CREDENTIALS}__SSLMODE", "require")
    code, line = run("incheon")
    assert code == 2
    assert "expected verify-full for cluster.example.com" in line


def test_a_source_without_a_key_is_refused(api: SampleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(api, monkeypatch)
    monkeypatch.delenv("SOURCES__INCHEON__SERVICE_KEY")
    monkeypatch.delenv("SOURCES__INCHEON__BASE_URL")
    code, line = run("incheon")
    assert code == 2
    assert "SOURCES__INCHEON__SERVICE_KEY is not set" in line
