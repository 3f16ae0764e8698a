{#- A text without the matches of a regular expression. Patterns have the limits of regexp_extract.
    -#}
{% macro regexp_remove(text, pattern) -%}
    {{ return(adapter.dispatch('regexp_remove')(text, pattern)) }}
{%- endmacro %}

{% macro default__regexp_remove(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '')
{%- endmacro %}

{% macro duckdb__regexp_remove(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '', 'g')
{%- endmacro %}
