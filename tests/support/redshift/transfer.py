"""COPY from parquet or JSON and UNLOAD to parquet on a real S3, with Redshift's rules.

docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html and r_UNLOAD.html
"""

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import csv

from support.redshift.refusals import RefusedError, refuse
from support.redshift.tokens import Token, closing, items_of, tokens_of, words_at

IAM_ROLE = "arn:aws:iam::123456789012:role/hello-korea-redshift"
"""Role that is attached to the cluster."""
SLICES = 2
BATCH_BYTES = 16_000_000
COPY_OPTIONS = {
    *("maxerror", "statupdate", "serializetojson", "fillrecord", "acceptinvchars"),
    *("dateformat", "timeformat", "gzip", "region", "manifest"),
}
JSON_ONLY = {"dateformat", "timeformat", "gzip", "region"}
UNLOAD_OPTIONS = {
    *("parallel", "allowoverwrite", "cleanpath", "maxfilesize", "rowgroupsize", "extension"),
    *("encrypted", "kms_key_id", "region", "manifest"),
}
FLAGS = {
    "serializetojson",
    "fillrecord",
    "gzip",
    "allowoverwrite",
    "cleanpath",
    "encrypted",
    "manifest",
}
"""Options without a value."""
UNITS = ("s", "ms", "us", "ns")
ALLOWED_TYPES = {
    "boolean": [pa.bool_()],
    "smallint": [pa.int16()],
    "integer": [pa.int32()],
    "bigint": [pa.int64()],
    "real": [pa.float32()],
    "double precision": [pa.float64()],
    "date": [pa.date32()],
    "timestamp without time zone": [pa.timestamp(unit) for unit in UNITS],
    "timestamp with time zone": [pa.timestamp(unit, "UTC") for unit in UNITS],
    "character varying": [pa.string(), pa.large_string()],
    "character": [pa.string(), pa.large_string()],
}
"""Arrow types that a file may have for a column's type."""
CSV = csv.WriteOptions(include_header=False, quoting_style="needed")

TableColumn = tuple[str, str, int]
"""Name, type and type modifier of a table's column."""


class TransferError(Exception):
    """Raised when a COPY or UNLOAD fails, with Redshift's message."""


class Backend(Protocol):
    """The session's own connection to PostgreSQL."""

    def query(self, sql: str) -> list[list[str | None]]: ...
    def describe(self, sql: str) -> list[tuple[str, int, int]]: ...
    def copy_in(self, sql: str, chunks: Iterator[bytes]) -> int: ...
    def copy_out(self, sql: str) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Transfer:
    """A parsed COPY or UNLOAD."""

    kind: str
    """`copy` or `unload`."""
    subject: str
    """The table of COPY, or the query of UNLOAD."""
    columns: tuple[str, ...]
    """Columns that COPY lists, or none for all."""
    url: str
    client: Any
    """A boto3 client with the authorization of the statement."""
    options: dict[str, str]


def parse(sql: str, s3_settings: dict[str, str]) -> Transfer | None:
    """Parse a COPY or UNLOAD. Return None for other statements.

    Raise RefusedError, TransferError.
    """
    tokens = tokens_of(sql)
    tokens = tokens[:-1] if tokens and tokens[-1].text == ";" else tokens
    if not tokens or tokens[0].word not in ("copy", "unload"):
        return None
    kind = tokens[0].word
    if kind == "unload":
        subject, columns, at = _unload_subject(tokens)
    else:
        subject, columns, at = _copy_subject(sql, tokens)
    if tokens[at].kind != "string" or not tokens[at].value.startswith("s3://"):
        raise RefusedError(f"{kind.upper()} expects 's3://bucket/prefix', not {tokens[at].text}")
    url = tokens[at].value
    options = _options(tokens[at + 1 :], COPY_OPTIONS if kind == "copy" else UNLOAD_OPTIONS)
    return Transfer(kind, subject, columns, url, _client(options, s3_settings), options)


def _unload_subject(tokens: list[Token]) -> tuple[str, tuple[str, ...], int]:
    """Return the query, no columns, and the index of the URL. Raise RefusedError."""
    if not words_at(tokens, 1, "(") or not words_at(tokens, 3, ")", "to"):
        raise RefusedError("UNLOAD expects ('select-statement') TO 's3://…'")
    query = tokens[2].value
    refuse(query, tokens_of(query))
    return query, (), 5


def _copy_subject(sql: str, tokens: list[Token]) -> tuple[str, tuple[str, ...], int]:
    """Return the table, the listed columns, and the index of the URL. Raise RefusedError."""
    columns: tuple[str, ...] = ()
    at = 1
    while words_at(tokens, at + 1, "."):
        at += 2
    at += 1
    table = sql[tokens[1].start : tokens[at - 1].end]
    if words_at(tokens, at, "("):
        end = closing(tokens, at)
        columns = tuple(item[0].name for item in items_of(tokens[at + 1 : end]))
        at = end + 1
    if not words_at(tokens, at, "from"):
        raise RefusedError("COPY expects FROM 's3://…'")
    return table, columns, at + 1


def _options(tokens: list[Token], known: set[str]) -> dict[str, str]:
    """Parse the options after the URL. Raise RefusedError."""
    options: dict[str, str] = {}
    at = 0
    while at < len(tokens):
        word = tokens[at].word
        if word in ("format", "as"):
            at += 1
        elif word == "parquet":
            options["format"] = word
            at += 1
        elif word == "json" and tokens[at + 1].value == "auto":
            options["format"] = word
            at += 2
        elif word in ("iam_role", "credentials"):
            at += 2 if words_at(tokens, at + 1, "as") else 1
            options[word] = tokens[at].value if tokens[at].kind == "string" else tokens[at].word
            at += 1
        elif word in FLAGS and word in known:
            options[word] = "on"
            at += 1
        elif word in known:
            at += 2 if words_at(tokens, at + 1, "as") else 1
            options[word] = tokens[at].text.strip("'").lower()
            at += 1
            if at < len(tokens) and tokens[at].word in ("mb", "gb"):
                at += 1
        else:
            raise RefusedError(f'syntax error at or near "{tokens[at].text}"')
    is_copy = known is COPY_OPTIONS
    if options.get("format") not in ({"parquet", "json"} if is_copy else {"parquet"}):
        raise RefusedError("this stand-in copies PARQUET and JSON 'auto', and unloads PARQUET")
    if is_copy and options["format"] == "parquet" and JSON_ONLY & options.keys():
        raise RefusedError("DATEFORMAT, GZIP and REGION are not for columnar data")
    return options


def _client(options: dict[str, str], s3_settings: dict[str, str]) -> Any:
    """Return a boto3 client with the statement's authorization. Raise TransferError."""
    role, credentials = options.get("iam_role"), options.get("credentials", "")
    if role:
        if role not in (IAM_ROLE, "default"):
            raise TransferError(f"Not authorized to get credentials of role {role}")
        keys = s3_settings
    else:
        given = dict(part.split("=", 1) for part in credentials.split(";") if "=" in part)
        if not {"aws_access_key_id", "aws_secret_access_key"} <= given.keys():
            raise TransferError("No credentials: expected IAM_ROLE or CREDENTIALS")
        keys = s3_settings | given
    return boto3.client(
        "s3",
        endpoint_url=keys["endpoint_url"],
        aws_access_key_id=keys["aws_access_key_id"],
        aws_secret_access_key=keys["aws_secret_access_key"],
        aws_session_token=keys.get("token"),
        region_name=keys["region_name"],
    )


def run(transfer: Transfer, backend: Backend) -> int:
    """Run a COPY or UNLOAD, and return its number of rows. Raise TransferError."""
    try:
        return (_copy if transfer.kind == "copy" else _unload)(transfer, backend)
    except (BotoCoreError, pa.ArrowException) as error:
        raise TransferError(f"S3ServiceException:{error}") from None
    except ClientError as error:
        details = error.response["Error"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise TransferError(
            f"S3ServiceException:{details.get('Message', '')},Status {status},"
            f"Error {details.get('Code', '')}"
        ) from None


def _keys(transfer: Transfer) -> tuple[str, str, list[str]]:
    """Return bucket, prefix, and the sorted keys below the prefix."""
    url = urlsplit(transfer.url)
    prefix = url.path.lstrip("/")
    pages = transfer.client.get_paginator("list_objects_v2").paginate(
        Bucket=url.netloc, Prefix=prefix
    )
    keys = sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))
    return url.netloc, prefix, keys


def _keys_to_copy(transfer: Transfer) -> tuple[str, list[str]]:
    """Return bucket and keys: those below the prefix, or those in the manifest."""
    bucket, prefix, keys = _keys(transfer)
    if "manifest" not in transfer.options or not keys:
        return bucket, keys
    manifest = transfer.client.get_object(Bucket=bucket, Key=prefix)["Body"].read()
    listed = []
    for entry in json.loads(manifest)["entries"]:
        url = urlsplit(entry["url"])
        key = url.path.lstrip("/")
        head = transfer.client.head_object(Bucket=url.netloc, Key=key)
        if entry.get("meta", {}).get("content_length") != head["ContentLength"]:
            raise TransferError(f"content_length of {entry['url']} is not that of the file")
        listed.append(key)
    return bucket, listed


def _copy(transfer: Transfer, backend: Backend) -> int:
    bucket, keys = _keys_to_copy(transfer)
    if not keys:
        raise TransferError(f"The specified S3 prefix '{transfer.url}' does not exist")
    columns = _columns_to_copy(transfer, backend)
    rows = 0
    for key in keys:
        body = transfer.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        if transfer.options["format"] == "json":
            batches = iter([_read_json(body, "gzip" in transfer.options, columns)])
        else:
            file = pq.ParquetFile(pa.BufferReader(body))
            _check_schema(columns, file.schema_arrow, f"s3://{bucket}/{key}")
            batches = file.iter_batches(50_000)
        names = ", ".join(f'"{name}"' for name, _, _ in columns)
        rows += backend.copy_in(
            f"copy {transfer.subject} ({names}) from stdin with (format csv, encoding 'utf8')",
            (_csv(batch, columns) for batch in batches),
        )
    return rows


def _read_json(body: bytes, is_gzipped: bool, columns: list[TableColumn]) -> pa.RecordBatch:
    """Read an object per line. Fields belong to the columns of the same name."""
    lines = (gzip.decompress(body) if is_gzipped else body).splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [
        pa.array([None if row.get(name) is None else str(row[name]) for row in rows], pa.string())
        for name, _, _ in columns
    ]
    return pa.RecordBatch.from_arrays(texts, [name for name, _, _ in columns])


def _columns_to_copy(transfer: Transfer, backend: Backend) -> list[TableColumn]:
    """Return the table's columns to which those of the file belong, in the file's order."""
    rows = backend.query(
        "select attname, format_type(atttypid, null), atttypmod from pg_attribute"
        f" where attrelid = '{transfer.subject}'::regclass and attnum > 0 and not attisdropped"
        " order by attnum"
    )
    columns = [
        (str(name), str(data_type), int(modifier or -1)) for name, data_type, modifier in rows
    ]
    if not transfer.columns:
        return columns
    by_name = {column[0]: column for column in columns}
    return [by_name[name] for name in transfer.columns]


def _check_schema(columns: list[TableColumn], schema: pa.Schema, url: str) -> None:
    """Raise TransferError unless the file's columns fit those of the table.

    Redshift compares positions only. It would accept a column with another name at that position,
    so this is stricter.
    """
    if len(columns) != len(schema):
        raise TransferError(
            "Unmatched number of columns between table and file."
            f" Table columns: {len(columns)}, Data columns: {len(schema)}, File: {url}"
        )
    for (name, data_type, modifier), field in zip(columns, schema, strict=True):
        if field.name.lower() != name:
            raise TransferError(f"column {field.name} is where the table has {name}: {url}")
        if not _fits(data_type, modifier, field.type):
            raise TransferError(
                f"Spectrum Scan Error: File '{url}' has an incompatible Parquet schema for column"
                f" '{name}'. Column type: {data_type.upper()}, Parquet schema: {field.type}"
            )


def _fits(data_type: str, modifier: int, file_type: pa.DataType) -> bool:
    if pa.types.is_dictionary(file_type):  # an encoding of texts
        file_type = file_type.value_type
    if data_type == "numeric":
        return bool(file_type == pa.decimal128(*divmod(modifier - 4, 65_536)))
    return file_type in ALLOWED_TYPES[data_type]


def _csv(batch: pa.RecordBatch, columns: list[TableColumn]) -> bytes:
    """Convert a batch to CSV. Raise TransferError if a text is too long for its column."""
    arrays = [
        array.dictionary_decode() if array.type.id == pa.lib.Type_DICTIONARY else array
        for array in batch
    ]
    for (name, data_type, modifier), array in zip(columns, arrays, strict=True):
        if data_type == "character varying" and modifier > 0 and len(array):
            longest = pc.max(pc.binary_length(array)).as_py() or 0
            if longest > modifier - 4:
                raise TransferError(
                    "Spectrum Scan Error: The length of the data column "
                    f"{name} is longer than the length defined in the table. "
                    f"Table: {modifier - 4}, Data: {longest}"
                )
    buffer = io.BytesIO()
    csv.write_csv(pa.table(arrays, names=batch.schema.names), buffer, CSV)
    return buffer.getvalue()


def _unload(transfer: Transfer, backend: Backend) -> int:
    bucket, prefix, keys = _keys(transfer)
    if keys and "cleanpath" in transfer.options:
        for key in keys:
            transfer.client.delete_object(Bucket=bucket, Key=key)
    elif keys and "allowoverwrite" not in transfer.options:
        raise TransferError(
            "Specified unload destination on S3 is not empty. Consider using a different bucket /"
            " prefix, manually removing the target files in S3, or using the ALLOWOVERWRITE option."
        )
    columns = backend.describe(transfer.subject)
    schema = pa.schema(
        [(name, _arrow_type(name, type_oid, modifier)) for name, type_oid, modifier in columns]
    )
    output = _ChunkReader(
        backend.copy_out(f"copy ({transfer.subject}) to stdout with (format csv, force_quote *)")
    )
    if not output.has_more():
        return 0
    slices = [_SliceFile(schema) for _ in range(SLICES)]
    batches = csv.open_csv(
        pa.PythonFile(output, "r"),
        csv.ReadOptions(column_names=schema.names, block_size=BATCH_BYTES),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    rows = 0
    for number, batch in enumerate(batches):
        slices[number % SLICES].write(batch)
        rows += batch.num_rows
    for number, file in enumerate(slices):
        if file.rows:
            file.upload(transfer.client, bucket, f"{prefix}{number:04}_part_00.parquet")
    return rows


class _SliceFile:
    """The parquet file that one slice unloads."""

    def __init__(self, schema: pa.Schema) -> None:
        self._buffer = io.BytesIO()
        self._writer = pq.ParquetWriter(self._buffer, schema, compression="snappy")
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def upload(self, client: Any, bucket: str, key: str) -> None:
        self._writer.close()
        self._buffer.seek(0)
        client.upload_fileobj(self._buffer, bucket, key)


class _ChunkReader(io.RawIOBase):
    """A readable file over an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def has_more(self) -> bool:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._left = chunk
        return True

    def read(self, size: int = -1) -> bytes:
        data = bytearray()
        while (size < 0 or len(data) < size) and self.has_more():
            count = len(self._left) if size < 0 else size - len(data)
            data += self._left[:count]
            self._left = self._left[count:]
        return bytes(data)


def _arrow_type(name: str, type_oid: int, modifier: int) -> pa.DataType:
    """Return the arrow type for PostgreSQL's type number. Raise TransferError."""
    match type_oid:
        case 16:
            return pa.bool_()
        case 21:
            return pa.int16()
        case 23:
            return pa.int32()
        case 20:
            return pa.int64()
        case 700:
            return pa.float32()
        case 701:
            return pa.float64()
        case 1700:
            precision, scale = divmod(modifier - 4, 65_536) if modifier > 0 else (38, 10)
            return pa.decimal128(precision, scale)
        case 1082:
            return pa.date32()
        case 1114:
            return pa.timestamp("us")
        case 25 | 1043 | 1042 | 19 | 705:
            return pa.string()
    raise TransferError(f"UNLOAD can't write column {name} of type {type_oid} to parquet")
