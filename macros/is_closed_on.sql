{#- Whether an event is not to be seen on the weekday with an ISO number (1 is Monday): its list of
    weekdays lacks it, or, without a list, a text closes it every week. -#}
{% macro is_closed_on(iso_weekday, weekday_list, closed_text) -%}
    case
            when {{ weekday_list }} is not null
                then not ({{ lists_weekday(weekday_list, iso_weekday) }})
            else {{ closed_text }} is not null and {{ is_closed_weekly(closed_text, iso_weekday) }}
        end
{%- endmacro %}
