"""Refuse what Redshift does not support.

The source is Redshift's documentation: "Amazon Redshift and PostgreSQL", with its pages on
unsupported features, data types and functions, and on functions of the leader node.

docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html
"""

import logging
import re

from sqlglot import exp, parse_one
from sqlglot.errors import ErrorLevel, SqlglotError

from support.redshift.tokens import Token, closing, items_of

# It warns about each statement that it does not parse further.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

UNSUPPORTED_FUNCTIONS = {
    *(
        "array_agg",
        "array_append",
        "array_cat",
        "array_length",
        "array_position",
        "array_to_string",
    ),
    *(
        "bit_length",
        "clock_timestamp",
        "concat_ws",
        "convert",
        "convert_from",
        "convert_to",
        "corr",
    ),
    *("covar_pop", "covar_samp", "currval", "date_bin", "div", "encode", "every", "format", "gcd"),
    *("generate_subscripts", "isfinite", "json_agg", "json_array_elements", "json_build_object"),
    *("json_each", "json_object_agg", "json_populate_record", "jsonb_agg", "jsonb_array_elements"),
    *("jsonb_build_object", "jsonb_each", "jsonb_extract_path_text", "justify_days"),
    *("justify_hours", "justify_interval", "lastval", "lcm", "make_date", "make_interval"),
    *("make_timestamp", "mode", "nextval", "num_nonnulls", "overlay", "pg_sleep", "quote_nullable"),
    *("regexp_like", "regexp_match", "regexp_matches", "regexp_split_to_array"),
    *("regexp_split_to_table", "regr_count", "regr_slope", "row_to_json", "scale", "setseed"),
    *("setval", "starts_with", "string_agg", "string_to_array", "string_to_table", "to_json"),
    *("to_jsonb", "transaction_timestamp", "trim_array", "unnest", "width_bucket", "xmlagg"),
}
LEADER_NODE_FUNCTIONS = {
    *("age", "current_schema", "current_schemas", "generate_series", "has_database_privilege"),
    *("has_schema_privilege", "has_table_privilege", "localtime", "localtimestamp", "now"),
    *("current_time", "current_timestamp", "pg_backend_pid", "to_regclass", "version"),
}
"""Functions that work alone, but not in a query of a user's table."""
DOCUMENTED_FUNCTIONS = {
    *("abs", "acos", "add_months", "ascii", "asin", "atan", "atan2", "avg", "bpcharcmp", "btrim"),
    *(
        "cast",
        "cbrt",
        "ceil",
        "ceiling",
        "char_length",
        "character_length",
        "charindex",
        "checksum",
    ),
    *("chr", "coalesce", "collate", "concat", "convert_timezone", "cos", "cot", "count", "crc32"),
    *(
        "cume_dist",
        "current_date",
        "current_setting",
        "current_user",
        "current_user_id",
        "date_cmp",
    ),
    *("date_part", "date_part_year", "date_trunc", "dateadd", "datediff", "decode", "degrees"),
    *("dense_rank", "dexp", "difference", "dlog1", "dlog10", "exp", "extract", "farmfingerprint64"),
    *(
        "first_value",
        "floor",
        "fnv_hash",
        "from_hex",
        "func_sha1",
        "getdate",
        "greatest",
        "initcap",
    ),
    *("interval_cmp", "is_valid_json", "is_valid_json_array", "json_array_length", "json_parse"),
    *("json_extract_array_element_text", "json_extract_path_text", "json_serialize", "json_typeof"),
    *("lag", "last_day", "last_value", "lead", "least", "left", "len", "length", "listagg", "ln"),
    *("log", "lower", "lpad", "ltrim", "max", "md5", "median", "min", "mod", "months_between"),
    *("next_day", "nth_value", "ntile", "nullif", "nvl", "nvl2", "octet_length", "octetindex"),
    *("percent_rank", "percentile_cont", "percentile_disc", "pg_get_late_binding_view_cols"),
    *("pg_terminate_backend", "pi", "position", "power", "quote_ident", "quote_literal", "radians"),
    *("random", "rank", "ratio_to_report", "regexp_count", "regexp_instr", "regexp_replace"),
    *("regexp_substr", "repeat", "replace", "replicate", "reverse", "right", "round", "row_number"),
    *("rpad", "rtrim", "session_user", "sha", "sha1", "sha2", "sign", "sin", "soundex"),
    *("split_part", "sqrt", "stddev", "stddev_pop", "stddev_samp", "strpos", "strtol", "substr"),
    *("substring", "sum", "sysdate", "tan", "text_to_int_alt", "timeofday", "to_char", "to_date"),
    *("to_hex", "to_number", "to_timestamp", "translate", "trim", "trunc", "upper", "var_pop"),
    *(
        "var_samp",
        "variance",
        "approximate",
        "bool_and",
        "bool_or",
        "bit_and",
        "bit_or",
        "any_value",
    ),
    *("format_type", "has_schema_privilege", "pg_get_userbyid", "timezone", "st_distancesphere"),
    *("st_point", "st_makepoint", "haversine"),
}
TYPES = {
    *("bigint", "bool", "boolean", "bpchar", "char", "character", "date", "decimal", "double"),
    *("float", "float4", "float8", "geography", "geometry", "hllsketch", "int", "int2", "int4"),
    *("int8", "integer", "interval", "name", "nchar", "numeric", "nvarchar", "oid", "precision"),
    *("real", "smallint", "super", "text", "time", "timestamp", "timestamptz", "timetz", "varbyte"),
    *("varbinary", "varchar", "varying", "regclass"),
}
PATTERN_FUNCTIONS = {"regexp_count", "regexp_instr", "regexp_replace", "regexp_substr"}
"""Functions whose arguments after the first must be constants: the documentation calls the pattern
a literal, and shows only constants for the others."""
SYSTEM_SCHEMAS = {"pg_catalog", "information_schema"}
COMMANDS = {
    *(
        "alter",
        "analyze",
        "begin",
        "call",
        "close",
        "comment",
        "commit",
        "create",
        "declare",
        "drop",
    ),
    *("end", "explain", "fetch", "grant", "lock", "reset", "revoke", "rollback", "set", "show"),
    *("start", "truncate", "vacuum", "abort", "deallocate"),
}
"""First words of statements that sqlglot need not parse further."""


class RefusedError(Exception):
    """Raised for a statement that Redshift would refuse."""


def refuse(sql: str, tokens: list[Token]) -> None:
    """Raise RefusedError if Redshift would refuse a statement."""
    functions = _called_functions(tokens)
    for name in sorted(functions & UNSUPPORTED_FUNCTIONS):
        raise RefusedError(f"function {name}() is not supported")
    _refuse_words(tokens)
    _refuse_patterns(tokens)
    first = tokens[0].word
    try:
        # sqlglot takes a parameter, such as $1, for the beginning of a quote.
        text = re.sub(r"\$\d+", "null", sql)
        tree = parse_one(text, read="redshift", error_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        if first in COMMANDS - {"create"}:
            return
        raise RefusedError(f"syntax error: {str(error).splitlines()[0]}") from None
    if isinstance(tree, exp.Command) and first not in COMMANDS:
        raise RefusedError(f'syntax error at or near "{first}"')
    _refuse_tree(tree, functions)


def _called_functions(tokens: list[Token]) -> set[str]:
    return {
        token.word
        for index, token in enumerate(tokens[:-1])
        if token.kind == "word" and tokens[index + 1].text == "("
    }


def _refuse_words(tokens: list[Token]) -> None:
    """Refuse what single words show."""
    words = [token.word for token in tokens]
    for index, word in enumerate(words):
        after = words[index + 1 : index + 3]
        match word, *after:
            case "array", "[", *_:
                raise RefusedError("arrays are not supported")
            case "on", "conflict", *_:
                raise RefusedError('syntax error at or near "conflict": there is no ON CONFLICT')
            case "distinct", "on", *_:
                raise RefusedError("SELECT DISTINCT ON is not supported")
            case "filter", "(", "where":
                raise RefusedError('syntax error at or near "filter": there is no FILTER (WHERE …)')
            case "is", "distinct", "from":
                raise RefusedError("IS DISTINCT FROM is not supported")
            case "not", "distinct", "from":
                raise RefusedError("IS NOT DISTINCT FROM is not supported")
            case "lateral", *_:
                raise RefusedError("LATERAL is not supported")
            case "returning", *_:
                raise RefusedError("RETURNING is not supported")
            case "(", "values", "(":
                raise RefusedError("VALUES as a table is not supported")
            case "with", "ordinality", *_:
                raise RefusedError("WITH ORDINALITY is not supported")
            case "range", ("between" | "unbounded"), *_:
                raise RefusedError("window frames count ROWS, RANGE is not supported")
            case "::", data_type, *_ if data_type.isidentifier() and data_type not in TYPES:
                raise RefusedError(f'type "{data_type}" does not exist')
            case _:
                pass
    if words[:1] == ["create"] and {"index", "sequence", "trigger", "domain"} & set(words[1:4]):
        raise RefusedError(f"CREATE {' '.join(words[1:3]).upper()} is not supported")
    if "tablespace" in words or words[:2] == ["create", "rule"]:
        raise RefusedError("not supported on Redshift")


def _refuse_patterns(tokens: list[Token]) -> None:
    for index, token in enumerate(tokens[:-1]):
        if token.word in PATTERN_FUNCTIONS and tokens[index + 1].text == "(":
            _, *others = items_of(tokens[index + 2 : closing(tokens, index + 1)])
            if any(len(item) != 1 or item[0].kind not in ("string", "number") for item in others):
                raise RefusedError(f"{token.word}() expects constants after its first argument")


def _refuse_tree(tree: exp.Expr, functions: set[str]) -> None:
    for node in tree.find_all(exp.DataType):
        if node.this in (exp.DataType.Type.ARRAY, exp.DataType.Type.STRUCT, exp.DataType.Type.MAP):
            raise RefusedError("arrays are not supported")
        name = node.sql("redshift").split("(")[0].split(" ")[0].lower()
        if name not in TYPES:
            raise RefusedError(f'type "{name}" does not exist')
    for call in tree.find_all(exp.Anonymous):
        name = str(call.this).lower()
        known = DOCUMENTED_FUNCTIONS | LEADER_NODE_FUNCTIONS
        if name not in known and not name.startswith("pg_"):
            raise RefusedError(f"function {name}() does not exist")
    leader_functions = functions & LEADER_NODE_FUNCTIONS
    if leader_functions and (tables := _user_tables(tree)):
        raise RefusedError(
            f"Specified types or functions ({', '.join(sorted(leader_functions))})"
            f" not supported on Redshift tables: {', '.join(sorted(tables))}"
        )
    for subquery in tree.find_all(exp.Subquery, exp.Exists):
        if subquery.find(exp.Limit) and _is_correlated(subquery):
            raise RefusedError("This type of correlated subquery pattern is not supported yet")
    _refuse_unqualified_late_binding(tree)


def _user_tables(tree: exp.Expr) -> set[str]:
    """Return the users' tables that a statement reads, without those that it creates."""
    ctes = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    return {
        table.name.lower()
        for table in tree.find_all(exp.Table)
        if table.name
        and table.db.lower() not in SYSTEM_SCHEMAS
        and table.name.lower() not in ctes
        and not table.name.lower().startswith(("pg_", "svv_", "stv_", "stl_"))
        and not isinstance(table.this, exp.Func)
        and not (isinstance(table.parent, exp.Create | exp.Schema | exp.Insert))
    }


def _is_correlated(subquery: exp.Expr) -> bool:
    inner_tables = {table.alias_or_name.lower() for table in subquery.find_all(exp.Table)}
    inner_tables |= {inner.alias_or_name.lower() for inner in subquery.find_all(exp.Subquery)}
    return any(
        column.table and column.table.lower() not in inner_tables
        for column in subquery.find_all(exp.Column)
    )


def _refuse_unqualified_late_binding(tree: exp.Expr) -> None:
    if not tree.args.get("no_schema_binding"):
        return
    ctes = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name and not table.db and table.name.lower() not in ctes:
            raise RefusedError(
                "All the relation names inside should be qualified when creating VIEW WITH NO"
                " SCHEMA BINDING."
            )
