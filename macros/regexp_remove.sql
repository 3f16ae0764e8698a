{#- A text without the stretches that a regular expression matches. What regexp_extract says of
    patterns holds here too. -#}
{% macro regexp_remove(text, pattern) -%}
    {{ return(adapter.dispatch('regexp_remove')(text, pattern)) }}
{%- endmacro %}

{% macro default__regexp_remove(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '')
{%- endmacro %}

{% macro duckdb__regexp_remove(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '', 'g')
{%- endmacro %}
