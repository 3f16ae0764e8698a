{#- Rows whose integer another row has too, or that have none: `unique` and `not_null` for keys that
    are integers without gaps, of which there may be hundreds of millions. -#}
{% test unique_integer(model, column_name) %}
{{ adapter.dispatch('test_unique_integer', 'hello_korea')(model, column_name) }}
{% endtest %}
