"""Every setting, read and checked in one place.

dlt's providers answer: environment first, then `.dlt/secrets.toml`, then `.dlt/config.toml`.
Two come from the environment alone, because dbt's profile reads them too: `HELLO_KOREA_HOME`
and `DBT_TARGET`.
"""

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import dlt

KST = timezone(timedelta(hours=9), "KST")
PROJECT = Path(__file__).resolve().parents[1]

T = TypeVar("T")


class SettingError(Exception):
    """A setting that can't be used. The message names it, what it got and what it wants."""

    def __init__(self, name: str, got: object, wants: str) -> None:
        super().__init__(f"{name} is {got!r}: {wants}" if got else f"{name} is not set: {wants}")


def read(
    name: str, default: T, convert: Callable[[str], T], wants: str, *, secret: bool = False
) -> T:
    """The setting `name` in dlt's dotted form, converted; `default` when nothing sets it.

    Raises SettingError, in the environment form of the name, when `convert` refuses the value; it
    does not show the value of a secret.
    """
    got: object = dlt.secrets.get(name)
    if got is None:
        got = dlt.config.get(name)
    if got is None or str(got).strip() == "":
        return default
    try:
        return convert(str(got).strip())
    except ValueError:
        shown = "(not shown)" if secret else got
        raise SettingError(environment_name(name), shown, wants) from None


def environment_name(name: str) -> str:
    """`sources.tour.service_key` as `SOURCES__TOUR__SERVICE_KEY`."""
    return name.replace(".", "__").upper()


def home() -> Path:
    """The folder of everything that is kept on this machine, made when missing."""
    got = os.environ.get("HELLO_KOREA_HOME", "")
    folder = Path(got).expanduser().absolute() if got else PROJECT / ".local"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "it can only be read")
    except OSError as error:
        wants = f"wants a folder that can be written ({error.strerror})"
        raise SettingError("HELLO_KOREA_HOME", str(folder), wants) from None
    return folder


def today() -> date:
    """The logical date of a run that names none: the KST date, or `HELLO_KOREA_TODAY`."""
    return read(
        "hello_korea_today",
        datetime.now(KST).date(),
        date.fromisoformat,
        "wants a date such as 2026-11-22",
    )


def dbt_target() -> str:
    return os.environ.get("DBT_TARGET") or "local"


def dbt_artifacts() -> Path:
    """The folder where dbt leaves its manifest and results."""
    return PROJECT / (os.environ.get("DBT_TARGET_PATH") or "target")


def lake_url() -> str:
    return read("lake.url", str(home() / "lake"), str, "wants a folder, or s3://bucket/prefix")


def lake_encryption() -> dict[str, str]:
    """S3's arguments for what is written there; none leave it to the bucket."""
    wants = "wants AES256 or aws:kms"
    encryption = read("lake.encryption", "", one_of("AES256", "aws:kms"), wants)
    key = read("lake.kms_key_id", "", str, "wants a key's id or ARN")
    if key and encryption != "aws:kms":
        raise SettingError("LAKE__KMS_KEY_ID", key, "wants LAKE__ENCRYPTION=aws:kms beside it")
    given = {"ServerSideEncryption": encryption, "SSEKMSKeyId": key}
    return {name: value for name, value in given.items() if value}


def lake_credentials() -> dict[str, str]:
    """What `lake.credentials` sets, by the names of dlt's and boto3's own; often nothing."""
    names = (
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "region_name",
        "endpoint_url",
        "profile_name",
    )
    given = {name: read(f"lake.credentials.{name}", "", str, "", secret=True) for name in names}
    return {name: value for name, value in given.items() if value}


def one_of(*known: str) -> Callable[[str], str]:
    """A conversion that refuses every other text."""

    def convert(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return convert


def whole_number(text: str) -> int:
    """A count of at least 0. Raises ValueError."""
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(text)
    return int(text)


def check_requests() -> None:
    """dlt reads these itself, and says it less plainly. Raises SettingError."""
    read("runtime.request_timeout", 60.0, _above_zero, "wants seconds, more than 0")
    read("runtime.request_max_attempts", 5, lambda it: int(_above_zero(it)), "wants tries")
    for name in ("request_backoff_factor", "request_max_retry_delay"):
        read(f"runtime.{name}", 1.0, float, "wants a number")


@dataclass(frozen=True)
class Limits:
    """What an answer may come to, beyond which it is taken for a fault of the API."""

    megabytes: int
    """Of one answer, unpacked."""
    seconds: float
    """Until one answer is all there; dlt's `RUNTIME__REQUEST_TIMEOUT` is for each of its parts."""
    pages: int
    """Of one list."""


def limits() -> Limits:
    return Limits(
        read("answers.max_megabytes", 64, _count, "wants megabytes, at least 1"),
        read("answers.max_seconds", 300.0, _above_zero, "wants seconds, more than 0"),
        read("answers.max_pages", 10_000, _count, "wants a number of pages, at least 1"),
    )


def _count(text: str) -> int:
    if whole_number(text) == 0:
        raise ValueError(text)
    return int(text)


def _above_zero(text: str) -> float:
    if not 0 < float(text) < 1e6:
        raise ValueError(text)
    return float(text)


def rds_url() -> str | None:
    """The database of the website, None where none is set."""
    wants = "wants postgresql://user:password@host:5432/name"
    return read("rds.url", None, _postgres_url, wants, secret=True)


def _postgres_url(text: str) -> str:
    if not re.match(r"postgres(ql)?://", text):
        raise ValueError(text)
    return text


def service_key(source: str) -> str | None:
    return read(f"sources.{source}.service_key", None, str, "wants the API's key")


def base_url(source: str, default: str) -> str:
    return read(f"sources.{source}.base_url", default, _web_url, "wants https://host/path")


def is_this_machine(url: str) -> bool:
    return is_this_host(urlsplit(url).hostname or "")


def is_this_host(host: str) -> bool:
    return host in ("127.0.0.1", "localhost", "::1")


def _web_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError(text)
    return text.rstrip("/")
