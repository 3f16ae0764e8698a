{#- A field of an object in a JSON array that is stored as text, or null. Objects are counted from
    0. -#}
{% macro json_array_field(text, position, field) -%}
    {{ return(adapter.dispatch('json_array_field')(text, position, field)) }}
{%- endmacro %}

{% macro default__json_array_field(text, position, field) -%}
    nullif(
        json_extract_path_text(
            json_extract_array_element_text({{ text }}, {{ position }}, true), '{{ field }}', true
        ),
        ''
    )
{%- endmacro %}

{% macro duckdb__json_array_field(text, position, field) -%}
    json_extract_string({{ text }}, '$[{{ position }}].{{ field }}')
{%- endmacro %}
