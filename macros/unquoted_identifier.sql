{#- A name as an identifier that needs no quotes: `anna.kim@x` becomes `anna_kim_x`. -#}
{% macro unquoted_identifier(name) -%}
    {{ return(modules.re.sub('[^a-z0-9_]', '_', name | lower)) }}
{%- endmacro %}
