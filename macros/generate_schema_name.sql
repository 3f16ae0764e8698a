{#- Layers keep their names on the two targets of the real warehouse. Any other target builds next
    to them, in schemas that begin with its name and its profile's schema, which is a user or a run.
    A name such as `anna.kim@x` becomes an identifier that needs no quotes. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set own = target.schema if target.schema.startswith(target.name) else target.name ~ '_' ~ target.schema -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema if is_production_target() else unquoted_identifier(own) }}
    {%- elif is_production_target() -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ unquoted_identifier(own ~ '_' ~ custom_schema_name | trim) }}
    {%- endif -%}
{%- endmacro %}
