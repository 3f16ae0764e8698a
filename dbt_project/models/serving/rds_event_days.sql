{#- Dist: a day is on the node of its event. Sort: the export reads all rows by key. -#}
{{ config(dist='event_id', sort=['event_id', 'event_on']) }}

with

event_days as (
    select * from {{ ref('fct_event_day') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

-- Only events that the website has.
events as (
    select * from {{ ref('rds_events') }}
),

served as (
    select
        events.event_id || '-' || cast(days.date_day as varchar(10)) as event_day_id,
        events.event_id,
        days.date_day as event_on,
        event_days.district_id,
        event_days.day_number
    from event_days
    inner join events on event_days.event_id = events.event_id
    inner join days on event_days.date_id = days.date_id
    where not event_days.is_closed
)

select * from served
