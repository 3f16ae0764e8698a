{#- One row per event and day, with the names by which people filter, so that a question about the
    coming days is one select. Rebuilt every time: each load moves the window. Dist: the district,
    by which days are grouped. Sort: the day, by which every query filters. -#}
{{ config(dist='district_id', sort=['date_day', 'event_id']) }}

with

event_days as (
    select * from {{ ref('fct_event_day') }}
),

events as (
    select * from {{ ref('fct_event') }}
),

districts as (
    select * from {{ ref('dim_district') }}
),

genres as (
    select * from {{ ref('dim_genre') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

-- The window begins at the newest load rather than today, so the same rows give the same table.
newest_load as (
    select max(logical_date) as logical_date
    from events
),

upcoming_days as (
    select
        days.date_id,
        days.date_day,
        cast(
            {{ dbt.datediff('newest_load.logical_date', 'days.date_day', 'day') }} as integer
        ) as days_ahead
    from days
    cross join newest_load
    where
        days.date_day between newest_load.logical_date
        and newest_load.logical_date + {{ var('upcoming_days') }}
),

named as (
    select
        event_days.event_id,
        event_days.date_id,
        upcoming_days.date_day,
        upcoming_days.days_ahead,
        event_days.day_number,
        coalesce(events.title_en, events.title_ko) as title,
        event_days.district_id,
        districts.name_en as district_en,
        event_days.genre_id,
        genres.name_en as genre_en,
        case
            when events.is_free then 'free'
            when not events.is_free then 'paid'
            else 'not said'
        end as admission,
        events.is_festival,
        event_days.venue_id,
        coalesce(venues.name_en, venues.name_ko) as venue_name,
        venues.longitude,
        venues.latitude
    from event_days
    inner join upcoming_days on event_days.date_id = upcoming_days.date_id
    inner join events on event_days.event_id = events.event_id
    inner join districts on event_days.district_id = districts.district_id
    inner join genres on event_days.genre_id = genres.genre_id
    left join venues on event_days.venue_id = venues.venue_id
    where
        events.is_listed
        and not event_days.is_closed
)

select * from named
