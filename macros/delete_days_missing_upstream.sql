{#- For incremental models by `seen_on`: delete a day that was reloaded without any row, since no
    new day replaces it. -#}
{% macro delete_days_missing_upstream(upstream) -%}
    delete from {{ this }}
    where seen_on not in (select seen_on from {{ upstream }})
{%- endmacro %}
