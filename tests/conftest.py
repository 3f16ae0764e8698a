"""Fixtures shared by the tests."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.newcomer import Newcomer
from support.project import PROJECT, RECORDINGS, SETTINGS, TODAY, point_at
from support.redshift import RedshiftServer
from support.s3_server import S3Server
from support.small_project import SmallProject, postgres

from loaders.cli import left_out
from loaders.export import embedded_postgres
from loaders.lake.lake import open_lake
from loaders.sample_api import SampleApi

SLOWEST_FIRST = [
    "test_backup",
    "test_production",
    "test_recordings",
    "built",
    "test_kill_anywhere",
    "test_backfill",
    "test_source_tour",
    "test_details",
]
"""Groups that start first, so that none of them runs alone at the end."""
SLOW_FIXTURES = {
    *("api", "built", "database", "empty", "exported", "in_four_languages", "rds", "recordings"),
    *("redshift", "redshift_roles", "s3", "small_project", "tiny", "two_days"),
}
"""Fixtures that run pipelines or dbt, or start a server.

Tests that use them are slow, unless they are marked `core`.
"""
LONG_FIXTURES = {"in_four_languages", "recorded_rows", "redshift_roles"}
"""Fixtures with a build of their own, so that tests which use them are long."""


def pytest_configure(config: pytest.Config) -> None:
    """Give the session temporary files of its own, which it removes at its end.

    pytest closes the folder that its sessions share to other users whenever one begins. If root
    runs the tests, the user of the embedded PostgreSQL is such a user.
    """
    if "PYTEST_XDIST_WORKER" in os.environ or "PYTEST_DEBUG_TEMPROOT" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="hk-")  # short, for the paths of sockets
    os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and group tests by the worker that runs them.

    The tests of a file share a worker, as do all tests that use `built`, so that each fixture is
    set up once.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        is_core = item.get_closest_marker("core")
        if fixtures & SLOW_FIXTURES and not is_core:
            item.add_marker(pytest.mark.slow)
        if fixtures & LONG_FIXTURES:
            item.add_marker(pytest.mark.long)
        item.add_marker(pytest.mark.xdist_group("built" if "built" in fixtures else item.path.stem))
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    (group,) = (mark.args[0] for mark in item.iter_markers("xdist_group"))
    return SLOWEST_FIRST.index(group) if group in SLOWEST_FIRST else len(SLOWEST_FIRST)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new home without the user's settings, so that a test leaves the checkout unchanged."""
    for name in list(os.environ):
        if name.startswith(SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no aws config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no aws credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HELLO_KOREA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    return tmp_path / "home"


@pytest.fixture(scope="session")
def recordings() -> Path:
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recorded responses at {RECORDINGS} (set RECORDINGS)")
    return RECORDINGS


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the profiles.yml of a fresh checkout."""
    folder = tmp_path_factory.mktemp("profiles")
    shutil.copy(PROJECT / "profiles.yml.example", folder / "profiles.yml")
    return folder


@pytest.fixture(scope="session")
def built(profiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A home after all pipelines on the sample API and `dbt build`, as of now.

    Tests must not change its rows.
    """
    home = tmp_path_factory.mktemp("built")
    newcomer = Newcomer(home, profiles)
    for command in ("dlt pipeline run", "dbt build"):
        newcomer.outputs[command] = newcomer.check_output(*command.split())
    newcomer.first_export = newcomer.artifact("export.json")
    yield newcomer
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        embedded_postgres.stop()


@pytest.fixture(scope="session")
def docs(built: Newcomer) -> Path:
    """The file that is the docs site of the built project."""
    folder = built.new_target("docs")
    built.check_output("dbt", "docs", "generate", "--static", "--target-path", str(folder))
    return folder / "static_index.html"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL for the session. Each test empties it first, or adds a database."""
    with postgres(tmp_path_factory.mktemp("rds")) as url:
        yield url


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """The small project after `dbt build`, not exported yet. Tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("small_project")
    project = SmallProject(folder / "project", folder / "home", "")
    project.write()
    process = project.dbt("build", RDS__TARGETS="none")
    assert process.returncode == 0, process.stdout
    return project


@pytest.fixture
def small_copy(small_project: SmallProject, database: str, tmp_path: Path) -> SmallProject:
    """A copy of the small project that exports to an empty database, and has not exported yet."""
    copy = small_project.copy(tmp_path / "copy", database)
    copy.empty_rds()
    return copy


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for the session. Each test creates its own bucket."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def redshift_server(
    s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedshiftServer]:
    with RedshiftServer(tmp_path_factory.mktemp("redshift"), s3) as server:
        yield server


@pytest.fixture(scope="module")
def redshift(redshift_server: RedshiftServer) -> RedshiftServer:
    """A Redshift without the tables of other modules."""
    redshift_server.empty()
    return redshift_server


@pytest.fixture
def bucket_url(s3: S3Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a lake below a prefix of a new bucket, which the settings name."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    url = f"{s3.make_bucket(uuid4().hex)}/some/prefix"
    monkeypatch.setenv("LAKE__URL", url)
    return url


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.long)])
def lake_url(request: pytest.FixtureRequest, home: Path) -> str:
    """The URL of the lake: a test that uses it runs with a folder and with S3."""
    on_s3 = request.param == "s3"
    return str(request.getfixturevalue("bucket_url") if on_s3 else home / "lake")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleApi]:
    """The sample API, to which the settings point every pipeline. Fares are from one city."""
    monkeypatch.setenv("SOURCES__TRAVELPAYOUTS__ORIGINS", "TYO")
    with SampleApi(today=TODAY) as api:
        point_at(api, monkeypatch)
        yield api


@pytest.fixture(scope="session")
def empty_staging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose warehouse has all staging tables, without rows. Tests copy it."""
    home = tmp_path_factory.mktemp("empty_staging")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        settings.setenv("HELLO_KOREA_TODAY", TODAY.isoformat())
        left_out.create_missing(open_lake(str(home / "lake")))
    return home


@pytest.fixture
def staging_tables(home: Path, empty_staging: Path) -> None:
    """Begin with the staging tables, as after any run.

    Modules of many short runs use it, since a first run takes three times as long as a second.
    """
    shutil.copytree(empty_staging, home, dirs_exist_ok=True)


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tour in the languages with the fewest places, since each place needs a call for details."""
    monkeypatch.setenv("SOURCES__TOUR__LANGUAGES", "ja,zh")
