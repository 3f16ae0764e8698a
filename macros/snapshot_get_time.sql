{#- Versions begin and end with the KST date of the newest data, not with the time of the build. So
    a rebuild from the lake gives the same history. With the var `as_of`, that date counts. -#}
{% macro duckdb__snapshot_get_time() -%}
    {{ history_time() }}
{%- endmacro %}

{% macro redshift__snapshot_get_time() -%}
    {{ history_time() }}
{%- endmacro %}

{% macro history_time() -%}
    {%- if not execute or target.name == 'lint' -%}
        {%- set date = '1900-01-01' -%}
    {%- elif var('as_of', none) -%}
        {%- set date = var('as_of') -%}
    {%- else -%}
        {%- set newest -%}
            select max(logical_date) from {{ source('staging_runs', 'loaded_dates') }}
        {%- endset -%}
        {%- set date = run_query(newest).rows[0][0] or '1900-01-01' -%}
    {%- endif -%}
    cast('{{ date }}' as timestamp)
{%- endmacro %}
