{#- Redshift does not enforce a primary or foreign key, DuckDB does: with an index, and by copying
    every child of a table that is rebuilt. So that the engines are alike, DuckDB's tables are made
    without keys. The contract in the manifest still has them, and the tests prove them. -#}
{% macro duckdb__get_table_columns_and_constraints() -%}
    (
    {%- for column in model['columns'].values() %}
        {{ column['name'] }} {{ column['data_type'] }}
        {%- if column['constraints'] | selectattr('type', 'equalto', 'not_null') | list %} not null{% endif %}
        {{- ',' if not loop.last }}
    {%- endfor %}
    )
{%- endmacro %}
