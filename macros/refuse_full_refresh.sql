{#- For models that keep the history of a staging table: stop a `--full-refresh` that would lose the
    days that staging has forgotten. -#}
{% macro refuse_full_refresh(source_name, table_name) -%}
    {%- if execute and flags.FULL_REFRESH and is_production_target() -%}
        {%- set forgotten -%}
            select count(*)
            from {{ ref('stg_runs__loaded_dates') }}
            where
                source_name = '{{ source_name }}'
                and table_name = '{{ table_name }}'
                and row_count > 0
                and not is_whole
        {%- endset -%}
        {%- set days = run_query(forgotten).rows[0][0] -%}
        {%- if days and load_relation(this) -%}
            {{ exceptions.raise_compiler_error(
                "--full-refresh would lose the rows of " ~ days ~ " days of " ~ source_name ~ "."
                ~ table_name ~ " that only the lake still has: run dlt pipeline run --rebuild"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
