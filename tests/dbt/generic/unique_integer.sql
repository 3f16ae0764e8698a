{#- Rows whose integer is missing or occurs more than once: `unique` and `not_null` for integer keys
    without gaps, of which there may be hundreds of millions. -#}
{% test unique_integer(model, column_name) %}
{{ adapter.dispatch('test_unique_integer', 'hello_korea')(model, column_name) }}
{% endtest %}
