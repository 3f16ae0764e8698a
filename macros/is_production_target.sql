{#- Whether the target is the real warehouse, whose layers have their plain names. -#}
{% macro is_production_target() -%}
    {{ return(target.name in ['local', 'redshift']) }}
{%- endmacro %}
