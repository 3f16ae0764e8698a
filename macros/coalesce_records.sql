{#- A column of the kept record of an event, or of its second or third record if the kept one lacks
    it. `when` names a flag that keeps related columns together, such as an image and its copyright.
    -#}
{% macro coalesce_records(column, when=none) -%}
    {%- if when is none -%}
        coalesce(kept.{{ column }}, second.{{ column }}, third.{{ column }}) as {{ column }}
    {%- else -%}
        case
            when kept.{{ when }} then kept.{{ column }}
            when second.{{ when }} then second.{{ column }}
            when third.{{ when }} then third.{{ column }}
            else kept.{{ column }}
        end as {{ column }}
    {%- endif -%}
{%- endmacro %}
