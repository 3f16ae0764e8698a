{#- The nth stretch of a text that a regular expression matches, or null. Keep to what POSIX and RE2
    both know, and to ASCII inside brackets: Redshift matches bytes. -#}
{% macro regexp_extract(text, pattern, n=1) -%}
    {{ return(adapter.dispatch('regexp_extract')(text, pattern, n)) }}
{%- endmacro %}

{% macro default__regexp_extract(text, pattern, n) -%}
    nullif(regexp_substr({{ text }}, '{{ pattern }}', 1, {{ n }}), '')
{%- endmacro %}

{% macro duckdb__regexp_extract(text, pattern, n) -%}
    regexp_extract_all({{ text }}, '{{ pattern }}')[{{ n }}]
{%- endmacro %}
