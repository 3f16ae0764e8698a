{#- Versions begin and end in UTC, as on Redshift. DuckDB's default macro uses the machine's time
    zone. -#}
{% macro duckdb__snapshot_get_time() -%}
    cast(now() at time zone 'UTC' as timestamp)
{%- endmacro %}
