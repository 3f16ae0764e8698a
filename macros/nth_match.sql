{#- The nth stretch of a text that a regular expression matches, or null. Keep to what POSIX and RE2
    both know, and to ASCII inside brackets: Redshift matches bytes. -#}
{% macro nth_match(text, pattern, n=1) -%}
    {{ return(adapter.dispatch('nth_match')(text, pattern, n)) }}
{%- endmacro %}

{% macro default__nth_match(text, pattern, n) -%}
    nullif(regexp_substr({{ text }}, '{{ pattern }}', 1, {{ n }}), '')
{%- endmacro %}

{% macro duckdb__nth_match(text, pattern, n) -%}
    regexp_extract_all({{ text }}, '{{ pattern }}')[{{ n }}]
{%- endmacro %}
