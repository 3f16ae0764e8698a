{#- The key of a title without organizer, edition and all text in brackets: '대학로 세비야의 이발사 [무료
    관람]' is also known as '대학로 세비야의 이발사'. -#}
{% macro title_base_key(title) -%}
    {%- set without_organizer = regexp_remove(title, '^ *([[][^]]*[]] *)+') -%}
    {%- set unbracketed = regexp_remove(without_organizer, '[(][^()]*[)]|[[][^]]*[]]') -%}
    {{ name_key(regexp_remove(unbracketed, '(제 ?)?[0-9]+ ?회|20[0-9][0-9] ?(년도|년)?')) }}
{%- endmacro %}
