{#- For incremental models by `seen_on`, the logical date: delete the days that were loaded again
    without any row, or whose source was removed. Days that staging has forgotten stay. -#}
{% macro delete_days_without_rows(source_name, table_name) -%}
    delete from {{ this }}
    where
        seen_on not in (
            select logical_date
            from {{ ref('stg_runs__loaded_dates') }}
            where
                source_name = '{{ source_name }}'
                and table_name = '{{ table_name }}'
                and row_count > 0
        )
{%- endmacro %}
