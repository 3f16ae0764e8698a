{#- Rows whose number no row of another table has: for keys that are whole numbers without gaps. -#}
{% test number_in(model, column_name, to, field) %}
{{ numbers_not_in(model, column_name, to, field) }}
{% endtest %}
