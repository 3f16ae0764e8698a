{#- The name of an event by which two sources are compared: without case, blanks, punctuation and the
    words of an edition (2026, 2026년, 제12회, 12회).

    '[마포문화재단] 제10회 M 클래식 축제' begins with who organizes it, which is not part of the name.
    '연극 [감찰관]' has its name in the brackets. A title that is nothing but these stays whole. -#}
{% macro title_key(title) -%}
    {%- set unled = regexp_remove(title, '^ *([[][^]]*[]] *)+') -%}
    {%- set bracketed = regexp_extract(unled, '^ *[^ []+ *[[][^]]*[]] *$') -%}
    {%- set named = 'coalesce(' ~ regexp_remove(bracketed, '^ *[^ []+ *') ~ ', ' ~ unled ~ ')' -%}
    {%- set edition = '(제 ?)?[0-9]+ ?회|20[0-9][0-9] ?(년도|년)?' -%}
    coalesce(
        {{ name_key(regexp_remove(named, edition)) }},
        {{ name_key(regexp_remove(title, edition)) }},
        {{ name_key(title) }}
    )
{%- endmacro %}
