"""Compare the website's database with the marts of the last export. Nothing is changed."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2

from loaders import settings
from loaders.export import exported, mart_proofs, rds, tables
from loaders.export.export import csv_chunks, database_message, read_profile
from loaders.export.mart_proofs import kept_folder
from loaders.export.marts import ExportError, is_mart, parse_mart, read_manifest
from loaders.export.tables import Compared
from loaders.export.warehouse import open_warehouse

NOT_COMPARED = "the website's database was not compared"


def has_export() -> bool:
    """Return whether there was an export from this home. Raise SettingError."""
    return any(exported.read(target) for target in settings.rds_targets())


def compare(target_dir: Path) -> Iterator[tuple[str, Compared, str | None]]:
    """Yield each table that was exported, how it differs from its mart, and why the last export
    left it out, if it did.

    Both are read as they are while no export runs. Raise ExportError, SettingError.
    """
    kept_by_target = {target: mart_proofs.read_kept(target) for target in settings.rds_targets()}
    kept = max(kept_by_target.values(), key=lambda kept: kept.built_at, default=None)
    if kept is None or not kept.built_at:
        raise ExportError(f"{NOT_COMPARED}: no `dbt build` is kept in {settings.home() / 'proofs'}")
    profile = read_profile(kept.args, target_dir)
    record = exported.read(profile.target_name)
    nodes = read_manifest(kept_folder(profile.target_name))["nodes"].values()
    marts = [parse_mart(node) for node in nodes if is_mart(node)]
    url = rds.database_url(profile.target_name)
    try:
        with (
            closing(rds.connect(url, NOT_COMPARED)) as connection,
            connection.cursor() as cursor,
            open_warehouse(profile.credentials) as source,
        ):
            rds.lock(cursor)
            for mart in marts:
                last = record.get(mart.table, {})
                if last.get("exported_at"):
                    with closing(csv_chunks(mart, source)) as chunks:
                        yield mart.table, tables.compare(cursor, mart, chunks), last["reason"]
    except psycopg2.Error as error:
        raise ExportError(f"{NOT_COMPARED}: {database_message(error)}") from error
