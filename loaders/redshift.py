"""Connection and COPY settings of Redshift, under dlt's names for them, which dbt's profile reads
too."""

from pathlib import Path
from typing import Any

import dlt
import redshift_connector

from loaders import settings
from loaders.settings import SettingError

CREDENTIALS = "destination.redshift.credentials"
COPIED_FROM = "load"
"""Folder of the lake that COPY reads from."""
UNLOADED_TO = "unload"
"""Folder of the lake that UNLOAD writes to."""
CERTIFICATES = Path(redshift_connector.__file__).parent / "files" / "redshift-ca-bundle.crt"
"""Bundle of the authorities that sign Redshift's certificates."""


def destination() -> Any:
    """Return dlt's Redshift destination. Raise SettingError."""
    host = _required("host", "expected the cluster's or workgroup's address")
    sslmode = settings.read(
        f"{CREDENTIALS}.sslmode",
        "disable" if settings.is_this_host(host) else "verify-full",
        _checked_sslmode,
        "expected verify-full, or disable for a host that is this machine",
    )
    if sslmode != "verify-full" and not settings.is_this_host(host):
        raise SettingError(
            settings.environment_name(f"{CREDENTIALS}.sslmode"),
            sslmode,
            f"expected verify-full for {host}, which is not this machine",
        )
    return dlt.destinations.redshift(
        credentials={
            "host": host,
            "port": settings.read(
                f"{CREDENTIALS}.port", 5439, settings.non_negative_integer, "expected a port number"
            ),
            "database": _required("database", "expected the database's name"),
            "username": _required("username", "expected the loader's user"),
            "password": _required("password", "expected the user's password", secret=True),
            "query": {"sslmode": sslmode, "sslrootcert": str(CERTIFICATES)},
        },
        staging_iam_role=iam_role(),
    )


def staging() -> Any:
    """Return dlt's destination of the files that COPY reads, in the lake. Raise SettingError."""
    url = settings.lake_url()
    if not url.startswith("s3://"):
        raise SettingError(
            "LAKE__URL", url, "expected s3://bucket/prefix: Redshift copies from there"
        )
    return dlt.destinations.filesystem(
        bucket_url=f"{url.rstrip('/')}/{COPIED_FROM}",
        credentials=settings.lake_credentials() or None,
        # s3fs buffers 50 MB for each part that it sends at the same time.
        kwargs={"s3_additional_kwargs": settings.lake_encryption(), "max_concurrency": 1},
    )


def iam_role() -> str | None:
    """Return the role with which Redshift accesses the lake, or None to use the lake's credentials.

    Raise SettingError.
    """
    return settings.read(
        "destination.redshift.staging_iam_role",
        None,
        _checked_role,
        "expected arn:aws:iam::<account>:role/<name>",
    )


def remedy(message: str) -> str:
    """Return the settings to check for a failed connection, or "" for any other error message."""
    if "connection to server" not in message:
        return ""
    is_refused = "authentication" in message
    names = ("username", "password") if is_refused else ("host", "port", "sslmode")
    variables = [settings.environment_name(f"{CREDENTIALS}.{name}") for name in names]
    return f"; check {', '.join(variables)}"


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def authorization() -> str:
    """Return the authorization clause of COPY and UNLOAD. Raise SettingError."""
    role = iam_role()
    if role:
        return f"iam_role '{role}'"
    from loaders.lake import s3  # with boto3, which takes a while

    keys = s3.create_session().get_credentials().get_frozen_credentials()
    token = f";token={keys.token}" if keys.token else ""
    return (
        f"credentials 'aws_access_key_id={keys.access_key}"
        f";aws_secret_access_key={keys.secret_key}{token}'"
    )


def _required(name: str, expected: str, *, secret: bool = False) -> str:
    value = settings.read(f"{CREDENTIALS}.{name}", "", str, expected, secret=secret)
    if not value:
        raise SettingError(settings.environment_name(f"{CREDENTIALS}.{name}"), None, expected)
    return value


def _checked_sslmode(text: str) -> str:
    if text not in ("verify-full", "verify-ca", "require", "prefer", "allow", "disable"):
        raise ValueError(text)
    return text


def _checked_role(text: str) -> str:
    if not text.startswith("arn:aws"):
        raise ValueError(text)
    return text
