{#- Layers keep their names on the two targets that are the real warehouse. Anybody else's target
    builds beside them: its schemas begin with its name and with what its profile calls its schema,
    a user or a run. A name such as `anna.kim@x` becomes one that needs no quotes. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set own = target.schema if target.schema.startswith(target.name) else target.name ~ '_' ~ target.schema -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema if is_the_real_warehouse() else plain_identifier(own) }}
    {%- elif is_the_real_warehouse() -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ plain_identifier(own ~ '_' ~ custom_schema_name | trim) }}
    {%- endif -%}
{%- endmacro %}

{% macro is_the_real_warehouse() -%}
    {{ return(target.name in ['local', 'redshift']) }}
{%- endmacro %}

{% macro plain_identifier(name) -%}
    {{ return(modules.re.sub('[^a-z0-9_]', '_', name | lower)) }}
{%- endmacro %}
