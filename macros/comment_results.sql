{#- Writes the descriptions of the tables that a run built as comments, where persist_docs is set. On
    DuckDB, all are written in one transaction at the end, which takes a tenth of the time that
    each model would take. Redshift's adapter writes them with each model. -#}
{% macro comment_results(results) -%}
    {{- adapter.dispatch('comment_results')(results) -}}
{%- endmacro %}

{% macro default__comment_results(results) %}{% endmacro %}

{#- No macro is called within the loops, since Jinja's calls take longer than the statements. -#}
{% macro duckdb__comment_results(results) -%}
    {%- for result in results if result.status == 'success' and result.node.config.persist_docs %}
        {%- set node = result.node -%}
        {%- set name = '"' ~ node.schema ~ '"."' ~ node.alias ~ '"' %}
comment on table {{ name }} is $dbt${{ node.description }}$dbt$;
        {%- for column in node.columns.values() %}
comment on column {{ name }}."{{ column.name }}" is $dbt${{ column.description }}$dbt$;
        {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{#- Instead of dbt's macro, which runs three statements in each model. -#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) %}{% endmacro %}
