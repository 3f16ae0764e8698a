{#- The key of the name of a lodging without what its lists add or leave out: '(주)호텔롯데 L7홍대' and
    '나이아가라관광호텔' are '롯데l7홍대' and '나이아가라'. The whole key if fewer than two letters remain. -#}
{% macro lodging_core_key(name) -%}
    {%- set without_brackets = regexp_remove(name, '[(][^()]*[)]') -%}
    {%- set added = '주식회사|유한회사|관광호텔|가족호텔|호텔|서울|앤 | [Aa]nd |[Hh][Oo][Tt][Ee][Ll]|[Ss][Ee][Oo][Uu][Ll]' -%}
    {%- set core = one_spelling(name_key(regexp_remove(without_brackets, added))) -%}
    coalesce(case when length({{ core }}) >= 2 then {{ core }} end, {{ name_key(name) }})
{%- endmacro %}
