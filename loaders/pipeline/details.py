"""What to extract for a table and date, and for details, which keys are new or changed."""

from datetime import date

from loaders.pipeline.context import SourceContext
from loaders.sources.source import ExtractRequest, Table


def extract_request(context: SourceContext, table: Table, logical_date: date) -> ExtractRequest:
    """Return what to extract of `table` for a date."""
    if table.details_of:
        keys = context.indexes[table.name].due(logical_date)
        return ExtractRequest(logical_date, context.options, keys=keys)
    since = changed_since(context, table, logical_date)
    return ExtractRequest(logical_date, context.options, changed_since=since)


def changed_since(context: SourceContext, table: Table, logical_date: date) -> date | None:
    """Return the last earlier date of a list that reports changes only since a given date."""
    indexes = context.indexes_of_list(table)
    return indexes[0].last_list(logical_date) if indexes and not table.version else None
