{#- A column for each language from the rows of a group, which has one row per language. -#}
{% macro text_by_language(column) -%}
    {%- for language in ['en', 'ko', 'ja', 'zh'] -%}
        max(case when language_code = '{{ language }}' then {{ column }} end)
            as {{ column }}_{{ language }}
        {{- ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- One column from the rows of a group, which has one row per language: English if it has it, which
    visitors of the website prefer, else Korean, Japanese or Chinese. -#}
{% macro text_of_one_language(column) -%}
    coalesce(
    {%- for language in ['en', 'ko', 'ja', 'zh'] %}
            max(case when language_code = '{{ language }}' then {{ column }} end)
            {{- ',' if not loop.last }}
    {%- endfor %}
        ) as {{ column }}
{%- endmacro %}
