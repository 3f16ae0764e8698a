"""Read and check every setting.

Values come from dlt's providers: the environment, then `.dlt/secrets.toml`, then
`.dlt/config.toml`. `HELLO_KOREA_HOME` and `DBT_TARGET` are read from the environment only, since
dbt's profile reads them there too.
"""

import errno
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import dlt
from dlt.common.runtime.run_context import active

KST = timezone(timedelta(hours=9), "KST")
PROJECT = Path(__file__).resolve().parents[1]
FIRST_DAY = date(1900, 1, 1)
"""The earliest date that a run takes."""

T = TypeVar("T")


class SettingError(Exception):
    """Raised for an unusable setting. The message names it, its value and what was expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        state = f"is {value!r}" if value else "is not set"
        super().__init__(f"{name} {state}: {expected}")


def read(
    name: str, default: T, convert: Callable[[str], T], expected: str, *, secret: bool = False
) -> T:
    """Return the setting `name` (in dlt's dotted form) converted, or `default` if it is not set.

    Raise SettingError with the environment form of the name if `convert` raises ValueError. The
    value of a secret is not shown. A list in a file is the same as its items between commas.
    """
    value: object = dlt.secrets.get(name)
    if value is None:
        value = dlt.config.get(name)
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if value is None or str(value).strip() == "":
        return default
    try:
        return convert(str(value).strip())
    except ValueError:
        shown = "(not shown)" if secret else value
        raise SettingError(environment_name(name), shown, expected) from None


def environment_name(name: str) -> str:
    """Return the environment form of a name: `sources.tour.service_key` is
    `SOURCES__TOUR__SERVICE_KEY`."""
    return name.replace(".", "__").upper()


def home() -> Path:
    """Return the folder of all local state, and create it if it is missing. Raise SettingError."""
    value = os.environ.get("HELLO_KOREA_HOME", "")
    folder = Path(value).expanduser().absolute() if value else PROJECT / ".local"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
    except OSError as error:
        expected = f"expected a writable folder ({error.strerror})"
        raise SettingError("HELLO_KOREA_HOME", str(folder), expected) from None
    return folder


def today() -> date:
    """Return the current KST date, or `HELLO_KOREA_TODAY`. Raise SettingError."""
    return read(
        "hello_korea_today",
        datetime.now(KST).date(),
        _day,
        "expected a date such as 2026-11-22",
    )


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    # Windows of days around it must be dates too.
    if not FIRST_DAY <= day < date(2200, 1, 1):
        raise ValueError(text)
    return day


def dbt_target() -> str:
    return os.environ.get("DBT_TARGET") or "local"


def dbt_artifacts() -> Path:
    """Return the folder to which dbt writes its manifest and results."""
    return PROJECT / (os.environ.get("DBT_TARGET_PATH") or "target")


def lake_url() -> str:
    return read("lake.url", str(home() / "lake"), str, "expected a folder, or s3://bucket/prefix")


def lake_encryption() -> dict[str, str]:
    """Return the encryption arguments of an S3 PUT. Without any, the bucket's default applies."""
    encryption = read(
        "lake.encryption", "", one_of("AES256", "aws:kms"), "expected AES256 or aws:kms"
    )
    key = read("lake.kms_key_id", "", str, "expected a key's id or ARN")
    if key and encryption != "aws:kms":
        raise SettingError("LAKE__KMS_KEY_ID", key, "expected LAKE__ENCRYPTION=aws:kms with it")
    arguments = {"ServerSideEncryption": encryption, "SSEKMSKeyId": key}
    return {name: value for name, value in arguments.items() if value}


def lake_credentials() -> dict[str, str]:
    """Return the values of `lake.credentials` that are set, by their names in dlt and boto3."""
    names = (
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "region_name",
        "endpoint_url",
        "profile_name",
    )
    values = {name: read(f"lake.credentials.{name}", "", str, "", secret=True) for name in names}
    return {name: value for name, value in values.items() if value}


def one_of(*known: str) -> Callable[[str], str]:
    """Return a converter that accepts only the `known` texts."""

    def convert(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return convert


def some_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Return a converter of names between commas, each of which must be `known`."""

    def convert(text: str) -> tuple[str, ...]:
        names = {name.strip() for name in text.split(",")} - {""}
        if not names or names - set(known):
            raise ValueError(text)
        return tuple(name for name in known if name in names)

    return convert


def non_negative_integer(text: str) -> int:
    """Convert a text of up to 9 digits. Raise ValueError."""
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(text)
    return int(text)


def check_requests() -> None:
    """Check dlt's own request settings, whose errors are clearer here. Raise SettingError."""
    read("runtime.request_timeout", 60.0, _above_zero, "expected seconds, more than 0")
    read(
        "runtime.request_max_attempts",
        5,
        lambda text: int(_above_zero(text)),
        "expected a number of attempts, at least 1",
    )
    for name in ("request_backoff_factor", "request_max_retry_delay"):
        read(f"runtime.{name}", 1.0, float, "expected a number")


@dataclass(frozen=True)
class Limits:
    """Limits on responses. Whatever exceeds them is treated as an API error."""

    megabytes: int
    """Maximum size of one response, decompressed."""
    seconds: float
    """Maximum time to receive one response. dlt's `RUNTIME__REQUEST_TIMEOUT` applies to each read
    from the socket."""
    pages: int
    """Maximum number of pages of one list."""
    retry_delay: float = 300.0
    """Maximum seconds for which a `Retry-After` is followed, as dlt's retries do."""


def limits() -> Limits:
    return Limits(
        read("answers.max_megabytes", 64, positive_integer, "expected megabytes, at least 1"),
        read("answers.max_seconds", 300.0, _above_zero, "expected seconds, more than 0"),
        read(
            "answers.max_pages", 10_000, positive_integer, "expected a number of pages, at least 1"
        ),
        read("runtime.request_max_retry_delay", 300.0, float, "expected a number"),
    )


def positive_integer(text: str) -> int:
    if non_negative_integer(text) == 0:
        raise ValueError(text)
    return int(text)


def _above_zero(text: str) -> float:
    if not 0 < float(text) < 1e6:
        raise ValueError(text)
    return float(text)


def is_json_log() -> bool:
    """Return whether logs are one JSON object a line. Any other format is dlt's, for its logs."""
    return read("runtime.log_format", "", str, "").lower() == "json"


def rds_url() -> str | None:
    """Return the URL of the website's database, or None if it is not set. Raise SettingError."""
    expected = "expected postgresql://user:password@host:5432/name"
    return read("rds.url", None, _postgres_url, expected, secret=True)


def _postgres_url(text: str) -> str:
    if not re.match(r"postgres(ql)?://", text):
        raise ValueError(text)
    return text


def rds_targets() -> list[str]:
    """Return the names of the dbt targets whose build ends with an export."""
    targets = read("rds.targets", "local,redshift", str, "expected names of dbt targets")
    return [target.strip() for target in targets.split(",")]


def service_key(source: str) -> str | None:
    return read(f"sources.{source}.service_key", None, str, "expected the API's key")


def base_url(source: str, default: str) -> str:
    name, expected = f"sources.{source}.base_url", "expected https://host/path"
    if "@" in read(name, "", str, expected):  # a password would stand in raw and in messages
        raise SettingError(environment_name(name), "(not shown)", f"{expected}, without a password")
    return read(name, default, _web_url, expected)


def exposed_secrets() -> list[str]:
    """Return a line if other users of this machine may read the file of the keys."""
    file = Path(active().settings_dir) / "secrets.toml"
    if not file.exists() or not file.stat().st_mode & 0o077:
        return []
    return [f"{file} can be read by others: run `chmod 600 {shlex.quote(str(file))}`"]


def is_this_machine(url: str) -> bool:
    return is_this_host(urlsplit(url).hostname or "")


def is_this_host(host: str) -> bool:
    return host in ("127.0.0.1", "localhost", "::1")


def _web_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError(text)
    return text.rstrip("/")
