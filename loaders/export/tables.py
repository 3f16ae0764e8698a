"""The tables of the website's database, kept in step with the marts.

Every function works on a cursor in the export's one transaction. COPY never says `freeze`: frozen
rows would show themselves to a reader whose snapshot is older, a child without its parent.
"""

from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.sql import SQL, Composable, Identifier, Literal

from loaders import settings
from loaders.export.marts import Column, ExportError, HeldBackError, Mart
from loaders.export.rds import READER

SMALL_TABLE = 20
"""A table with fewer rows may lose any share of them, but never all."""

# What the warehouse calls otherwise than PostgreSQL.
DATA_TYPES = {
    "datetime": "timestamp",
    "double": "double precision",
    "string": "text",
    "super": "jsonb",
    "varchar(max)": "text",
}


def has_rows(cursor: Cursor, mart: Mart) -> bool:
    """Whether the table is there and holds anything."""
    if not _exists(cursor, mart):
        return False
    _execute(cursor, "select from {table} limit 1", mart)
    return cursor.rowcount > 0


def _exists(cursor: Cursor, mart: Mart) -> bool:
    cursor.execute("select to_regclass(%s)", [_regclass(mart)])
    return _value(cursor) is not None


def fill(cursor: Cursor, mart: Mart, csv: Iterator[bytes]) -> int:
    """Copies the mart straight into its empty table, made where it is missing; such a one gets
    its keys after: they are built faster at once than row by row. The rows copied."""
    if _exists(cursor, mart):
        _match(cursor, mart)
    else:
        _execute(cursor, "create table {table} ({definitions})", mart)
    return _copy(cursor, mart, _table(mart), csv)


def stage(cursor: Cursor, mart: Mart, csv: Iterator[bytes]) -> int:
    """Copies the mart into a temporary table beside its table. The rows copied."""
    _match(cursor, mart)
    rows = _copy(cursor, mart, _new(mart), csv)
    _execute(cursor, "analyze {new}", mart)
    return rows


def _match(cursor: Cursor, mart: Mart) -> None:
    """Makes the temporary table, by the contract, and compares the table with it.

    A column that is new in the contract is added to the table. What the website may rely on is
    not changed here: ExportError then gives the statement for the database's owner.
    """
    _execute(cursor, "create temporary table {new} ({definitions}) on commit drop", mart)
    wanted, found = _types(cursor, _new(mart)), _types(cursor, _table(mart))
    where = f"{mart.table}: column"
    for name in found.keys() - wanted.keys():
        raise ExportError(
            f"{where} {name} is no longer in the contract; once the website does not read it: "
            f"alter table {mart.table} drop column {name}"
        )
    for name, data_type in wanted.items():
        if name not in found:
            _execute(
                cursor, "alter table {table} add column {column} " + data_type, mart, column=name
            )
        elif found[name] != data_type:
            raise ExportError(
                f"{where} {name} is {found[name]}, and {data_type} in the contract; once the "
                f"website is ready: alter table {mart.table} alter column {name} type {data_type}"
            )


def upsert(cursor: Cursor, mart: Mart) -> tuple[int, int]:
    """Writes the staged rows that are new or differ, and no other. Inserted, changed."""
    before = count(cursor, mart)
    rest = [name for name in mart.column_names if name not in mart.primary_key]
    # Unchanged rows are left out before the conflict: `on conflict do update … where` alone would
    # lock each of them, which is a write too.
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
        update=SQL("update set ({}) = row ({})").format(_list(rest), _list(rest, "excluded"))
        if rest
        else SQL("nothing"),
    )
    written = cursor.rowcount
    inserted = count(cursor, mart) - before
    return inserted, written - inserted


def delete(
    cursor: Cursor, mart: Mart, staged: dict[str, Mart], filled: set[str], inserted: int
) -> int:
    """Deletes the rows that left the mart; children must have gone before. The rows deleted.

    A row stays where one refers to it that stays itself: in a table that is no part of this
    export, or is kept in one that is (`staged`; tables just `filled` hold no row to be kept).
    Raises HeldBackError beyond the share `rds.max_delete_share`, or the mart's own where that is
    more, of the rows that were there before this export, whatever it `inserted`; and where none
    would be left, whatever the mart's own.
    """
    before = count(cursor, mart) - inserted
    used = [
        _used_by(Identifier(schema, child), columns, key, staged.get(child))
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
        unused=SQL("").join(SQL(" and not exists ({})").format(each) for each in used),
    )
    deleted = cursor.rowcount
    allowed = settings.read(
        "rds.max_delete_share", 0.2, _share, "expected a share from 0 to 1, such as 0.2"
    )
    emptied = deleted == before + inserted > 0
    share = allowed if emptied else max(mart.max_delete_share, allowed)
    small = before < SMALL_TABLE and deleted < before
    if deleted > share * before and not small:
        raise HeldBackError(
            mart.table,
            f"{deleted:,} of {before:,} rows would be deleted, more than the share "
            f"RDS__MAX_DELETE_SHARE={share:g} allows; it stays as it was: if it is right that "
            "they go, set it higher for one export",
        )
    return deleted


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _referring(cursor: Cursor, mart: Mart) -> list[tuple[str, str, list[str], list[str]]]:
    """The foreign keys of other tables to this one: (schema, table, its columns, columns here)."""
    cursor.execute(
        """
        select nspname::text, relname::text, {columns}, {parent_columns}
        from pg_constraint
        join pg_class on pg_class.oid = conrelid
        join pg_namespace on pg_namespace.oid = relnamespace
        where contype = 'f' and confrelid = %s::regclass and conrelid <> confrelid
        order by nspname, relname, conname
        """.format(
            columns=_NAMES.format(relation="conrelid", numbers="conkey"),
            parent_columns=_NAMES.format(relation="confrelid", numbers="confkey"),
        ),
        [_regclass(mart)],
    )
    return cursor.fetchall()


# The names of columns that a catalogue row has as an array of numbers, in its order.
_NAMES = """array(
    select attname::text
    from unnest({numbers}) with ordinality as numbers (number, place)
    join pg_attribute on attrelid = {relation} and attnum = number
    order by place
)"""


def _used_by(
    child: Composable, columns: list[str], key: list[str], mart: Mart | None
) -> Composable:
    """The rows of a child that refer to a row t, those left out that the child's mart has."""
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


def count_gone(cursor: Cursor, mart: Mart) -> int:
    """The rows that left the mart and are still here."""
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


def keep_shape(cursor: Cursor, mart: Mart) -> None:
    """Adds what the table lacks of its contract: keys, not null, indexes, comments, the grant.

    What is there already is not touched, so that an export without a change writes nothing.
    """
    _keep_keys(cursor, mart)
    _keep_not_null(cursor, mart)
    _keep_indexes(cursor, mart)
    _keep_comments(cursor, mart)
    cursor.execute("select has_table_privilege(%s, %s, 'select')", [READER, _regclass(mart)])
    if not _value(cursor):
        _execute(cursor, "grant select on {table} to {reader}", mart, reader=READER)


def _keep_keys(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        """
        select contype::text, {columns}, relname::text, {parent_columns}
        from pg_constraint left join pg_class on pg_class.oid = confrelid
        where conrelid = %s::regclass and contype in ('p', 'f')
        """.format(
            columns=_NAMES.format(relation="conrelid", numbers="conkey"),
            parent_columns=_NAMES.format(relation="confrelid", numbers="confkey"),
        ),
        [_regclass(mart)],
    )
    found = cursor.fetchall()
    primary_key = next((tuple(columns) for kind, columns, *_ in found if kind == "p"), None)
    if primary_key is None:
        _execute(cursor, "alter table {table} add primary key ({key})", mart)
    elif primary_key != mart.primary_key:
        raise ExportError(
            f"{mart.table}: its primary key is ({', '.join(primary_key)}), and "
            f"({', '.join(mart.primary_key)}) in the contract; once the website is ready: "
            f"drop table {mart.table}, and the next export makes it anew"
        )
    foreign_keys = {
        (tuple(columns), parent, tuple(parent_columns))
        for kind, columns, parent, parent_columns in found
        if kind == "f"
    }
    for key in mart.foreign_keys:
        if (key.columns, key.parent, key.parent_columns) not in foreign_keys:
            _execute(
                cursor,
                "alter table {table} add foreign key ({own}) references public.{parent} ({its})",
                mart,
                own=_list(key.columns),
                parent=key.parent,
                its=_list(key.parent_columns),
            )


def _keep_not_null(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnotnull",
        [_regclass(mart)],
    )
    found = {name for (name,) in cursor}
    for column in mart.columns:
        if column.not_null and column.name not in found:
            verb = "set"
        elif not column.not_null and column.name in found:
            verb = "drop"
        else:
            continue
        _execute(
            cursor,
            f"alter table {{table}} alter column {{column}} {verb} not null",
            mart,
            column=column.name,
        )


def _keep_indexes(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        "select {columns} from pg_index "
        "where indrelid = %s::regclass and indpred is null and indexprs is null".format(
            columns=_NAMES.format(relation="indrelid", numbers="indkey::int2[]")
        ),
        [_regclass(mart)],
    )
    found = [tuple(columns) for (columns,) in cursor]
    for index in mart.indexes:
        # An index serves every list of columns that it begins with.
        if not any(columns[: len(index)] == index for columns in found):
            _execute(cursor, "create index on {table} ({index})", mart, index=_list(index))
            found.append(index)


def _keep_comments(cursor: Cursor, mart: Mart) -> None:
    cursor.execute(
        """
        select attname, coalesce(col_description(attrelid, attnum), ''),
            coalesce(obj_description(attrelid, 'pg_class'), '')
        from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped
        """,
        [_regclass(mart)],
    )
    found = {name: (comment, table_comment) for name, comment, table_comment in cursor}
    if found[mart.columns[0].name][1] != mart.description:
        _execute(cursor, "comment on table {table} is {text}", mart, text=Literal(mart.description))
    for column in mart.columns:
        if found[column.name][0] != column.description:
            _execute(
                cursor,
                "comment on column {table}.{column} is {text}",
                mart,
                column=column.name,
                text=Literal(column.description),
            )


class _Chunks:
    """Chunks of bytes as the file that COPY reads; psycopg2 takes a longer answer than it asked."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.error: Exception | None = None

    def read(self, _size: int = 0, /) -> bytes:
        try:
            return next(self.chunks, b"")
        except Exception as error:
            self.error = error  # psycopg2 keeps no more than its text
            raise


def _copy(cursor: Cursor, mart: Mart, into: Composable, csv: Iterator[bytes]) -> int:
    file = _Chunks(csv)
    statement = SQL("copy {} ({}) from stdin with (format csv, encoding 'utf8')").format(
        into, _list(mart.column_names)
    )
    try:
        cursor.copy_expert(statement, file)  # type: ignore[arg-type]  # COPY reads no lines
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


def _execute(cursor: Cursor, statement: str, mart: Mart, **parts: str | Composable) -> None:
    """Runs a statement in which {table}, {new}, {columns}, {key}, {same_key} are the mart's."""
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
    """The table's name as PostgreSQL takes it in a text."""
    quoted = mart.table.replace('"', '""')
    return f'public."{quoted}"'


def _list(names: tuple[str, ...] | list[str], alias: str | None = None) -> Composable:
    return SQL(", ").join(Identifier(alias, name) if alias else Identifier(name) for name in names)


def _value(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    assert row is not None
    return row[0]
