{#- Versions begin and end in UTC, as on Redshift; DuckDB's own macro takes the machine's zone. -#}
{% macro duckdb__snapshot_get_time() -%}
    cast(now() at time zone 'UTC' as timestamp)
{%- endmacro %}
