{#- `dbt run-operation drop_target_schemas --target ci` removes what a CI run or a developer leaves
    behind. It drops only the schemas that this project builds into, so it does not confuse those of
    `dev_anna` with those of `dev_anna_kim`. -#}
{% macro drop_target_schemas() -%}
    {%- if is_production_target() -%}
        {{ exceptions.raise_compiler_error(
            "--target is '" ~ target.name ~ "': drop_target_schemas expected one of your own, such as ci or dev"
        ) }}
    {%- endif -%}
    {%- set built = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed', 'snapshot']) -%}
    {%- for schema in built | map(attribute='schema') | unique | sort -%}
        {%- do adapter.drop_schema(api.Relation.create(database=target.database, schema=schema)) -%}
        {%- do log('dropped ' ~ schema, info=true) -%}
    {%- endfor -%}
{%- endmacro %}
