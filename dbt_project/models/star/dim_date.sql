{%- set first_day = var('calendar_first_day') -%}
{%- set last_day = var('calendar_last_day') -%}
{%- set days = (
    modules.datetime.date.fromisoformat(last_day) - modules.datetime.date.fromisoformat(first_day)
).days + 1 -%}
{#- Dist: every fact joins it. Sort: queries select ranges of days. -#}
{{ config(dist='all', sort='date_id') }}

with

numbers as (
    {{ dbt.generate_series(days) }}
),

days as (
    select
        cast(
            cast('{{ first_day }}' as date) + cast(generated_number - 1 as integer) as date
        ) as date_day
    from numbers
),

-- Monday is 1 and Sunday is 7, whereas SQL counts from Sunday as 0.
weekdays as (
    select
        date_day,
        (cast(extract(dow from date_day) as integer) + 6) % 7 + 1 as iso_weekday
    from days
),

-- A week belongs to the ISO year of its Thursday.
thursdays as (
    select
        date_day,
        iso_weekday,
        cast(date_day + (4 - iso_weekday) as date) as thursday
    from weekdays
),

calendar as (
    select
        cast(
            extract(year from date_day) * 10000
            + extract(month from date_day) * 100
            + extract(day from date_day) as integer
        ) as date_id,
        date_day,
        cast(extract(year from date_day) as integer) as year_number,
        cast(extract(quarter from date_day) as integer) as quarter_number,
        cast(extract(month from date_day) as integer) as month_number,
        cast(extract(day from date_day) as integer) as day_of_month,
        cast(extract(doy from date_day) as integer) as day_of_year,
        cast(extract(year from thursday) as integer) as iso_year,
        cast(floor((extract(doy from thursday) - 1) / 7) + 1 as integer) as iso_week,
        iso_weekday,
        iso_weekday >= 6 as is_weekend,
        cast(date_trunc('month', date_day) as date) as month_starts_on,
        case extract(month from date_day)
            {%- for name in [
                'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
                'September', 'October', 'November', 'December',
            ] %}
                when {{ loop.index }} then '{{ name }}'
            {%- endfor %}
        end as month_name_en,
        cast(extract(month from date_day) as integer) || '월' as month_name_ko,
        case iso_weekday
            {%- for name in [
                'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday',
            ] %}
                when {{ loop.index }} then '{{ name }}'
            {%- endfor %}
        end as weekday_name_en,
        case iso_weekday
            {%- for letter in '월화수목금토일' %}
                when {{ loop.index }} then '{{ letter }}요일'
            {%- endfor %}
        end as weekday_name_ko
    from thursdays
)

select * from calendar
