{#- The nth match of a regular expression in a text, or null. Patterns must be valid in both POSIX
    and RE2 and have only ASCII inside brackets, since Redshift matches bytes. -#}
{% macro regexp_extract(text, pattern, n=1) -%}
    {{ return(adapter.dispatch('regexp_extract')(text, pattern, n)) }}
{%- endmacro %}

{% macro default__regexp_extract(text, pattern, n) -%}
    nullif(regexp_substr({{ text }}, '{{ pattern }}', 1, {{ n }}), '')
{%- endmacro %}

{% macro duckdb__regexp_extract(text, pattern, n) -%}
    regexp_extract_all({{ text }}, '{{ pattern }}')[{{ n }}]
{%- endmacro %}
