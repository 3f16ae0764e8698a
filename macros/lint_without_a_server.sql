{#- Before it compiles a model, sqlfluff's templater has dbt list what the warehouse holds. The target
    `lint` is there for the SQL that Redshift gets and has no warehouse: it holds nothing. -#}
{% macro redshift__list_relations_without_caching(schema_relation) -%}
    {%- if target.name == 'lint' -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(dbt.redshift__list_relations_without_caching(schema_relation)) }}
{%- endmacro %}

{% macro redshift__get_relations() -%}
    {%- if target.name == 'lint' -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(dbt.redshift__get_relations()) }}
{%- endmacro %}
