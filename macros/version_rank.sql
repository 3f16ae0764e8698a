{#- 1 for the newest version of a key: the last day it was loaded, and of that day the last load. -#}
{% macro version_rank(key) -%}
    row_number() over (
        partition by {{ key | join(', ') }}
        order by logical_date desc, _dlt_load_id desc
    )
{%- endmacro %}
