{#- Whether a text has nothing but weekdays, ranges of them, holidays (HOL) and times in parentheses,
    as KOPIS writes schedules: 화요일 ~ 금요일(20:00), HOL(15:00). A list of holidays alone names no
    weekday. -#}
{% macro is_weekday_list(text) -%}
    {{ regexp_extract(text, '(월|화|수|목|금|토|일)요일') }} is not null
            and {{ regexp_remove(text, '(월|화|수|목|금|토|일)요일|HOL|[(][^)]*[)]|[ ,~]') }} = ''
{%- endmacro %}
