{#- Whether a list of weekdays names the one with an ISO number (1 is Monday), alone or within a
    range, which may pass the end of the week: 토요일 ~ 월요일. -#}
{% macro lists_weekday(text, iso_weekday) -%}
    {%- set names = ['월', '화', '수', '목', '금', '토', '일'] -%}
    {%- set place = iso_weekday - 1 -%}
    {%- set patterns = [names[place] ~ '요일'] -%}
    {%- for first in range(7) if first != place -%}
        {%- set lasts = [] -%}
        {%- for days in range((place - first) % 7 + 1, 7) -%}
            {%- do lasts.append(names[(first + days) % 7]) -%}
        {%- endfor -%}
        {%- if lasts -%}
            {%- do patterns.append(names[first] ~ '요일 *~ *(' ~ lasts | join('|') ~ ')요일') -%}
        {%- endif -%}
    {%- endfor -%}
    {{ regexp_extract(text, patterns | join('|')) }} is not null
{%- endmacro %}
