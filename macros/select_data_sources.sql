{#- The sources of the exported rows, a row each. -#}
{% macro select_data_sources() -%}
    {%- for entry in data_sources() %}
    select
        {%- for name, text in entry.items() %}
        {{ 'cast(null as varchar(100))' if text is none else "'" ~ text ~ "'" }} as {{ name -}}
        {{- ',' if not loop.last }}
        {%- endfor %}
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
