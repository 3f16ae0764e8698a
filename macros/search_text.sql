{#- The columns in one text for a search in any language, separated by blanks. -#}
{% macro search_text(columns) -%}
    trim(
            {%- for column in columns %}
            coalesce({{ column }}, ''){{ " || ' ' ||" if not loop.last }}
            {%- endfor %}
        )
{%- endmacro %}
