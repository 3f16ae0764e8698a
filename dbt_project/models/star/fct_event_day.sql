{#- Dist: a day is on the node of its event. Sort: queries select events by day. -#}
{{ config(dist='event_id', sort='date_id') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

-- An event without an announced end has only its first day. An event whose end is before its start
-- has no days.
event_days as (
    select
        events.event_id,
        days.date_id,
        events.venue_id,
        events.district_id,
        events.genre_id,
        cast(days.date_day - events.starts_on + 1 as integer) as day_number
    from events
    inner join days
        on days.date_day between events.starts_on and coalesce(events.ends_on, events.starts_on)
)

select * from event_days
