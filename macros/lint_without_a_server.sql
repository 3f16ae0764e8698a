{#- sqlfluff's templater makes dbt list the warehouse's relations before it compiles a model. The
    target `lint`, which compiles the SQL for Redshift, has no warehouse, so its list is empty. -#}
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
