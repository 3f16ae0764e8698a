"""Redshift: where it is and as whom the loaders go there, by the names that dlt has for it, which
dbt's profile reads too."""

from pathlib import Path
from typing import Any

import dlt
import redshift_connector

from loaders import settings
from loaders.settings import SettingError

CREDENTIALS = "destination.redshift.credentials"
COPIED_FROM = "load"
"""The folder of the lake that Redshift copies from."""
CERTIFICATES = Path(redshift_connector.__file__).parent / "files" / "redshift-ca-bundle.crt"
"""Of the authorities that sign Redshift's certificates."""


def destination() -> Any:
    """dlt's destination. Raises SettingError where a setting is missing or wrong."""
    host = _required("host", "wants the cluster's or workgroup's address")
    sslmode = settings.read(
        f"{CREDENTIALS}.sslmode",
        "disable" if settings.is_this_host(host) else "verify-full",
        _sslmode,
        "wants verify-full, or disable for a host that is this machine",
    )
    if sslmode != "verify-full" and not settings.is_this_host(host):
        raise SettingError(
            settings.environment_name(f"{CREDENTIALS}.sslmode"),
            sslmode,
            f"wants verify-full for {host}, which is not this machine",
        )
    return dlt.destinations.redshift(
        credentials={
            "host": host,
            "port": settings.read(
                f"{CREDENTIALS}.port", 5439, settings.whole_number, "wants a port number"
            ),
            "database": _required("database", "wants the database's name"),
            "username": _required("username", "wants the loader's user"),
            "password": _required("password", "wants the user's password", secret=True),
            "query": {"sslmode": sslmode, "sslrootcert": str(CERTIFICATES)},
        },
        staging_iam_role=iam_role(),
    )


def staging() -> Any:
    """dlt's destination for the files that Redshift copies from, in the lake."""
    url = settings.lake_url()
    if not url.startswith("s3://"):
        raise SettingError("LAKE__URL", url, "wants s3://bucket/prefix: Redshift copies from there")
    return dlt.destinations.filesystem(
        bucket_url=f"{url.rstrip('/')}/{COPIED_FROM}",
        credentials=settings.lake_credentials() or None,
        # One part of a large file at a time: s3fs holds 50 MB of each that it sends.
        kwargs={"s3_additional_kwargs": settings.lake_encryption(), "max_concurrency": 1},
    )


def iam_role() -> str | None:
    """The role that Redshift takes on to read from and write to the lake, None where it uses the
    lake's credentials instead."""
    return settings.read(
        "destination.redshift.staging_iam_role",
        None,
        _role,
        "wants arn:aws:iam::<account>:role/<name>",
    )


def remedy(said: str) -> str:
    """What to look at when there is no connection; nothing for other words of the database."""
    if "connection to server" not in said:
        return ""
    names = ("username", "password") if "authentication" in said else ("host", "port", "sslmode")
    checked = [settings.environment_name(f"{CREDENTIALS}.{name}") for name in names]
    return f"; check {', '.join(checked)}"


def literal(text: str) -> str:
    """A text in SQL."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def authorization() -> str:
    """How Redshift gets at the lake, as COPY and UNLOAD want it: what the loader's COPY has too."""
    role = iam_role()
    if role:
        return f"iam_role '{role}'"
    from loaders import s3  # with boto3, which takes a while

    keys = s3.session().get_credentials().get_frozen_credentials()
    token = f";token={keys.token}" if keys.token else ""
    return (
        f"credentials 'aws_access_key_id={keys.access_key}"
        f";aws_secret_access_key={keys.secret_key}{token}'"
    )


def _required(name: str, wants: str, *, secret: bool = False) -> str:
    found = settings.read(f"{CREDENTIALS}.{name}", "", str, wants, secret=secret)
    if not found:
        raise SettingError(settings.environment_name(f"{CREDENTIALS}.{name}"), None, wants)
    return found


def _sslmode(text: str) -> str:
    if text not in ("verify-full", "verify-ca", "require", "prefer", "allow", "disable"):
        raise ValueError(text)
    return text


def _role(text: str) -> str:
    if not text.startswith("arn:aws"):
        raise ValueError(text)
    return text
