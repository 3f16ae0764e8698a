"""Translate Redshift's SQL to PostgreSQL's, and refuse what Redshift refuses.

Table attributes that only Redshift's DDL has are moved into a comment, which the database records.
Functions that only Redshift has get the schema of their implementation.
"""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from support.redshift.refusals import TYPES, RefusedError, refuse
from support.redshift.tokens import Token, closing, items_of, statements_of, tokens_of, words_at

REDSHIFT_FUNCTIONS = {
    *("convert_timezone", "dateadd", "datediff", "getdate", "json_array_length"),
    *("json_extract_array_element_text", "json_extract_path_text", "last_day", "len", "nvl"),
    *("pg_get_late_binding_view_cols", "regexp_replace", "regexp_substr"),
}
"""Functions that catalog.sql defines."""
DEFAULT_LENGTHS = {
    "varchar": "varchar(256)",
    "nvarchar": "varchar(256)",
    "text": "varchar(256)",
    "numeric": "numeric(18, 0)",
    "decimal": "numeric(18, 0)",
}
"""Types of columns that are declared without a length."""


@dataclass
class Edits:
    """Changes of a statement's text, collected and applied together."""

    changes: list[tuple[int, int, str]] = field(default_factory=list)
    """Start, end and new text of each change."""

    def delete(self, tokens: list[Token]) -> None:
        if tokens:
            self.changes.append((tokens[0].start, tokens[-1].end, ""))

    def replace(self, token: Token, text: str) -> None:
        self.changes.append((token.start, token.end, text))

    def insert(self, at: int, text: str) -> None:
        self.changes.append((at, at, text))

    def apply(self, sql: str, statement: list[Token]) -> str:
        """Return the changed statement."""
        pieces = []
        at = statement[0].start
        for start, end, text in sorted(self.changes):
            pieces += [sql[at:start], text]
            at = end
        return "".join(pieces) + sql[at : statement[-1].end]


@lru_cache(1000)
def translate(sql: str) -> str:
    """Return PostgreSQL's form of one or more statements. Raise RefusedError."""
    tables: list[dict[str, Any]] = []
    statements = [
        _translate_statement(sql, tokens, tables) for tokens in statements_of(tokens_of(sql))
    ]
    comment = f"\n/*redshift:{json.dumps(tables)}*/" if tables else ""
    return ";\n".join(statements) + comment


def _translate_statement(sql: str, tokens: list[Token], tables: list[dict[str, Any]]) -> str:
    """Return PostgreSQL's form of a statement. Append the attributes of a table it creates."""
    edits = Edits()
    if words_at(tokens, 0, "create") and (table := _create_table(tokens, edits)):
        tables.append(table)
    refuse(edits.apply(sql, tokens), tokens)
    _views(tokens, edits)
    _grants(tokens, edits)
    _types(tokens, edits)
    _functions(tokens, edits)
    return edits.apply(sql, tokens)


def _create_table(statement: list[Token], edits: Edits) -> dict[str, Any] | None:
    """Move the attributes out of a table's DDL. Return them, or None for other statements."""
    at = 1
    while at < len(statement) and statement[at].word in ("temp", "temporary", "local"):
        at += 1
    if not words_at(statement, at, "table"):
        return None
    at += 3 if words_at(statement, at + 1, "if", "not", "exists") else 0
    at += 1
    while words_at(statement, at + 1, "."):
        at += 2
    attributes: dict[str, Any] = {
        "table": statement[at].name,
        "encodings": {},
        "foreign_keys": [],
        "unique_keys": [],
    }
    at += 1
    if words_at(statement, at, "("):
        end = closing(statement, at)
        _columns(statement[at + 1 : end], attributes, edits)
        at = end + 1
    while at < len(statement) and statement[at].word != "as":
        at = _table_attribute(statement, at, attributes, edits)
    return attributes


def _table_attribute(
    statement: list[Token], at: int, attributes: dict[str, Any], edits: Edits
) -> int:
    """Move one attribute out of the DDL, and return the index of the next one."""
    end = at + 1
    match statement[at].word:
        case "diststyle":
            end = at + 2
            attributes["dist_style"] = statement[at + 1].word
        case "distkey":
            end = at + 4
            attributes |= {"dist_key": statement[at + 2].name, "dist_style": "key"}
        case "compound" | "interleaved" | "sortkey":
            attributes["sort_style"] = statement[at].word
            keyword = at if statement[at].word == "sortkey" else at + 1
            if words_at(statement, keyword + 1, "auto"):
                end = keyword + 2
            else:
                end = closing(statement, keyword + 1) + 1
                attributes["sort_key"] = _names(statement[keyword + 2 : end - 1])
        case "backup" | "encode":
            end = at + 2
        case _:
            return end
    edits.delete(statement[at:end])
    return end


def _columns(tokens: list[Token], attributes: dict[str, Any], edits: Edits) -> None:
    """Move the keys out of the columns, since Redshift records them without enforcing them."""
    items = list(items_of(tokens))
    columns = []
    for item in items:
        start = 2 if words_at(item, 0, "constraint") else 0
        if words_at(item, start, "primary", "key"):
            attributes["primary_key"] = _names(item[start + 3 : -1])
        elif words_at(item, start, "unique"):
            attributes["unique_keys"].append(_names(item[start + 2 : -1]))
        elif words_at(item, start, "foreign", "key"):
            end = closing(item, start + 2)
            names = _names(item[start + 3 : end])
            attributes["foreign_keys"].append({"columns": names, **_references(item[end + 2 :])})
        else:
            columns.append(item)
            _column(item, attributes, edits)
            continue
        edits.delete(item)
    # Of the commas, only those between columns remain.
    commas = [token for token, depth in _with_depth(tokens) if token.word == "," and depth == 0]
    for item, comma in zip(items[1:], commas, strict=True):
        if item not in columns or item is columns[0]:
            edits.delete([comma])


def _column(item: list[Token], attributes: dict[str, Any], edits: Edits) -> None:
    name = item[0].name
    if len(item) > 1 and item[1].word not in TYPES:
        raise RefusedError(f'type "{item[1].text}" does not exist')
    at = 1
    while at < len(item):
        end = at
        match item[at].word:
            case "encode":
                attributes["encodings"][name] = item[at + 1].word
                end = at + 2
            case "distkey":
                attributes |= {"dist_key": name, "dist_style": "key"}
                end = at + 1
            case "sortkey":
                attributes["sort_key"] = [name]
                end = at + 1
            case "primary":
                attributes["primary_key"] = [name]
                end = at + 2
            case "unique":
                attributes["unique_keys"].append([name])
                end = at + 1
            case "references":
                end = at + 2
                while words_at(item, end, "."):
                    end += 2
                end = closing(item, end) + 1 if words_at(item, end, "(") else end
                attributes["foreign_keys"].append(
                    {"columns": [name], **_references(item[at + 1 : end])}
                )
            case "identity":
                edits.insert(item[at].start, "generated always as ")
                edits.delete(item[at + 1 : closing(item, at + 1) + 1])
        edits.delete(item[at:end])
        at = max(end, at + 1)
    if len(item) > 1 and item[1].word in DEFAULT_LENGTHS and not words_at(item, 2, "("):
        edits.replace(item[1], DEFAULT_LENGTHS[item[1].word])


def _references(tokens: list[Token]) -> dict[str, Any]:
    """Return the target of a foreign key, as in `"database"."schema"."table" (a, b)`."""
    opening = next(i for i, token in enumerate(tokens) if token.word == "(")
    parent = [token.name for token in tokens[:opening] if token.word != "."]
    return {
        "parent": ".".join(f'"{name}"' for name in parent[-2:]),
        "parent_columns": _names(tokens[opening + 1 : closing(tokens, opening)]),
    }


def _names(tokens: list[Token]) -> list[str]:
    return [item[0].name for item in items_of(tokens)]


def _with_depth(tokens: list[Token]) -> list[tuple[Token, int]]:
    """Return each token with the number of brackets around it."""
    depth = 0
    with_depth = []
    for token in tokens:
        depth -= token.word == ")"
        with_depth.append((token, depth))
        depth += token.word == "("
    return with_depth


def _views(statement: list[Token], edits: Edits) -> None:
    if words_at(statement, len(statement) - 4, "with", "no", "schema", "binding"):
        edits.delete(statement[-4:])


def _grants(statement: list[Token], edits: Edits) -> None:
    """Translate grants to roles. Grants to assume an IAM role have no effect."""
    words = [token.word for token in statement]
    if "assumerole" in words[:3]:
        edits.delete(statement)
        edits.insert(statement[0].start, "select 1 where false")
        return
    if words[0] in ("grant", "revoke", "alter"):
        for index, word in enumerate(words[:-1]):
            if word == "role" and words[index - 1] in ("to", "from", "grant", "revoke"):
                edits.delete([statement[index]])
    for index, word in enumerate(words[:-1]):
        if word == "password" and words[index + 1] == "disable":
            edits.replace(statement[index + 1], "null")


def _types(statement: list[Token], edits: Edits) -> None:
    for index, token in enumerate(statement):
        is_cast = index > 0 and statement[index - 1].word in ("as", "::")
        is_numeric = token.word in ("numeric", "decimal")
        if is_cast and is_numeric and not words_at(statement, index + 1, "("):
            edits.replace(token, "numeric(18, 0)")
        if token.word in ("varchar", "nvarchar") and words_at(
            statement, index + 1, "(", "max", ")"
        ):
            edits.replace(statement[index + 2], "65535")
    added = next(
        (i for i in range(len(statement)) if words_at(statement, i, "add", "column")), None
    )
    if words_at(statement, 0, "alter", "table") and added is not None:
        item = statement[added + 2 :]
        if len(item) > 1 and item[1].word in DEFAULT_LENGTHS and not words_at(item, 2, "("):
            edits.replace(item[1], DEFAULT_LENGTHS[item[1].word])


def _functions(statement: list[Token], edits: Edits) -> None:
    for index, token in enumerate(statement[:-1]):
        if not words_at(statement, index + 1, "(") or token.kind != "word":
            continue
        if words_at(statement, index - 1, ".") and index:
            continue
        if token.word in REDSHIFT_FUNCTIONS:
            edits.insert(token.start, "redshift.")
        if token.word in ("dateadd", "datediff", "date_part"):
            part = statement[index + 2]
            if part.kind == "word":
                edits.replace(part, f"'{part.word}'")
        if token.word == "listagg":
            _listagg(statement, index, edits)


def _listagg(statement: list[Token], at: int, edits: Edits) -> None:
    """Change `listagg(a, ', ') within group (order by b)` to `string_agg(a, ', ' order by b)`."""
    end = closing(statement, at + 1)
    arguments = list(items_of(statement[at + 2 : end]))
    edits.replace(statement[at], "string_agg")
    separator = "" if len(arguments) > 1 else ", ''"
    order = ""
    if words_at(statement, end + 1, "within", "group", "("):
        last = closing(statement, end + 3)
        order = " order by " + " ".join(token.text for token in statement[end + 6 : last])
        edits.delete(statement[end + 1 : last + 1])
    edits.insert(statement[end].start, separator + order)
