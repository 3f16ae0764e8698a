{#- Rebuilt every time: 27 rows, any of which a load may change. Dist: joined with the districts.
    Sort: the key of that join. -#}
{{ config(dist='all', sort='district_id') }}

with

districts as (
    select * from {{ ref('dim_district') }}
),

places as (
    select * from {{ ref('dim_place') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

events as (
    select * from {{ ref('fct_event') }}
),

weather as (
    select * from {{ ref('fct_weather_day') }}
),

newest_load as (
    select max(logical_date) as logical_date
    from events
),

place_counts as (
    select
        district_id,
        cast(count(*) as integer) as attraction_count
    from places
    where
        is_listed
        and not is_clinic
    group by district_id
),

venue_counts as (
    select
        district_id,
        cast(count(*) as integer) as venue_count
    from venues
    where venue_id <> 'unknown'
    group by district_id
),

lodging_counts as (
    select
        district_id,
        cast(count(*) as integer) as lodging_count
    from lodgings
    where is_listed
    group by district_id
),

-- Events with a day in the window. An event without an announced end has only its first day.
upcoming_events as (
    select
        events.district_id,
        events.is_free
    from events
    cross join newest_load
    where
        events.starts_on <= newest_load.logical_date + {{ var('upcoming_days') }}
        and coalesce(events.ends_on, events.starts_on) >= newest_load.logical_date
        and events.is_listed
),

event_counts as (
    select
        district_id,
        cast(count(*) as integer) as upcoming_event_count,
        cast(count(is_free) as integer) as priced_event_count,
        cast(sum(case when is_free then 1 else 0 end) as integer) as free_event_count
    from upcoming_events
    group by district_id
),

newest_weather_load as (
    select max(logical_date) as logical_date
    from weather
),

weather_of_the_day as (
    select
        weather.district_id,
        weather.weather_en,
        weather.weather_ko,
        weather.low_temperature,
        weather.high_temperature
    from weather
    inner join newest_weather_load on weather.weather_on = newest_weather_load.logical_date
),

glance as (
    select
        districts.district_id,
        districts.name_en,
        districts.name_ko,
        coalesce(place_counts.attraction_count, 0) as attraction_count,
        coalesce(venue_counts.venue_count, 0) as venue_count,
        coalesce(lodging_counts.lodging_count, 0) as lodging_count,
        coalesce(event_counts.upcoming_event_count, 0) as upcoming_event_count,
        cast(
            1.0 * event_counts.free_event_count / nullif(event_counts.priced_event_count, 0)
            as numeric(5, 4)
        ) as free_event_share,
        weather_of_the_day.weather_en,
        weather_of_the_day.weather_ko,
        weather_of_the_day.low_temperature,
        weather_of_the_day.high_temperature
    from districts
    left join place_counts on districts.district_id = place_counts.district_id
    left join venue_counts on districts.district_id = venue_counts.district_id
    left join lodging_counts on districts.district_id = lodging_counts.district_id
    left join event_counts on districts.district_id = event_counts.district_id
    left join weather_of_the_day on districts.district_id = weather_of_the_day.district_id
)

select * from glance
