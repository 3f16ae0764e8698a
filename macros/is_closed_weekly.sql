{#- Whether a text about closed days, in a source's own words, closes the weekday with an ISO number
    (1 is Monday) every week: 매주 월요일, or 일, 월, 공휴일, or 주말. A text that also names weeks of
    the month, exceptions or parts of a day closes none: a page that shows a day too many is better
    than one that hides an open day. -#}
{% macro is_closed_weekly(text, iso_weekday) -%}
    {%- set name = ['월', '화', '수', '목', '금', '토', '일'][iso_weekday - 1] -%}
    {%- set before = '(^|매주|·|ㆍ|[ ,/(.?~])' -%}
    {%- set after = '(요일|·|ㆍ|[ ,/).?~]|$)' -%}
    {%- set weekend = '|주말' if iso_weekday > 5 else '' -%}
    {%- set irregular = '째|제 *[0-9]|마지막|격주|[0-9] *주|전시|대관|공연|방학|오전|오후|제외' -%}
    {{ regexp_extract(text, irregular) }} is null
            and {{ regexp_extract(text, name ~ '요일|' ~ before ~ name ~ after ~ weekend) }}
            is not null
{%- endmacro %}
