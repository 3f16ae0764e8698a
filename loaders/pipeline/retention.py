"""Retention: how much of past dates staging keeps.

Staging has the full lists of the newest dates. Of older dates it keeps what no later date replaces:
the newest rows of each identity. A history that dbt models keep by day leaves staging once the
models have it. The lake keeps everything, and any date can be loaded from it again.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from dlt.common.destination.exceptions import DestinationUndefinedEntity

from loaders import settings
from loaders.pipeline import loaded_dates
from loaders.pipeline.load import staging_table
from loaders.pipeline.loaded_dates import Key, LoadedDate
from loaders.sources import SOURCES
from loaders.sources.source import Source, Table

LONGEST_LOOK_BACK = 7
"""Days for which dbt's models and tests read full lists, as in `answers_are_plausible`."""
MODELS_HAVE = "intermediate.int_history_days"
"""The dbt model with the days of histories that models keep, and the load of each."""


def first_kept_date(today: date) -> date:
    """Return the first date whose full lists staging keeps. Raise SettingError."""
    days = settings.read(
        "staging.keep_days",
        14,
        _keep_days,
        f"expected at least {LONGEST_LOOK_BACK} days, for which the models look back",
    )
    return today - timedelta(days=days - 1)


def needs_all_dates(
    client: Any, source: Source, table: Table, days: Iterable[date], known: Mapping[Key, LoadedDate]
) -> bool:
    """Return whether loading some days requires that all dates of the table are loaded again.

    That is the case if staging has forgotten rows that count again: those which an earlier load of
    a day replaced, or other rows of the same days of a history.
    """
    if not table.history_day:
        loads = (known.get((source.name, table.name, day)) for day in days)
        return any(load and not load.is_whole for load in loads)
    if table.history_day == "logical_date":
        return False
    newest = loaded_dates.newest_partial(client, source.name, table.name)
    return newest is not None and min(days) <= newest + timedelta(days=LONGEST_LOOK_BACK)


def forget(client: Any, first_kept: date) -> int:
    """Delete what staging need not keep of the dates before `first_kept`.

    Return the number of tables of which rows were deleted.
    """
    forgotten = 0
    whole = loaded_dates.tables_with_whole_dates(client, first_kept)
    for source in SOURCES.values():
        for table in source.tables:
            if table.kept_under:  # a date for a long period: there are few
                continue
            if table.history_day:
                has_forgotten = _delete_days(client, source, table, first_kept)
            else:
                has_forgotten = (source.name, table.name) in whole
                if has_forgotten:
                    _delete_replaced(client, source, table, first_kept)
            if has_forgotten:
                loaded_dates.mark_partial(client, source.name, table.name, first_kept)
                forgotten += 1
    return forgotten


def _delete_replaced(client: Any, source: Source, table: Table, first_kept: date) -> None:
    """Delete rows before a date that later rows before that date replace.

    Redshift allows only tables after `using`, hence the temporary one.
    """
    name = staging_table(source, table)
    keys = [client.escape_column_name(key) for key in table.identity or table.primary_key]
    columns = ", ".join(keys)
    same_key = " and ".join(f"{name}.{key} = newest_rows.{key}" for key in keys)
    with client.begin_transaction():
        client.execute_sql(
            f"create temporary table newest_rows as select {columns}, max(logical_date) as"
            f" newest_date from {name} where logical_date < '{first_kept}' group by {columns}"
        )
        client.execute_sql(
            f"delete from {name} using newest_rows"
            f" where {same_key} and {name}.logical_date < newest_rows.newest_date"
        )
        client.execute_sql("drop table newest_rows")


def _delete_days(client: Any, source: Source, table: Table, first_kept: date) -> bool:
    """Delete the days of a history before a date that the models have as they are in staging.

    Return whether there were any.
    """
    name = staging_table(source, table)
    day = f"cast({client.escape_column_name(table.history_day)} as date)"
    query = (
        f"select staged.day from (select {day} as day, max(_dlt_load_id) as load_id,"
        f" count(*) as row_count from {name} where {day} < '{first_kept}' group by 1) as staged"
        f" inner join {MODELS_HAVE} as kept on kept.day = staged.day"
        " and kept.load_id = staged.load_id"
        " and coalesce(kept.row_count, staged.row_count) = staged.row_count"
        f" where kept.source_name = '{source.name}' and kept.table_name = '{table.name}'"
    )
    try:
        with client.execute_query(query) as cursor:
            days = ", ".join(f"'{row[0]}'" for row in cursor.fetchall())
    except DestinationUndefinedEntity:  # no build has kept anything yet
        return False
    if days:
        client.execute_sql(f"delete from {name} where {day} in ({days})")
    return bool(days)


def _keep_days(text: str) -> int:
    days = settings.non_negative_integer(text)
    if days < LONGEST_LOOK_BACK:
        raise ValueError(text)
    return days
