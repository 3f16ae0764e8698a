{#- Rebuilt every time: each load moves the window and may change the count of any of its days.
    Dist: at most 27 rows a day. Sort: queries select by day. -#}
{{ config(dist='all', sort=['date_id', 'district_id']) }}

with

event_days as (
    select * from {{ ref('fct_event_day') }}
),

events as (
    select * from {{ ref('fct_event') }}
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
        days.date_day
    from days
    cross join newest_load
    where
        days.date_day between newest_load.logical_date
        and newest_load.logical_date + {{ var('upcoming_days') }}
),

counted as (
    select
        event_days.district_id,
        event_days.date_id,
        upcoming_days.date_day,
        cast(count(*) as integer) as event_count,
        cast(sum(case when events.is_free then 1 else 0 end) as integer) as free_event_count,
        cast(
            sum(case when event_days.day_number = 1 then 1 else 0 end) as integer
        ) as starting_event_count
    from event_days
    inner join upcoming_days on event_days.date_id = upcoming_days.date_id
    inner join events on event_days.event_id = events.event_id
    where
        events.is_listed
        and not event_days.is_closed
    group by event_days.district_id, event_days.date_id, upcoming_days.date_day
)

select * from counted
