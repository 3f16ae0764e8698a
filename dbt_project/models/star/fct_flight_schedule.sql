{#- Dist: a few thousand rows a season, joined to airports and airlines, which are on every node.
    Sort: queries select flights by the days of their season. -#}
{{ config(dist='all', sort='first_date_id') }}

with

schedules as (
    select * from {{ ref('stg_incheon__schedules') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

-- The newest list that has a flight's season replaces all older lists of it, since the weekdays may
-- have changed.
with_newest_list as (
    select
        *,
        max(logical_date) over (
            partition by direction, flight_id, airport_code, first_on
        ) as last_listed_on,
        max(logical_date) over () as newest_list_on
    from schedules
),

-- Several rows of a flight divide the week between them: it flies on a day that any of them has.
joined as (
    select
        direction,
        flight_id,
        airport_code,
        airline_code,
        first_on,
        last_on,
        local_time,
        season,
        {%- for day in [
            'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday',
        ] %}
            max(substring(weekdays, {{ loop.index }}, 1)) = 'Y' as flies_on_{{ day }},
        {%- endfor %}
        last_listed_on,
        last_listed_on = newest_list_on as is_current
    from with_newest_list
    where logical_date = last_listed_on
    group by
        direction,
        flight_id,
        airport_code,
        airline_code,
        first_on,
        last_on,
        local_time,
        season,
        last_listed_on,
        newest_list_on
),

keyed as (
    select
        joined.direction,
        joined.flight_id,
        joined.airport_code,
        joined.airline_code,
        first_days.date_id as first_date_id,
        last_days.date_id as last_date_id,
        joined.first_on,
        joined.last_on,
        joined.local_time,
        joined.season,
        joined.flies_on_monday,
        joined.flies_on_tuesday,
        joined.flies_on_wednesday,
        joined.flies_on_thursday,
        joined.flies_on_friday,
        joined.flies_on_saturday,
        joined.flies_on_sunday,
        joined.is_current,
        joined.last_listed_on
    from joined
    left join days as first_days on joined.first_on = first_days.date_day
    left join days as last_days on joined.last_on = last_days.date_day
)

select * from keyed
