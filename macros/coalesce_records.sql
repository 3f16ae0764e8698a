{#- What the record that is kept says, or else the next one that tells of the same: of the relations
    kept, second and third. `when` names a flag that keeps together what belongs together, such as an
    image and its copyright. -#}
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
