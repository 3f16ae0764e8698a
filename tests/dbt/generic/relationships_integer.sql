{#- Rows whose integer is missing in another table: `relationships` for integer keys without gaps,
    of which there may be hundreds of millions. -#}
{% test relationships_integer(model, column_name, to, field) %}
{{ adapter.dispatch('test_relationships_integer', 'hello_korea')(model, column_name, to, field) }}
{% endtest %}
