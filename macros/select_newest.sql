{#- The rows of a staging table from the newest logical date of their key. A date has a key once.
    With the var `as_of`, later dates do not count: a rebuild repeats the history of past days with
    it. -#}
{% macro select_newest(rows, key) -%}
    select {{ rows }}.*
    from {{ rows }}
    inner join (
        select
            {{ key | join(', ') }},
            max(logical_date) as newest_date
        from {{ rows }}
        {%- if var('as_of', none) %}
            where logical_date <= '{{ var("as_of") }}'
        {%- endif %}
        group by {{ key | join(', ') }}
    ) as newest_dates
        on
            {{ rows }}.logical_date = newest_dates.newest_date
            {%- for column in key %}
                and {{ rows }}.{{ column }} = newest_dates.{{ column }}
            {%- endfor %}
{%- endmacro %}
