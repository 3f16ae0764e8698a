"""The lake on S3, by boto3: its credentials, its settings, and what they may be wrong about."""

import errno
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
from loaders.settings import SettingError

TRIES = 5
"""Of a request that S3 did not answer, or told to be sent again."""
PART = 8 * 1024 * 1024
"""Bytes. What is larger goes to S3, and comes from there, in parts of so many."""
TRANSFER = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
LASTING = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": TRIES},
    max_pool_connections=256,  # each table's threads may read at once; opened when needed
)
AT_ONCE = Config(
    connect_timeout=4, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)
"""For the first words with S3: who waits at a terminal learns soon what is wrong."""


class S3Lake:
    """The objects of a bucket below a prefix. A PUT is whole or not at all by S3's promise."""

    def __init__(
        self, client: Any, bucket: str, prefix: str, encryption: Mapping[str, str]
    ) -> None:
        """`client` is boto3's, which threads share; `encryption` are its arguments of a PUT."""
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self.encryption = dict(encryption)

    def write_once(self, key: str, data: bytes) -> None:
        for tried in range(1, TRIES + 1):
            with self._told(key):
                try:
                    self._put(key, data, IfNoneMatch="*")
                    return
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code == "ConditionalRequestConflict" and tried < TRIES:
                        time.sleep(0.1 * 2**tried)  # another writes it at this moment
                        continue
                    if code != "PreconditionFailed":
                        raise
                    resent = error.response["ResponseMetadata"].get("RetryAttempts", 0)
            # A PUT whose answer was lost is sent again, and then finds itself.
            if resent and self.read(key) == data:
                return
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{self.url}/{key}")

    def write(self, key: str, data: bytes) -> None:
        with self._told(key):
            if len(data) < PART:
                self._put(key, data)
            else:
                self.client.upload_fileobj(
                    BytesIO(data), self.bucket, self.prefix + key, self.encryption, Config=TRANSFER
                )

    def write_file(self, key: str, path: Path) -> None:
        with self._told(key):
            self.client.upload_file(
                str(path), self.bucket, self.prefix + key, self.encryption, Config=TRANSFER
            )

    def read(self, key: str) -> bytes:
        with self._told(key):
            for _ in range(1, TRIES):
                try:
                    return self._get(key)
                except (HTTPClientError, IncompleteReadError, ResponseStreamingError):
                    pass  # boto3 sends a request again, but does not read an answer again
            return self._get(key)

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as file:
            with self._told(key):
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
        with self._told(key):
            return self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)

    def keys(self, prefix: str) -> list[str]:
        found = (it["Key"] for page in self._listed(prefix) for it in page.get("Contents", []))
        # One that ends in / is what S3's console makes of a folder.
        return sorted(key.removeprefix(self.prefix) for key in found if not key.endswith("/"))

    def folders(self, prefix: str) -> list[str]:
        found = (
            it["Prefix"]
            for page in self._listed(prefix, Delimiter="/")
            for it in page.get("CommonPrefixes", [])
        )
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def delete(self, key: str) -> None:
        with self._told(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def _put(self, key: str, data: bytes, **how: str) -> None:
        self.client.put_object(
            Bucket=self.bucket, Key=self.prefix + key, Body=data, **self.encryption, **how
        )

    def _get(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        body: bytes = answer["Body"].read()
        return body

    def _listed(self, prefix: str, **how: str) -> list[dict[str, Any]]:
        """The pages of a listing, of at most 1000 keys each."""
        with self._told(prefix):
            pages = self.client.get_paginator("list_objects_v2")
            return list(pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}/", **how))

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Tells boto3's errors as those that a folder has."""
        where = f"{self.url}/{key}"
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where) from None
            raise OSError(f"{where}: {_in_one_line(error)}") from None
        except (BotoCoreError, Boto3Error, ResponseParserError) as error:
            raise OSError(f"{where}: {_in_one_line(error)}") from None


def open_bucket(url: str) -> S3Lake:
    """The lake at `s3://bucket/prefix`, which was written to. Raises SettingError."""
    found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/.*)?", url)
    if not found:
        shown = "(not shown)" if "@" in url else url  # it may hold a secret
        raise SettingError("LAKE__URL", shown, "wants s3://bucket/prefix")
    bucket, prefix = found[1], (found[2] or "").strip("/")
    encryption = settings.lake_encryption()
    its = session()
    _try_out(S3Lake(client(its, AT_ONCE), bucket, prefix, encryption), its)
    return S3Lake(client(its), bucket, prefix, encryption)


def session() -> boto3.Session:
    """The credentials and the region of the lake: those of `lake.credentials`, else what boto3
    finds by itself. Raises SettingError."""
    given = settings.lake_credentials()
    given.pop("endpoint_url", None)
    if "aws_access_key_id" in given and "aws_secret_access_key" not in given:
        raise SettingError(
            settings.environment_name("lake.credentials.aws_secret_access_key"),
            "",
            f"wants the secret of the access key {given['aws_access_key_id']}",
        )
    try:
        its = boto3.Session(**given)
        credentials = its.get_credentials()
    except ProfileNotFound:
        name = _name("profile_name", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
        profile = given.get("profile_name") or os.environ[name]
        raise SettingError(name, profile, "wants a profile of the AWS configuration") from None
    except BotoCoreError as error:
        raise SettingError("LAKE__URL", settings.lake_url(), _in_one_line(error)) from None
    if credentials is None:
        raise SettingError(
            "AWS_ACCESS_KEY_ID",
            "",
            "a lake on S3 wants it with AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or a machine's role,"
            " or [lake.credentials] in .dlt/secrets.toml",
        )
    return its


def client(its: boto3.Session, config: Config = LASTING) -> Any:
    """boto3's client of the lake, for any thread; `meta.endpoint_url` tells its endpoint.

    Raises SettingError.
    """
    endpoint = settings.lake_credentials().get("endpoint_url")
    try:
        return its.client("s3", endpoint_url=endpoint, config=config)
    except InvalidRegionError:
        name = _name("region_name", "AWS_DEFAULT_REGION")
        raise SettingError(name, its.region_name, "wants a region such as us-east-1") from None
    except ValueError:
        name = _name("endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        raise SettingError(name, endpoint or os.environ.get(name), "wants https://host") from None


def _try_out(lake: S3Lake, its: boto3.Session) -> None:
    """Does once what a run does. Raises SettingError, which names the setting that is wrong."""
    thing = {"Bucket": lake.bucket, "Key": f"{lake.prefix}_tried_{uuid4().hex}"}
    try:
        lake.client.list_objects_v2(Bucket=lake.bucket, Prefix=thing["Key"])
        lake.client.put_object(**thing, Body=b"", **lake.encryption)
        lake.client.get_object(**thing)
        lake.client.delete_object(**thing)
    except ClientError as error:
        raise _refusal(lake, its, error) from None
    except (HTTPClientError, NotConnectedError, ResponseParserError):
        endpoint = lake.client.meta.endpoint_url
        name = _name("endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        if endpoint == (settings.lake_credentials().get("endpoint_url") or os.environ.get(name)):
            raise SettingError(name, endpoint, "no S3 server answers there") from None
        name = _name("region_name", "AWS_DEFAULT_REGION")
        raise SettingError(name, its.region_name, f"{endpoint} does not answer") from None
    except BotoCoreError as error:
        raise SettingError("LAKE__URL", lake.url, _in_one_line(error)) from None


def _refusal(lake: S3Lake, its: boto3.Session, error: ClientError) -> SettingError:
    """What S3 said, as a word on the setting that it is about."""
    key_id = its.get_credentials().access_key
    match error.response["Error"]["Code"]:
        case "NoSuchBucket" | "404":
            return SettingError("LAKE__URL", lake.url, f"there is no bucket {lake.bucket}: make it")
        case "InvalidAccessKeyId":
            name = _name("aws_access_key_id", "AWS_ACCESS_KEY_ID")
            wants = f"{lake.client.meta.endpoint_url} does not know it: wants an access key"
            return SettingError(name, key_id, wants)
        case "SignatureDoesNotMatch":
            name = _name("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY")
            return SettingError(name, "(not shown)", f"wants the secret of the access key {key_id}")
        case "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired":
            name = _name("aws_session_token", "AWS_SESSION_TOKEN")
            wants = "it has expired or is wrong: wants new temporary credentials"
            return SettingError(name, "(not shown)", wants)
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraint":
            name = _name("region_name", "AWS_DEFAULT_REGION")
            return SettingError(name, its.region_name, f"wants the region of {lake.bucket}")
        case code if code.startswith("KMS") or "kms" in str(error).lower():
            key = lake.encryption.get("SSEKMSKeyId")
            return SettingError("LAKE__KMS_KEY_ID", key, _in_one_line(error))
        case "AccessDenied" | "AllAccessDisabled" | "403":
            action = {"ListObjectsV2": "ListBucket"}.get(error.operation_name, error.operation_name)
            wants = f"the access key {key_id} wants the permission s3:{action} there"
            return SettingError("LAKE__URL", lake.url, wants)
    return SettingError("LAKE__URL", lake.url, _in_one_line(error))


def _name(credential: str, *of_boto3: str) -> str:
    """The setting that says this: the project's own, else boto3's, the first when none is set."""
    if credential in settings.lake_credentials():
        return settings.environment_name(f"lake.credentials.{credential}")
    return next((name for name in of_boto3 if os.environ.get(name)), of_boto3[0])


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
