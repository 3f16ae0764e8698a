{#- Rows whose point is outside Korea or has only one coordinate. -#}
{% test coordinates_in_korea(model, longitude, latitude) %}
select
    {{ longitude }},
    {{ latitude }}
from {{ model }}
where
    not {{ is_in_korea(longitude, latitude) }}
    or ({{ longitude }} is null and {{ latitude }} is not null)
    or ({{ longitude }} is not null and {{ latitude }} is null)
{% endtest %}
