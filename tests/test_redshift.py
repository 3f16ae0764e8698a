"""The stand-in for Redshift is as strict as Redshift, or stricter."""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from redshift_connector.error import ProgrammingError
from support.redshift import DATABASE, PASSWORD, USER, RedshiftServer
from support.redshift.transfer import IAM_ROLE
from support.s3_server import S3Server

AUTHORIZED = f"iam_role '{IAM_ROLE}' format as parquet"


@pytest.fixture
def connection(redshift: RedshiftServer) -> Iterator[Any]:
    """A connection of Redshift's own driver, and an empty schema `tried`."""
    with closing(redshift.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute("create schema tried")
        yield connection
        connection.cursor().execute("drop schema tried cascade")


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.make_bucket("redshift").removeprefix("s3://")


def run(connection: Any, sql: str) -> Any:
    """Run a statement and return its rows. Raise ProgrammingError if it is refused."""
    cursor = connection.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()] if cursor.description else None


def put(s3: S3Server, bucket: str, key: str, table: pa.Table) -> str:
    """Write a table as a parquet object, and return its URL."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    s3.client().put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    return f"s3://{bucket}/{key}"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("insert into tried.t values ('a', 1) on conflict do nothing", "ON CONFLICT"),
        ("select distinct on (name) name from tried.t", "DISTINCT ON"),
        ("select count(*) filter (where number > 1) from tried.t", "FILTER"),
        ("select array[1, 2]", "array"),
        ("select number::integer[] from tried.t", "array"),
        ("create table tried.u (a jsonb)", '"jsonb"'),
        ("create table tried.u (a uuid)", '"uuid"'),
        ("create table tried.u (a bytea)", '"bytea"'),
        ("create table tried.u (a serial)", '"serial"'),
        ("select name::json from tried.t", '"json"'),
        ("select string_agg(name, ',') from tried.t", "string_agg"),
        ("select array_agg(name) from tried.t", "array_agg"),
        ("select regexp_matches(name, 'a') from tried.t", "regexp_matches"),
        ("select * from tried.t, lateral (select 1 as one) as l", "LATERAL"),
        ("select generate_series(1, 3), name from tried.t", "generate_series"),
        ("select now(), name from tried.t", "now"),
        ("select to_jsonb(name) from tried.t", "to_jsonb"),
        ("select regexp_substr(name, 'a', 1, number) from tried.t", "constants"),
        ("select no_such_function(name) from tried.t", "no_such_function"),
        ("select name from tried.t where name is distinct from 'a'", "IS DISTINCT FROM"),
        ("select * from (values (1), (2)) as v (a)", "VALUES"),
        ("insert into tried.t values ('a', 1) returning name", "RETURNING"),
        ("create index i on tried.t (name)", "INDEX"),
        (
            "select sum(number) over (order by name range between unbounded preceding"
            " and current row) from tried.t",
            "RANGE",
        ),
        ("create view tried.v as select * from t with no schema binding", "qualified"),
        (
            "create table tried.u (a varchar(10), foreign key (a) references tried.t (name))",
            "no unique constraint",
        ),
        ("copy tried.t from stdin", "s3://"),
        ("copy tried.t from 's3://b/k' iam_role default format as csv", "csv"),
        ("select nme from tried.t", "nme"),
        ("selec 1", "syntax error"),
    ],
)
def test_a_statement_that_redshift_refuses_is_refused(
    connection: Any, sql: str, message: str
) -> None:
    run(connection, "create table tried.t (name varchar(10), number integer)")
    with pytest.raises(ProgrammingError, match=message.replace("(", r"\(")):
        run(connection, sql)


def test_keys_are_recorded_but_not_enforced(connection: Any, redshift: RedshiftServer) -> None:
    run(connection, "create table tried.p (a integer, primary key (a))")
    run(connection, "create table tried.c (a integer references tried.p (a))")
    run(connection, "insert into tried.p values (1), (1)")
    run(connection, "insert into tried.c values (7)")
    assert run(connection, "select count(*) from tried.p") == [(2,)]
    with pytest.raises(ProgrammingError, match="null"):
        run(connection, "insert into tried.p values (null)")


def test_a_varchars_length_is_in_bytes_and_256_by_default(connection: Any) -> None:
    run(connection, "create table tried.t (a varchar(6), b varchar, c varchar(max))")
    run(connection, "insert into tried.t (a) values ('한국')")
    with pytest.raises(ProgrammingError, match="too long"):
        run(connection, "insert into tried.t (a) values ('한국어')")
    with pytest.raises(ProgrammingError, match="too long"):
        run(connection, f"insert into tried.t (b) values ('{'한' * 86}')")
    run(connection, f"insert into tried.t (c) values ('{'한' * 21_845}')")
    with pytest.raises(ProgrammingError, match="too long"):
        run(connection, f"insert into tried.t (c) values ('{'한' * 21_846}')")


def test_a_numeric_without_a_length_has_no_fraction(connection: Any) -> None:
    assert run(connection, "select cast(2.6 as numeric)::varchar") == [("3",)]


def test_system_views_show_distribution_sort_key_and_encoding(connection: Any) -> None:
    run(
        connection,
        "create table tried.t (a varchar(10) encode zstd, b integer, c double precision)"
        " diststyle key distkey (b) compound sortkey (c, a)",
    )
    run(connection, "insert into tried.t values ('a', 1, 1.5)")
    run(connection, "create table tried.u diststyle all as (select a, b from tried.t)")
    assert run(
        connection,
        'select "table", diststyle, sortkey1, sortkey_num, tbl_rows::integer'
        " from svv_table_info where schema = 'tried' order by 1",
    ) == [("t", "KEY(b)", "c", 2, 1), ("u", "ALL", None, 0, 1)]
    run(connection, "set search_path to tried")
    assert run(
        connection,
        'select "column", type, encoding, distkey, sortkey from pg_table_def'
        " where tablename = 't'",
    ) == [
        ("a", "character varying(10)", "zstd", False, 2),
        ("b", "integer", "az64", True, 0),
        ("c", "double precision", "none", False, 1),
    ]


def test_redshifts_own_functions_return_what_redshift_returns(connection: Any) -> None:
    assert run(
        connection,
        """
        select
            regexp_replace('a1b2', '[0-9]', '') || regexp_substr('ab', '[0-9]') || '.',
            json_extract_path_text('{"a": {"b": "c"}}', 'a', true),
            json_extract_path_text('not json', 'a', true) is null,
            json_extract_array_element_text('["x", "y"]', 1, true),
            datediff(month, '2026-01-31'::date, '2026-02-01'::date),
            dateadd(day, 2, '2026-02-27'::date)::varchar
        """,
    ) == [("ab.", '{"b": "c"}', True, "y", 1, "2026-03-01 00:00:00")]
    run(connection, "create table tried.t (name varchar(10))")
    run(connection, "insert into tried.t values ('b'), ('a')")
    assert run(
        connection, "select listagg(name, ', ') within group (order by name) from tried.t"
    ) == [("a, b",)]
    with pytest.raises(ProgrammingError, match="invalid input syntax"):
        run(connection, "select json_extract_path_text('not json', 'a')")


def test_a_wrong_password_is_refused(redshift: RedshiftServer) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(
            host=redshift.host, port=redshift.port, user=USER, password="x", dbname=DATABASE
        )


TYPED = pa.table(
    {
        "name": pa.array(["한국", "", None]),
        "number": pa.array([1, 2, None], pa.int32()),
        "price": pa.array(["1.50", None, "0.25"]).cast(pa.decimal128(14, 2)),
        "is_free": pa.array([True, False, None]),
        "seen_on": pa.array([20_000, None, 0], pa.date32()),
        "seen_at": pa.array([1_700_000_000_000_000, None, 1], pa.timestamp("us")),
        "share": pa.array([0.1, None, -1e300]),
    }
)
COLUMNS = (
    "name varchar(6), number integer, price numeric(14, 2), is_free boolean, seen_on date,"
    " seen_at timestamp, share double precision"
)


def test_copy_and_unload_keep_every_value(connection: Any, s3: S3Server, bucket: str) -> None:
    url = put(s3, bucket, "typed/1.parquet", TYPED)
    run(connection, f"create table tried.t ({COLUMNS})")
    run(connection, f"copy tried.t from '{url}' {AUTHORIZED}")
    run(
        connection, f"unload ('select * from tried.t') to 's3://{bucket}/typed_again/' {AUTHORIZED}"
    )
    client = s3.client()
    entries = client.list_objects_v2(Bucket=bucket, Prefix="typed_again/")["Contents"]
    files = [client.get_object(Bucket=bucket, Key=entry["Key"])["Body"] for entry in entries]
    unloaded = pa.concat_tables(pq.read_table(io.BytesIO(file.read())) for file in files)
    assert unloaded.to_pylist() == TYPED.to_pylist()
    assert unloaded.schema.types == TYPED.schema.types


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (COLUMNS.replace("number integer", "number bigint"), "incompatible Parquet schema"),
        (COLUMNS.replace("numeric(14, 2)", "numeric(14, 3)"), "incompatible Parquet schema"),
        (COLUMNS.replace("varchar(6)", "varchar(5)"), "longer than the length defined"),
        (COLUMNS.replace(", share double precision", ""), "Unmatched number of columns"),
        (
            "number integer, " + COLUMNS.replace(" number integer,", ""),
            "column name is where the table has number",
        ),
    ],
)
def test_copy_refuses_a_file_that_does_not_fit_the_table(
    connection: Any, s3: S3Server, bucket: str, columns: str, message: str
) -> None:
    url = put(s3, bucket, "typed/1.parquet", TYPED)
    run(connection, f"create table tried.t ({columns})")
    with pytest.raises(ProgrammingError, match=message):
        run(connection, f"copy tried.t from '{url}' {AUTHORIZED}")
    assert run(connection, "select count(*) from tried.t") == [(0,)]


def test_copy_needs_a_role_of_the_cluster_or_keys_with_access_to_the_bucket(
    connection: Any, s3: S3Server, bucket: str
) -> None:
    url = put(s3, bucket, "one/1.parquet", pa.table({"a": pa.array([1], pa.int32())}))
    run(connection, "create table tried.t (a integer)")
    keys = f"aws_access_key_id={s3.access_key};aws_secret_access_key="
    for authorization, message in (
        ("iam_role 'arn:aws:iam::1:role/other'", "Not authorized"),
        (f"credentials '{keys}wrong'", "S3ServiceException"),
        ("", "No credentials"),
    ):
        with pytest.raises(ProgrammingError, match=message):
            run(connection, f"copy tried.t from '{url}' {authorization} format as parquet")
    run(connection, f"copy tried.t from '{url}' credentials '{keys}{s3.secret_key}' parquet")
    assert run(connection, "select a from tried.t") == [(1,)]


def test_unload_needs_an_empty_prefix_or_cleanpath(connection: Any, bucket: str) -> None:
    run(connection, "create table tried.t as (select 1 as a)")
    unload = f"unload ('select a from tried.t') to 's3://{bucket}/once/' {AUTHORIZED}"
    run(connection, unload)
    with pytest.raises(ProgrammingError, match="destination on S3 is not empty"):
        run(connection, unload + " ")
    run(connection, unload + " cleanpath")


def test_a_failed_copy_aborts_its_transaction(redshift: RedshiftServer, bucket: str) -> None:
    with closing(
        psycopg2.connect(
            host=redshift.host, port=redshift.port, user=USER, password=PASSWORD, dbname=DATABASE
        )
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("create temporary table t (a integer)")
        with pytest.raises(psycopg2.Error, match="does not exist"):
            cursor.execute(f"copy t from 's3://{bucket}/nowhere' {AUTHORIZED}")
        with pytest.raises(psycopg2.Error, match="current transaction is aborted"):
            cursor.execute("select 1")
