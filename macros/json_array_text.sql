{#- A text in a JSON array that is stored as text, or null. Texts are counted from 0. -#}
{% macro json_array_text(text, position) -%}
    {{ return(adapter.dispatch('json_array_text')(text, position)) }}
{%- endmacro %}

{% macro default__json_array_text(text, position) -%}
    nullif(json_extract_array_element_text({{ text }}, {{ position }}, true), '')
{%- endmacro %}

{% macro duckdb__json_array_text(text, position) -%}
    nullif(json_extract_string({{ text }}, '$[{{ position }}]'), '')
{%- endmacro %}
