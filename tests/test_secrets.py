"""No secret is written or printed.

Secrets are planted in every setting, every command runs and fails, and everything that it printed
or wrote is searched for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

import pytest
from support.newcomer import Newcomer
from support.project import TODAY
from support.redshift import PASSWORD, USER, RedshiftServer
from support.s3_server import S3Server
from support.small_project import postgres

from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

SMALL_TABLES = {
    "tour": "stays",
    "kopis": "performances",
    "seoul": "cultural_spaces",
    "kma": "mid_forecasts",
    "travelpayouts": "fares",
    "incheon": "airports",
    "exim": "exchange_rates",
}
"""A table of each source."""
CHECKED_BY = {"tour": "data_go_kr", "kma": "data_go_kr", "incheon": "data_go_kr"}
"""The module of the sample API that checks a source's key, unless it has the source's name."""
KEYS = {
    source: f"planted+{CHECKED_BY.get(source, source)}/key==" if source != "seoul" else "plantedkey"
    for source in SMALL_TABLES
}
"""The key of each source. Seoul's is a part of the path."""
RDS_PASSWORD, WRONG_PASSWORD = "planted-rds-password", "planted-wrong-password"
NOTIFY_TOKEN = "planted-notify-token"
NOTIFY_URL = f"json://{NOTIFY_TOKEN}@127.0.0.1:9/{NOTIFY_TOKEN}"
"""An address that nothing listens on, with the token where Apprise has a user and a path."""


@dataclass
class Searched:
    """The commands of one home, their output, and the secrets that must not appear."""

    newcomer: Newcomer
    secrets: set[str]
    output: list[str] = field(default_factory=list)
    """The standard output and standard error of each command."""

    def run(self, *command: str, **environment: str) -> int:
        """Run a command, keep its output, and return its exit code."""
        process = self.newcomer.run(*command, **environment)
        self.output += [
            f"stdout of {command}: {process.stdout}",
            f"stderr of {command}: {process.stderr}",
        ]
        return process.returncode

    def leaks(self, *objects: bytes) -> list[str]:
        """Return the outputs, files of the home and objects of the lake that contain a secret."""
        forms = {form for secret in self.secrets for form in (secret, quote(secret, safe=""))}
        files = [path for path in self.newcomer.home.rglob("*") if path.is_file()]
        texts = [(text, text.encode()) for text in self.output]
        texts += [(str(path), path.read_bytes()) for path in files]
        texts += [("an object of the lake", content) for content in objects]
        return [name for name, text in texts if any(form.encode() in text for form in forms)]


def settings_of_sources(api: SampleApi) -> dict[str, str]:
    urls = api.base_urls()
    return {
        f"SOURCES__{source.upper()}__{name}": value
        for source, key in KEYS.items()
        for name, value in (("BASE_URL", urls[source]), ("SERVICE_KEY", key))
    } | {"SOURCES__TOUR__LANGUAGES": "ja", "SOURCES__TRAVELPAYOUTS__ORIGINS": "TYO"}


@pytest.fixture
def searched(
    s3: S3Server, profiles: Path, tmp_path: Path, rds: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Searched, RedshiftServer, SampleApi]]:
    """Production with a planted secret in each setting.

    Redshift copies with the lake's own keys, which are then a part of its statements.
    """
    bucket = s3.make_bucket("secrets")
    for source, key in KEYS.items():
        module = import_module(f"loaders.sample_api.{CHECKED_BY.get(source, source)}")
        monkeypatch.setattr(module, "KEY", key)  # the key that it accepts
    with RedshiftServer(tmp_path / "redshift", s3) as redshift, SampleApi(today=TODAY) as api:
        redshift.query(f"alter role {USER} superuser")
        newcomer = Newcomer(
            tmp_path / "home",
            profiles,
            **s3.environment(),
            **redshift.environment() | {"DESTINATION__REDSHIFT__STAGING_IAM_ROLE": ""},
            **settings_of_sources(api),
            LAKE__URL=f"{bucket}/lake",
            RDS__URL=rds,
            NOTIFY__URLS=NOTIFY_URL,
            DBT_TARGET="redshift",
            DBT_LOG_PATH=str(tmp_path / "home" / "logs"),
            RUNTIME__LOG_LEVEL="WARNING",
            RUNTIME__REQUEST_MAX_ATTEMPTS="2",
        )
        passwords = {PASSWORD, RDS_PASSWORD, WRONG_PASSWORD}
        secrets = {*KEYS.values(), *passwords, s3.secret_key, NOTIFY_TOKEN}
        yield Searched(newcomer, secrets), redshift, api


@pytest.fixture
def rds(tmp_path: Path) -> Iterator[str]:
    with postgres(tmp_path / "rds") as url:
        yield url.replace("postgres:@", f"postgres:{RDS_PASSWORD}@")


def test_each_source_has_a_planted_key() -> None:
    assert KEYS.keys() == SOURCES.keys()


@pytest.mark.long
def test_no_secret_is_printed_or_written_whatever_fails(
    searched: tuple[Searched, RedshiftServer, SampleApi], s3: S3Server, rds: str
) -> None:
    home, redshift, api = searched
    for source, table in SMALL_TABLES.items():
        only = [] if source == "exim" else ["--only", "extract"]
        command = ("dlt", "pipeline", source, "run", "--table", table, *only)
        assert home.run(*command) == 0, home.output[-2]
    selection = ["--select", "+rds_exchange_rates", "--indirect-selection", "cautious"]
    assert home.run("dbt", "--debug", "build", *selection) == 0, home.output[-2]
    assert home.run("dbt", "debug") == 0
    for verb in ("info", "trace", "failed-jobs"):
        home.run("dlt", "pipeline", "exim", verb)

    refresh = ("dlt", "pipeline", "exim", "run", "--refresh")
    api.fail("*", status=404, body=f"no such thing: {KEYS['kopis']} {quote(KEYS['kopis'])}")
    assert home.run("dlt", "pipeline", "kopis", "run", "--refresh") == 1
    api.clear_faults()
    assert home.run(*refresh, SOURCES__EXIM__BASE_URL="http://127.0.0.1:9") == 1
    assert "nobody was told through number 1 of NOTIFY__URLS (json)" in home.output[-2]
    assert home.run(*refresh, NOTIFY__URLS=f"nosuch://{NOTIFY_TOKEN}@127.0.0.1") == 2
    assert "NOTIFY__URLS is '(not shown)'" in home.output[-1]
    assert home.run("dbt", "--debug", "build", NOTIFY__URLS=f"nosuch://{NOTIFY_TOKEN}") == 2
    unit = ("python", "-m", "loaders.cli.tell", "hello-korea.service")
    assert home.run(*unit, MONITOR_SERVICE_RESULT="oom-kill") == 0
    for name, value in {
        "DESTINATION__REDSHIFT__CREDENTIALS__PASSWORD": WRONG_PASSWORD,
        "DESTINATION__REDSHIFT__CREDENTIALS__PORT": "9",
        "AWS_SECRET_ACCESS_KEY": WRONG_PASSWORD,
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    }.items():
        assert home.run(*refresh, **{name: value}) in (1, 2), name
        if name.endswith("PASSWORD"):
            assert home.run("dbt", "debug", **{name: value}) != 0
    for url in (
        f"postgresql://postgres:{RDS_PASSWORD}@127.0.0.1:9/hello_korea",
        redshift.admin_url.replace("postgres:@", f"{USER}:{WRONG_PASSWORD}@"),
    ):
        assert home.run("dlt", "pipeline", "rds", "run", RDS__URL=url) in (1, 2)
    assert home.run("dbt", "--debug", "build", "--select", "rds_exchange_rates", RDS__URL=url) == 2
    redshift.query("alter table staging_exim_staging.exchange_rates drop column currency")
    assert home.run(*refresh) == 1
    assert "not loaded" in home.output[-2] + home.output[-1]
    home.run("dlt", "pipeline", "exim", "failed-jobs")

    client = s3.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="secrets")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    assert any("/rejected/" in key or "/raw/" in key for key in keys)
    objects = [client.get_object(Bucket="secrets", Key=key)["Body"].read() for key in keys]
    assert home.leaks(*objects) == []
