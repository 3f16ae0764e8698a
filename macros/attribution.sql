{#- The line that a page shows next to a row: that of its source and, separated by ' / ', those of the
    sources of other records in it. `source` is a column or a quoted name; `also_in` is a column with
    ids of the other records, which contain the names of their sources. -#}
{% macro attribution(source, also_in=none) -%}
    case {{ source }}
    {%- for entry in data_sources() %}
            when '{{ entry.source }}' then '{{ entry.attribution }}'
    {%- endfor %}
        end
    {%- if also_in is not none -%}
        {%- for entry in data_sources() if entry.source in ('tour', 'kopis', 'seoul') %}
        || case
            when {{ source }} <> '{{ entry.source }}' and {{ also_in }} like '%{{ entry.source }}%'
                then ' / {{ entry.attribution }}'
            else ''
        end
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
