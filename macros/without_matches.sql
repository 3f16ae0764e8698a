{#- A text without the stretches that a regular expression matches. What nth_match says of patterns
    holds here too. -#}
{% macro without_matches(text, pattern) -%}
    {{ return(adapter.dispatch('without_matches')(text, pattern)) }}
{%- endmacro %}

{% macro default__without_matches(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '')
{%- endmacro %}

{% macro duckdb__without_matches(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '', 'g')
{%- endmacro %}
