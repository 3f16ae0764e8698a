{#- The key of a Korean name without the text in its brackets, without a leading '서울', and with one
    spelling of words that sources spell differently: '서울 의릉(경종, 선의왕후)' is '의릉'. Branches of a
    chain differ only in brackets such as '(명동점)', so these remain. -#}
{% macro plain_name_key(text) -%}
    {%- set inner = regexp_remove(text, '[(][^()]*[)]') -%}
    {%- set without_brackets = regexp_remove(inner, '[(][^()]*[)]|[[][^]]*[]]') -%}
    {%- set without_city = regexp_remove(without_brackets, '^ *서울(특별시|시)? +') -%}
    coalesce(
        case
            when {{ regexp_extract(text, '점 *[)]') }} is null
                then {{ one_spelling(name_key(without_city)) }}
        end,
        {{ one_spelling(name_key(text)) }}
    )
{%- endmacro %}

{#- A key in which letters that sources confuse in foreign words are one: 카페 and 까페, 센터 and 센타,
    앰배서더 and 엠버서더, 부티크 and 부띠끄. So are the words for a street, 길 and 거리. -#}
{% macro one_spelling(key) -%}
    replace(
        translate({{ key }}, '까샵샾쥬씨컨엠버매애얄띠끄타', '카숍숍주시콘앰배메에열티크터'), '거리', '길'
    )
{%- endmacro %}
