{#- Of an incremental model by day seen: a day that was loaded again without a row is replaced by no
    new one, so it is deleted. -#}
{% macro delete_days_missing_upstream(upstream) -%}
    delete from {{ this }}
    where seen_on not in (select seen_on from {{ upstream }})
{%- endmacro %}
