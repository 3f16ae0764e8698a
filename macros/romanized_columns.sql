{#- The name in Latin script where there is no English one, and what a page can show: an official or a
    romanized name. `served` and `romanized_names` are joined. -#}
{% macro romanized_columns(name) -%}
    case when served.{{ name }}_en is null then romanized_names.name_romanized end
            as {{ name }}_romanized,
        case
            when served.{{ name }}_en is not null then 'official'
            when romanized_names.name_romanized is not null then 'romanized'
        end as name_en_source
{%- endmacro %}
