{#- The title of an event for comparison between sources, without case, blanks, punctuation and the
    words of an edition (2026, 2026년, 제12회, 12회).

    '[마포문화재단] 제10회 M 클래식 축제' begins with the organizer, which is not part of the title. '연극 [감찰관]'
    has its title in the brackets. A title that consists only of these remains as it is. -#}
{% macro title_key(title) -%}
    {%- set without_organizer = regexp_remove(title, '^ *([[][^]]*[]] *)+') -%}
    {%- set bracketed = regexp_extract(without_organizer, '^ *[^ []+ *[[][^]]*[]] *$') -%}
    {%- set in_brackets = regexp_remove(bracketed, '^ *[^ []+ *') -%}
    {%- set named = 'coalesce(' ~ in_brackets ~ ', ' ~ without_organizer ~ ')' -%}
    {%- set edition = '(제 ?)?[0-9]+ ?회|20[0-9][0-9] ?(년도|년)?' -%}
    coalesce(
        {{ name_key(regexp_remove(named, edition)) }},
        {{ name_key(regexp_remove(title, edition)) }},
        {{ name_key(title) }}
    )
{%- endmacro %}
