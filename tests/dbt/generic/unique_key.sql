{#- Rows that share a key of several columns, or lack a part of it. -#}
{% test unique_key(model, columns) %}
select
    {{ columns | join(',\n    ') }},
    count(*) as row_count
from {{ model }}
group by
    {{ columns | join(',\n    ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
