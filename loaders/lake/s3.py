"""The lake on S3, through boto3, and the checks of its settings and credentials."""

import errno
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    ProfileNotFound,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.parsers import ResponseParserError

from loaders import settings
from loaders.errors import one_line
from loaders.lake.folder import DESCRIPTION
from loaders.settings import SettingError

TRIES = 5
"""Attempts per request, when S3 does not respond or asks for a retry."""
PART = 8 * 1024 * 1024
"""Size in bytes of a part of a multipart transfer; smaller objects are sent whole."""
LONGEST_DESCRIPTION = 1900
"""Size in bytes up to which S3 keeps a description with its object. S3's limit is 2 kB."""
TRANSFER = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
DEFAULT_CONFIG = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": TRIES},
    max_pool_connections=256,  # the threads of all tables may read at the same time
)
START_UP_CONFIG = Config(
    connect_timeout=4, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)
"""Short timeouts for the start-up check."""


class S3Lake:
    """A lake whose objects lie below a prefix of a bucket. S3 makes each PUT atomic."""

    def __init__(
        self, client: Any, bucket: str, prefix: str, encryption: Mapping[str, str]
    ) -> None:
        """`client` is boto3's, shared by threads; `encryption` are extra arguments of each PUT."""
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self.encryption = dict(encryption)

    def write_once(self, key: str, data: bytes, description: bytes = b"") -> None:
        header = _ascii(description)
        if len(header) > LONGEST_DESCRIPTION:
            self._write_once(key, data)
            self._write_once(key + DESCRIPTION, description)
        elif header:
            self._write_once(key, data, Metadata={"description": header})
        else:
            self._write_once(key, data)

    def _write_once(self, key: str, data: bytes, **arguments: Any) -> None:
        for attempt in range(1, TRIES + 1):
            with self._map_errors(key):
                try:
                    self._put(key, data, IfNoneMatch="*", **arguments)
                    return
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code == "ConditionalRequestConflict" and attempt < TRIES:
                        time.sleep(0.1 * 2**attempt)  # another process is writing the key
                        continue
                    if code != "PreconditionFailed":
                        raise
                    retries = error.response["ResponseMetadata"].get("RetryAttempts", 0)
            # boto3 repeats a PUT whose response was lost, and the repeat finds the first one.
            if retries and self.read(key) == data:
                return
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{self.url}/{key}")

    def write(self, key: str, data: bytes) -> None:
        with self._map_errors(key):
            if len(data) < PART:
                self._put(key, data)
            else:
                self.client.upload_fileobj(
                    BytesIO(data), self.bucket, self.prefix + key, self.encryption, Config=TRANSFER
                )

    def write_file(self, key: str, path: Path) -> None:
        with self._map_errors(key):
            self.client.upload_file(
                str(path), self.bucket, self.prefix + key, self.encryption, Config=TRANSFER
            )

    def read(self, key: str) -> bytes:
        with self._map_errors(key):
            for _ in range(1, TRIES):
                try:
                    return self._get(key)
                except (HTTPClientError, IncompleteReadError, ResponseStreamingError):
                    pass  # boto3 retries requests, but not the reading of a response body
            return self._get(key)

    def description(self, key: str) -> bytes:
        header = self._head(key)["Metadata"].get("description")
        # Long descriptions are objects of their own, as all were in earlier versions.
        return self.read(key + DESCRIPTION) if header is None else header.encode()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as file:
            with self._map_errors(key):
                self.client.download_fileobj(self.bucket, self.prefix + key, file, Config=TRANSFER)
            file.seek(0)
            yield file

    def exists(self, key: str) -> bool:
        try:
            self.modified_at(key)
        except FileNotFoundError:
            return False
        return True

    def modified_at(self, key: str) -> float:
        return float(self._head(key)["LastModified"].timestamp())

    def size(self, key: str) -> int:
        return int(self._head(key)["ContentLength"])

    def _head(self, key: str) -> Any:
        with self._map_errors(key):
            return self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)

    def keys(self, prefix: str) -> list[str]:
        keys = (entry["Key"] for page in self._list(prefix) for entry in page.get("Contents", []))
        # S3's console creates keys that end in / to show folders.
        return sorted(key.removeprefix(self.prefix) for key in keys if not key.endswith("/"))

    def folders(self, prefix: str) -> list[str]:
        prefixes = (
            entry["Prefix"]
            for page in self._list(prefix, Delimiter="/")
            for entry in page.get("CommonPrefixes", [])
        )
        return sorted(name.rstrip("/").rpartition("/")[2] for name in prefixes)

    def delete(self, key: str) -> None:
        with self._map_errors(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def _put(self, key: str, data: bytes, **arguments: Any) -> None:
        self.client.put_object(
            Bucket=self.bucket, Key=self.prefix + key, Body=data, **self.encryption, **arguments
        )

    def _get(self, key: str) -> bytes:
        response = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        body: bytes = response["Body"].read()
        return body

    def _list(self, prefix: str, **arguments: str) -> list[dict[str, Any]]:
        """Return the pages of a listing, of at most 1000 keys each."""
        with self._map_errors(prefix):
            pages = self.client.get_paginator("list_objects_v2")
            return list(
                pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}/", **arguments)
            )

    @contextmanager
    def _map_errors(self, key: str) -> Iterator[None]:
        """Map boto3 errors to OSError."""
        url = f"{self.url}/{key}"
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
            raise OSError(f"{url}: {one_line(error)}") from None
        except (BotoCoreError, Boto3Error, ResponseParserError) as error:
            raise OSError(f"{url}: {one_line(error)}") from None


def _ascii(description: bytes) -> str:
    """Return JSON as a header can hold it."""
    return json.dumps(json.loads(description)) if description else ""


def open_bucket(url: str) -> S3Lake:
    """Open the lake at `s3://bucket/prefix` and check that it is writable. Raise SettingError."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/.*)?", url)
    if not match:
        shown = "(not shown)" if "@" in url else url  # the URL may contain a secret
        raise SettingError("LAKE__URL", shown, "expected s3://bucket/prefix")
    bucket, prefix = match[1], (match[2] or "").strip("/")
    encryption = settings.lake_encryption()
    session = create_session()
    _check_access(
        S3Lake(create_client(session, START_UP_CONFIG), bucket, prefix, encryption), session
    )
    return S3Lake(create_client(session), bucket, prefix, encryption)


def create_session() -> boto3.Session:
    """Return a session with the credentials and region of the lake. Raise SettingError.

    They come from `lake.credentials`, or else from boto3's own lookup.
    """
    given = settings.lake_credentials()
    given.pop("endpoint_url", None)
    if "aws_access_key_id" in given and "aws_secret_access_key" not in given:
        raise SettingError(
            settings.environment_name("lake.credentials.aws_secret_access_key"),
            "",
            f"expected the secret of the access key {given['aws_access_key_id']}",
        )
    try:
        session = boto3.Session(**given)
        credentials = session.get_credentials()
    except ProfileNotFound:
        name = _setting_name("profile_name", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
        profile = given.get("profile_name") or os.environ[name]
        raise SettingError(name, profile, "expected a profile of the AWS configuration") from None
    except BotoCoreError as error:
        raise SettingError("LAKE__URL", settings.lake_url(), one_line(error)) from None
    if credentials is None:
        raise SettingError(
            "AWS_ACCESS_KEY_ID",
            "",
            "expected it together with AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or a machine's role,"
            " or [lake.credentials] in .dlt/secrets.toml, for a lake on S3",
        )
    return session


def create_client(session: boto3.Session, config: Config = DEFAULT_CONFIG) -> Any:
    """Return boto3's thread-safe client of the lake. Raise SettingError."""
    endpoint = settings.lake_credentials().get("endpoint_url")
    try:
        return session.client("s3", endpoint_url=endpoint, config=config)
    except InvalidRegionError:
        name = _setting_name("region_name", "AWS_DEFAULT_REGION")
        raise SettingError(
            name, session.region_name, "expected a region such as us-east-1"
        ) from None
    except ValueError:
        name = _setting_name("endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        raise SettingError(
            name, endpoint or os.environ.get(name), "expected https://host"
        ) from None


def _check_access(lake: S3Lake, session: boto3.Session) -> None:
    """Perform each kind of request once. Raise SettingError that names the wrong setting."""
    probe = {"Bucket": lake.bucket, "Key": f"{lake.prefix}_tried_{uuid4().hex}"}
    try:
        lake.client.list_objects_v2(Bucket=lake.bucket, Prefix=probe["Key"])
        lake.client.put_object(**probe, Body=b"", **lake.encryption)
        lake.client.get_object(**probe)
        lake.client.delete_object(**probe)
    except ClientError as error:
        raise _setting_error(lake, session, error) from None
    except (HTTPClientError, NotConnectedError, ResponseParserError):
        endpoint = lake.client.meta.endpoint_url
        name = _setting_name("endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        if endpoint == (settings.lake_credentials().get("endpoint_url") or os.environ.get(name)):
            raise SettingError(name, endpoint, "no S3 server responds there") from None
        name = _setting_name("region_name", "AWS_DEFAULT_REGION")
        raise SettingError(name, session.region_name, f"{endpoint} does not respond") from None
    except BotoCoreError as error:
        raise SettingError("LAKE__URL", lake.url, one_line(error)) from None


def _setting_error(lake: S3Lake, session: boto3.Session, error: ClientError) -> SettingError:
    """Return the error that names the setting which S3 refused."""
    key_id = session.get_credentials().access_key
    match error.response["Error"]["Code"]:
        case "NoSuchBucket" | "404":
            return SettingError(
                "LAKE__URL", lake.url, f"there is no bucket {lake.bucket}: create it"
            )
        case "InvalidAccessKeyId":
            name = _setting_name("aws_access_key_id", "AWS_ACCESS_KEY_ID")
            endpoint = lake.client.meta.endpoint_url
            return SettingError(name, key_id, f"{endpoint} does not know this access key")
        case "SignatureDoesNotMatch":
            name = _setting_name("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY")
            expected = f"expected the secret of the access key {key_id}"
            return SettingError(name, "(not shown)", expected)
        case "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired":
            name = _setting_name("aws_session_token", "AWS_SESSION_TOKEN")
            expected = "it has expired or is wrong: expected new temporary credentials"
            return SettingError(name, "(not shown)", expected)
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraint":
            name = _setting_name("region_name", "AWS_DEFAULT_REGION")
            return SettingError(name, session.region_name, f"expected the region of {lake.bucket}")
        case code if code.startswith("KMS") or "kms" in str(error).lower():
            key = lake.encryption.get("SSEKMSKeyId")
            return SettingError("LAKE__KMS_KEY_ID", key, one_line(error))
        case "AccessDenied" | "AllAccessDisabled" | "403":
            action = {"ListObjectsV2": "ListBucket"}.get(error.operation_name, error.operation_name)
            expected = f"the access key {key_id} needs the permission s3:{action} there"
            return SettingError("LAKE__URL", lake.url, expected)
    return SettingError("LAKE__URL", lake.url, one_line(error))


def _setting_name(credential: str, *variables: str) -> str:
    """Return the name of the setting in force: the project's own if set, else boto3's."""
    if credential in settings.lake_credentials():
        return settings.environment_name(f"lake.credentials.{credential}")
    return next((name for name in variables if os.environ.get(name)), variables[0])
