{#- Rows whose later date is before the earlier one. -#}
{% test not_before(model, later, earlier) %}
select *
from {{ model }}
where {{ later }} < {{ earlier }}
{% endtest %}
