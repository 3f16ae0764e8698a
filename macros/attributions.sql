{#- The line that a page shows next to a row that several sources have a share in, as a text. -#}
{% macro attributions(sources) -%}
    {%- set entries = data_sources() | selectattr('source', 'in', sources) -%}
    '{{ entries | map(attribute='attribution') | join(' / ') }}'
{%- endmacro %}
