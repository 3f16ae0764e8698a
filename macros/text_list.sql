{#- Aggregates texts to one, in their own order, with a comma and a blank between them. -#}
{% macro text_list(value) -%}
    {{ return(adapter.dispatch('text_list')(value)) }}
{%- endmacro %}

{% macro default__text_list(value) -%}
    listagg({{ value }}, ', ') within group (order by {{ value }})
{%- endmacro %}

{% macro duckdb__text_list(value) -%}
    string_agg({{ value }}, ', ' order by {{ value }})
{%- endmacro %}
