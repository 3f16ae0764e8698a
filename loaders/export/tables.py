"""Write the marts to the tables of the website's database.

Every function works on a cursor in the export's one transaction; `match_columns` has one before it.
COPY is never used with `freeze`: a reader with an older snapshot would see frozen rows, so a child
without its parent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from math import inf
from time import monotonic, sleep
from typing import Any

import psycopg2
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.sql import SQL, Composable, Identifier, Literal

from loaders import settings
from loaders.export.marts import (
    PREFIX,
    UPDATED_AT,
    Column,
    ExportError,
    ForeignKey,
    HeldBackError,
    Index,
    Mart,
)
from loaders.export.roles import READER

LOCK_TRY_SECONDS = 1
"""Seconds for which a change of a table waits for its readers, and then lets them pass."""
SMALL_TABLE = 20
"""A table with fewer rows may lose any share of them, but never all."""

# The time of the statement: the statements of an export begin after all exports before it have
# ended, since each holds the lock. So the newest value that a reader has seen in a table is older
# than any that it has not.
_UPDATED_AT = f"{UPDATED_AT} timestamptz not null default statement_timestamp()"
_UPDATED_AT_COMMENT = "Time at which the row was last inserted or changed in this database."

# Data types whose names differ between the warehouse and PostgreSQL.
DATA_TYPES = {
    "datetime": "timestamp",
    "double": "double precision",
    "string": "text",
    "super": "jsonb",
    "varchar(max)": "text",
}


def has_rows(cursor: Cursor, mart: Mart) -> bool:
    """Return whether the table exists and is not empty."""
    if not _exists(cursor, mart):
        return False
    _execute(cursor, "select from {table} limit 1", mart)
    return cursor.rowcount > 0


def _exists(cursor: Cursor, mart: Mart) -> bool:
    cursor.execute("select to_regclass(%s)", [_regclass(mart)])
    return _value(cursor) is not None


def match_columns(cursor: Cursor, mart: Mart) -> None:
    """Add to an existing table the contract's new columns, and `updated_at`, without values.

    Readers wait until the transaction ends, so it should write no rows. The website may rely on
    the other columns: if some were removed or have another type, raise HeldBackError with the
    statement for the database's owner. Columns without a comment are not the export's, and are
    left alone.
    """
    if not _exists(cursor, mart):
        return
    _create_new(cursor, mart)
    expected, actual = _types(cursor, _new(mart)), _types(cursor, _table(mart))
    lacks_time = actual.pop(UPDATED_AT, None) is None
    differences, actions = [], []
    for name in sorted((actual.keys() - expected.keys()) & _commented(cursor, mart)):
        differences.append(f"column {name} is no longer in the contract")
        actions.append(f"drop column {name}")
    for name, data_type in expected.items():
        if actual.get(name, data_type) != data_type:
            differences.append(f"column {name} is {actual[name]}, but {data_type} in the contract")
            actions.append(f"alter column {name} type {data_type}")
    if actions:
        raise HeldBackError(
            mart.table,
            f"{', '.join(differences)}; once the website is ready: alter table {mart.table} "
            f"{', '.join(actions)}",
        )
    if lacks_time:
        # The rows that are there get the time of this statement, without being written.
        _alter(cursor, f"add column {_UPDATED_AT}", mart)
    for name, data_type in expected.items():
        if name not in actual:
            _alter(cursor, "add column {column} " + data_type, mart, column=name)
    if lacks_time or expected.keys() - actual.keys():
        _set_comments(cursor, mart)  # by which the next export knows the columns as its own


def fill(cursor: Cursor, mart: Mart, csv: Iterator[bytes]) -> int:
    """Copy the mart directly into its empty table, and return the number of rows copied.

    A missing table is created without keys: to build them after the copy is faster than row by row.
    """
    if not _exists(cursor, mart):
        _execute(cursor, f"create table {{table}} ({{definitions}}, {_UPDATED_AT})", mart)
    return _copy(cursor, mart, _table(mart), csv)


def stage(cursor: Cursor, mart: Mart, csv: Iterator[bytes]) -> int:
    """Copy the mart into a temporary table, and return the number of rows copied."""
    _create_new(cursor, mart)
    _add_primary_key(cursor, mart, _constraints(cursor, mart))  # the upsert needs it
    rows = _copy(cursor, mart, _new(mart), csv)
    _execute(cursor, "analyze {new}", mart)
    return rows


def _create_new(cursor: Cursor, mart: Mart) -> None:
    _execute(cursor, "create temporary table {new} ({definitions}) on commit drop", mart)


@dataclass(frozen=True)
class Compared:
    """How a table differs from its mart."""

    missing: int = 0
    """Rows of the mart that the table lacks."""
    changed: int = 0
    left: int = 0
    """Rows of the table that the mart lacks."""
    example: str = ""
    """The key of one such row."""
    columns: tuple[str, ...] = ()
    """How the columns differ. If they do, the rows are not compared."""
    is_there: bool = True
    """Whether the table exists."""

    def __str__(self) -> str:
        if not self.is_there:
            return "is missing"
        counts = {"missing": self.missing, "changed": self.changed, "beyond the mart": self.left}
        parts = [f"{count:,} rows {what}" for what, count in counts.items() if count]
        if parts:
            parts[-1] += f", such as {self.example}"
        return ", ".join([*self.columns, *parts])


def compare(cursor: Cursor, mart: Mart, csv: Iterator[bytes]) -> Compared:
    """Compare the table with the mart, which is copied into a temporary table."""
    if not _exists(cursor, mart):
        return Compared(is_there=False)
    _create_new(cursor, mart)
    expected, actual = _types(cursor, _new(mart)), _types(cursor, _table(mart))
    columns = tuple(
        f"column {name} is {actual.get(name, 'missing')}, but {data_type} in the contract"
        for name, data_type in expected.items()
        if actual.get(name) != data_type
    )
    if columns:
        return Compared(columns=columns)
    _copy(cursor, mart, _new(mart), csv)
    _execute(cursor, "analyze {new}", mart)
    rest = [name for name in mart.column_names if name not in mart.primary_key]
    _execute(
        cursor,
        """
        select
            count(*) filter (where t.{first_key} is null),
            count(*) filter (where n.{first_key} is not null and t.{first_key} is not null),
            count(*) filter (where n.{first_key} is null),
            min(concat_ws(', ', {example}))
        from {new} as n full join {table} as t on {same_key}
        where t.{first_key} is null or n.{first_key} is null or {differs}
        """,
        mart,
        first_key=Identifier(mart.primary_key[0]),
        example=SQL(", ").join(
            SQL("coalesce(t.{0}, n.{0})").format(Identifier(name)) for name in mart.primary_key
        ),
        differs=SQL("({}) is distinct from ({})").format(_list(rest, "t"), _list(rest, "n"))
        if rest
        else SQL("false"),
    )
    ((missing, changed, left, example),) = cursor.fetchall()
    return Compared(missing, changed, left, example or "")


def check_parent(cursor: Cursor, mart: Mart, key: ForeignKey, is_filled: bool) -> None:
    """Raise HeldBackError if the database lacks rows of a parent outside this export to which the
    mart refers. `is_filled`: the mart's rows are in its table, rather than in the temporary one.
    """
    parent = Identifier("public", key.parent)
    cursor.execute("select to_regclass(%s)", [parent.as_string(cursor)])
    if _value(cursor) is None:
        raise HeldBackError(
            mart.table,
            f"its parent {key.parent} is not in the database; `dbt build --select "
            f"{PREFIX}{key.parent} {PREFIX}{mart.table}` exports both",
        )
    _execute(
        cursor,
        """
        select {child_columns} from {rows} as n
        where {are_set} and not exists (select from {parent} as p where {same})
        """,
        mart,
        rows=_table(mart) if is_filled else _new(mart),
        child_columns=_list(key.columns, "n"),
        are_set=SQL("num_nulls({}) = 0").format(_list(key.columns, "n")),
        parent=parent,
        same=SQL("({}) = ({})").format(_list(key.parent_columns, "p"), _list(key.columns, "n")),
    )
    if missing := cursor.fetchall():
        example = ", ".join(map(str, missing[0]))
        raise HeldBackError(
            mart.table,
            f"its parent {key.parent} was not exported and lacks rows to which {len(missing):,} of "
            f"its rows refer, such as {', '.join(key.columns)} {example!r}; `dbt build --select "
            f"{PREFIX}{key.parent} {PREFIX}{mart.table}` exports both",
        )


def check_values(cursor: Cursor, mart: Mart) -> None:
    """Raise HeldBackError if rows that stay would lose too many values of a column.

    The limit is a share of the column's values: `rds.max_null_share`, or the mart's own share of
    deletes if that is larger, since its rows are other ones every day.
    """
    allowed = settings.read(
        "rds.max_null_share", 0.2, _share, "expected a share from 0 to 1, such as 0.2"
    )
    share = max(mart.max_delete_share, allowed)
    names = [
        column.name
        for column in mart.columns
        if not column.not_null and column.name not in mart.primary_key
    ]
    if not names or share == 1:
        return
    counts = [
        SQL("count(t.{0}), count(t.{0}) filter (where n.{0} is null)").format(Identifier(name))
        for name in names
    ]
    _execute(
        cursor,
        "select {counts} from {table} as t join {new} as n on {same_key}",
        mart,
        counts=SQL(", ").join(counts),
    )
    (values,) = cursor.fetchall()
    for name, before, lost in zip(names, values[::2], values[1::2], strict=True):
        if lost > share * before and before >= SMALL_TABLE:
            raise HeldBackError(
                mart.table,
                f"{lost:,} of {before:,} values of {name} would become null, more than the share "
                f"RDS__MAX_NULL_SHARE={share:g} allows; the table is unchanged: if they are right "
                "to go, set it higher for one export",
            )


def upsert(cursor: Cursor, mart: Mart) -> tuple[int, int]:
    """Write only the staged rows that are new or differ. Return the numbers of rows inserted and
    changed."""
    before = count(cursor, mart)
    rest = [name for name in mart.column_names if name not in mart.primary_key]
    # Unchanged rows are filtered out before the conflict: `on conflict do update … where` alone
    # would lock each of them, which is a write too.
    _execute(
        cursor,
        """
        insert into {table} as t ({columns})
        select {new_columns}
        from {new} as n
        left join {table} as t on {same_key}
        where t.{first_key} is null or {differs}
        on conflict ({key}) do {update}
        """,
        mart,
        new_columns=_list(mart.column_names, "n"),
        first_key=Identifier(mart.primary_key[0]),
        differs=SQL("({}) is distinct from ({})").format(_list(rest, "t"), _list(rest, "n"))
        if rest
        else SQL("false"),
        update=SQL("update set ({}) = row ({})").format(
            _list([*rest, UPDATED_AT]), _list([*rest, UPDATED_AT], "excluded")
        )
        if rest
        else SQL("nothing"),
    )
    written = cursor.rowcount
    inserted = count(cursor, mart) - before
    return inserted, written - inserted


def delete(
    cursor: Cursor, mart: Mart, staged: dict[str, Mart], filled: set[str], inserted: int
) -> int:
    """Delete the rows that are no longer in the mart, and return their number.

    Call it for children before their parents. A row is kept if a row that is kept refers to it: in
    a table outside this export, or in one of `staged`, by table. Tables that this export `filled`
    have no such rows. `inserted` is the number of rows that this export added to the table.

    Raise HeldBackError if too many rows are no longer in the mart, also if some of them are kept.
    """
    before = count(cursor, mart) - inserted
    _check_deletes(mart, before, inserted, count_stale(cursor, mart))
    references = [
        _references(Identifier(schema, child), columns, key, staged.get(child))
        for schema, child, columns, key in _referring(cursor, mart)
        if child not in filled
    ]
    _execute(
        cursor,
        """
        delete from {table} as t
        where not exists (select from {new} as n where {same_key}){unused}
        """,
        mart,
        unused=SQL("").join(SQL(" and not exists ({})").format(rows) for rows in references),
    )
    return cursor.rowcount


def _check_deletes(mart: Mart, before: int, inserted: int, deleted: int) -> None:
    """Raise HeldBackError if more rows would be deleted than allowed.

    The limit is a share of the rows `before` this export: `rds.max_delete_share`, or the mart's own
    share if that is larger. The mart's own share does not apply if no row would be left.
    """
    allowed = settings.read(
        "rds.max_delete_share", 0.2, _share, "expected a share from 0 to 1, such as 0.2"
    )
    is_emptied = deleted == before + inserted > 0
    share = allowed if is_emptied else max(mart.max_delete_share, allowed)
    is_small = before < SMALL_TABLE and deleted < before
    if deleted > share * before and not is_small:
        raise HeldBackError(
            mart.table,
            f"{deleted:,} of {before:,} rows would be deleted, more than the share "
            f"RDS__MAX_DELETE_SHARE={share:g} allows; the table is unchanged: if the deletion is "
            "right, set it higher for one export",
        )


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _referring(cursor: Cursor, mart: Mart) -> list[tuple[str, str, list[str], list[str]]]:
    """Return the foreign keys of other tables to this one.

    Each is schema, table, its columns, and the columns here that they refer to.
    """
    cursor.execute(
        """
        select nspname::text, relname::text, {columns}, {parent_columns}
        from pg_constraint
        join pg_class on pg_class.oid = conrelid
        join pg_namespace on pg_namespace.oid = relnamespace
        where contype = 'f' and confrelid = %s::regclass and conrelid <> confrelid
        order by nspname, relname, conname
        """.format(
            columns=_COLUMN_NAMES.format(relation="conrelid", numbers="conkey"),
            parent_columns=_COLUMN_NAMES.format(relation="confrelid", numbers="confkey"),
        ),
        [_regclass(mart)],
    )
    return cursor.fetchall()


# The names of the columns whose numbers a catalogue row has in an array, in its order.
_COLUMN_NAMES = """array(
    select attname::text
    from unnest({numbers}) with ordinality as numbers (number, place)
    join pg_attribute on attrelid = {relation} and attnum = number
    order by place
)"""


def _references(
    child: Composable, columns: list[str], key: list[str], mart: Mart | None
) -> Composable:
    """Return a query of the child's rows that refer to a row of t. Rows that are in the child's
    mart, if it has one, are left out."""
    rows = SQL("select from {child} as c where ({columns}) = ({key})").format(
        child=child, columns=_list(columns, "c"), key=_list(key, "t")
    )
    if mart is None:
        return rows
    return rows + SQL(" and not exists (select from {new} as n where ({}) = ({}))").format(
        _list(mart.primary_key, "n"), _list(mart.primary_key, "c"), new=_new(mart)
    )


def count(cursor: Cursor, mart: Mart) -> int:
    _execute(cursor, "select count(*) from {table}", mart)
    rows: int = _value(cursor)
    return rows


def count_stale(cursor: Cursor, mart: Mart) -> int:
    """Return the number of rows in the table that are no longer in the mart."""
    _execute(
        cursor,
        """
        select count(*) from {table} as t
        where not exists (select from {new} as n where {same_key})
        """,
        mart,
    )
    rows: int = _value(cursor)
    return rows


def apply_contract(cursor: Cursor, mart: Mart) -> None:
    """Add to the table what it lacks: keys, not null, indexes, comments and the reader's grant.

    Whatever exists is not written again, so that an export without a change writes nothing. Raise
    HeldBackError if the table has another primary key.
    """
    constraints = _constraints(cursor, mart)
    _add_primary_key(cursor, mart, constraints)
    _add_foreign_keys(cursor, mart, constraints)
    _set_not_null(cursor, mart)
    _add_indexes(cursor, mart)
    _set_comments(cursor, mart)
    cursor.execute("select has_table_privilege(%s, %s, 'select')", [READER, _regclass(mart)])
    if not _value(cursor):
        _execute(cursor, "grant select on {table} to {reader}", mart, reader=READER)


Constraint = tuple[str, list[str], str | None, list[str] | None]
"""Kind, columns, and, for a foreign key, its parent and the parent's columns."""


def _constraints(cursor: Cursor, mart: Mart) -> list[Constraint]:
    cursor.execute(
        """
        select contype::text, {columns}, relname::text, {parent_columns}
        from pg_constraint left join pg_class on pg_class.oid = confrelid
        where conrelid = %s::regclass and contype in ('p', 'f')
        """.format(
            columns=_COLUMN_NAMES.format(relation="conrelid", numbers="conkey"),
            parent_columns=_COLUMN_NAMES.format(relation="confrelid", numbers="confkey"),
        ),
        [_regclass(mart)],
    )
    return cursor.fetchall()


def _add_primary_key(cursor: Cursor, mart: Mart, constraints: list[Constraint]) -> None:
    primary_key = next((tuple(columns) for kind, columns, *_ in constraints if kind == "p"), None)
    if primary_key is None:
        _alter(cursor, "add primary key ({key})", mart)
    elif primary_key != mart.primary_key:
        raise HeldBackError(
            mart.table,
            f"its primary key is ({', '.join(primary_key)}), but ({', '.join(mart.primary_key)}) "
            f"in the contract; once the website is ready: drop table {mart.table}, and the next "
            "export creates it again",
        )


def _add_foreign_keys(cursor: Cursor, mart: Mart, constraints: list[Constraint]) -> None:
    foreign_keys = {
        (tuple(columns), parent, tuple(parent_columns or ()))
        for kind, columns, parent, parent_columns in constraints
        if kind == "f"
    }
    for key in mart.foreign_keys:
        if (key.columns, key.parent, key.parent_columns) not in foreign_keys:
            _execute(
                cursor,
                "alter table {table} add foreign key ({child_columns}) "
                "references public.{parent} ({parent_columns})",
                mart,
                child_columns=_list(key.columns),
                parent=key.parent,
                parent_columns=_list(key.parent_columns),
            )


def _set_not_null(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnotnull",
        [_regclass(mart)],
    )
    not_null = {name for (name,) in cursor}
    for column in mart.columns:
        if column.not_null and column.name not in not_null:
            verb = "set"
        elif not column.not_null and column.name in not_null:
            verb = "drop"
        else:
            continue
        _alter(cursor, f"alter column {{column}} {verb} not null", mart, column=column.name)


def missing_extensions(cursor: Cursor, mart: Mart) -> tuple[str, ...]:
    """Return the extensions that indexes of the mart need and the database does not have."""
    needed = {index.extension for index in mart.indexes if index.extension}
    cursor.execute("select extname from pg_extension where extname = any (%s)", [list(needed)])
    return tuple(sorted(needed - {name for (name,) in cursor}))


def _add_indexes(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        """
        select {columns} from pg_index
        join pg_class on pg_class.oid = indexrelid
        join pg_am on pg_am.oid = relam
        where indrelid = %s::regclass and indpred is null and indexprs is null and amname = 'btree'
        """.format(columns=_COLUMN_NAMES.format(relation="indrelid", numbers="indkey::int2[]")),
        [_regclass(mart)],
    )
    existing = [tuple(columns) for (columns,) in cursor]
    missing = missing_extensions(cursor, mart)
    for index in mart.indexes:
        if not index.is_plain:
            if index.extension not in missing:
                _add_named_index(cursor, mart, index)
        # An existing index also serves every prefix of its columns.
        elif not any(columns[: len(index.columns)] == index.columns for columns in existing):
            _execute(cursor, "create index on {table} ({index})", mart, index=_list(index.columns))
            existing.append(index.columns)


def _add_named_index(cursor: Cursor, mart: Mart, index: Index) -> None:
    """Create an index unless it exists. Its name has a digest of its definition, since PostgreSQL
    writes expressions in its own words."""
    on = _list(index.columns) if index.columns else SQL(", ".join(index.expressions))
    digest = md5(repr(index).encode(), usedforsecurity=False).hexdigest()[:8]
    name = f"{mart.table[:48]}_{digest}_idx"
    cursor.execute("select to_regclass(%s)", [f'public."{name}"'])
    if _value(cursor) is not None:
        return
    try:
        _execute(
            cursor,
            "create {unique} index {name} on {table} using {method} ({on}) {where}",
            mart,
            unique=SQL("unique" if index.unique else ""),
            name=name,
            method=index.method,
            on=on,
            where=SQL(f"where {index.where}" if index.where else ""),
        )
    except psycopg2.ProgrammingError as error:
        definition = ", ".join(index.columns or index.expressions)
        raise ExportError(
            f"{mart.table}: its index {index.method} ({definition}) in meta.rds_indexes can't be "
            f"created: {error.diag.message_primary}"
        ) from error


def _set_comments(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        """
        select attname, coalesce(col_description(attrelid, attnum), ''),
            coalesce(obj_description(attrelid, 'pg_class'), '')
        from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped
        """,
        [_regclass(mart)],
    )
    comments = {name: (comment, table_comment) for name, comment, table_comment in cursor}
    descriptions = {column.name: column.description for column in mart.columns}
    descriptions[UPDATED_AT] = _UPDATED_AT_COMMENT
    if comments[mart.columns[0].name][1] != mart.description:
        _execute(cursor, "comment on table {table} is {text}", mart, text=Literal(mart.description))
    for name, description in descriptions.items():
        if comments[name][0] != description:
            _execute(
                cursor,
                "comment on column {table}.{column} is {text}",
                mart,
                column=name,
                text=Literal(description),
            )


class _Chunks:
    """Chunks of bytes as a file for COPY. psycopg2 accepts more bytes than it requested."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.error: Exception | None = None

    def read(self, _size: int = 0, /) -> bytes:
        try:
            return next(self.chunks, b"")
        except Exception as error:
            self.error = error  # psycopg2 keeps only its text
            raise


def _copy(cursor: Cursor, mart: Mart, into: Composable, csv: Iterator[bytes]) -> int:
    file = _Chunks(csv)
    statement = SQL("copy {} ({}) from stdin with (format csv, encoding 'utf8')").format(
        into, _list(mart.column_names)
    )
    try:
        cursor.copy_expert(statement, file)  # type: ignore[arg-type]  # COPY needs only read()
    except psycopg2.Error:
        if file.error is not None:
            raise file.error from None
        raise
    return cursor.rowcount


def _types(cursor: Cursor, table: Composable) -> dict[str, str]:
    cursor.execute(
        SQL(
            """
            select attname, format_type(atttypid, atttypmod)
            from pg_attribute
            where attrelid = {}::regclass and attnum > 0 and not attisdropped
            order by attnum
            """
        ).format(Literal(table.as_string(cursor)))
    )
    return dict(cursor.fetchall())


def _commented(cursor: Cursor, mart: Mart) -> set[str]:
    """Return the columns of the table that have a comment, as all columns of the export do."""
    cursor.execute(
        "select attname::text from pg_attribute"
        " where attrelid = %s::regclass and col_description(attrelid, attnum) is not null",
        [_regclass(mart)],
    )
    return {name for (name,) in cursor.fetchall()}


def _alter(cursor: Cursor, action: str, mart: Mart, **parts: str | Composable) -> None:
    """Change a table for which its readers must wait, as soon as none reads it."""
    _lock_out_readers(cursor, mart)
    _execute(cursor, "alter table {table} " + action, mart, **parts)


def _lock_out_readers(cursor: Cursor, mart: Mart) -> None:
    """Lock a table by short tries, within `rds.lock_timeout`. Raise LockNotAvailable.

    While a session waits for this lock, every new reader waits behind it.
    """
    cursor.execute("select extract(epoch from current_setting('lock_timeout')::interval)")
    seconds = float(_value(cursor))  # 0 waits for ever
    deadline = monotonic() + seconds if seconds else inf
    while True:
        cursor.execute("savepoint before_the_lock")
        cursor.execute(f"set local lock_timeout = '{LOCK_TRY_SECONDS}s'")
        try:
            _execute(cursor, "lock table {table} in access exclusive mode", mart)
        except LockNotAvailable:
            cursor.execute("rollback to savepoint before_the_lock")  # also of the setting
            if monotonic() >= deadline:
                raise
            sleep(LOCK_TRY_SECONDS)
        else:
            cursor.execute(f"set local lock_timeout = '{seconds}s'")
            cursor.execute("release savepoint before_the_lock")
            return


def _execute(cursor: Cursor, statement: str, mart: Mart, **parts: str | Composable) -> None:
    """Run a statement with the mart's placeholders: {table}, {new} (its temporary table),
    {columns}, {key}, {same_key} (the keys of t and n are equal) and {definitions}."""
    cursor.execute(
        SQL(statement).format(
            table=_table(mart),
            new=_new(mart),
            columns=_list(mart.column_names),
            key=_list(mart.primary_key),
            same_key=SQL("({}) = ({})").format(
                _list(mart.primary_key, "t"), _list(mart.primary_key, "n")
            ),
            definitions=SQL(", ").join(map(_definition, mart.columns)),
            **{
                name: Identifier(part) if isinstance(part, str) else part
                for name, part in parts.items()
            },
        )
    )


def _definition(column: Column) -> Composable:
    data_type = DATA_TYPES.get(column.data_type.lower(), column.data_type)
    return SQL("{} " + data_type + (" not null" if column.not_null else "")).format(
        Identifier(column.name)
    )


def _table(mart: Mart) -> Composable:
    return Identifier("public", mart.table)


def _new(mart: Mart) -> Composable:
    return Identifier("pg_temp", f"new_{mart.table}")


def _regclass(mart: Mart) -> str:
    """Return the table's name in the text form that PostgreSQL casts to regclass."""
    quoted = mart.table.replace('"', '""')
    return f'public."{quoted}"'


def _list(names: tuple[str, ...] | list[str], alias: str | None = None) -> Composable:
    return SQL(", ").join(Identifier(alias, name) if alias else Identifier(name) for name in names)


def _value(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    assert row is not None
    return row[0]
