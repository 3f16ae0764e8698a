{#- Rows whose number another one has too, or that have none: for keys that are whole numbers without
    gaps, of which there may be hundreds of millions. -#}
{% test unique_number(model, column_name) %}
{{ rows_without_a_number_of_their_own(model, column_name) }}
{% endtest %}
