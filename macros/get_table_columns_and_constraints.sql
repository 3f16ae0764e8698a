{#- Redshift does not enforce primary and foreign keys. DuckDB does, with an index and by copying
    every child of a rebuilt table. DuckDB's tables are created without keys, so that both engines
    behave alike. The manifest still has the keys of the contract, and the tests prove them. -#}
{% macro duckdb__get_table_columns_and_constraints() -%}
    (
    {%- for column in model['columns'].values() %}
        {{ column['name'] }} {{ column['data_type'] }}
        {%- if column['constraints'] | selectattr('type', 'equalto', 'not_null') | list %} not null{% endif %}
        {{- ',' if not loop.last }}
    {%- endfor %}
    )
{%- endmacro %}
