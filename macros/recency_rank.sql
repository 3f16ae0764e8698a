{#- 1 for the newest version of a key: of the last logical date, the last load. -#}
{% macro recency_rank(partition_by) -%}
    row_number() over (
        partition by {{ partition_by | join(', ') }}
        order by logical_date desc, _dlt_load_id desc
    )
{%- endmacro %}
