{#- Dist: a few thousand rows, read by the union. Sort: the key. -#}
{{ config(dist='all', sort='venue_id') }}

with

events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

event_venues as (
    select * from {{ ref('int_seoul_events_assigned_to_venues') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
    where source = 'seoul_event'
),

-- Places that only events name. The newest event, preferably one with coordinates, describes its
-- place.
ranked_places as (
    select
        event_venues.venue_id,
        event_venues.venue_name as name_ko,
        record_districts.district_id,
        record_districts.district_source,
        events.longitude,
        events.latitude,
        row_number() over (
            partition by event_venues.venue_id
            order by
                case when events.longitude is null then 1 else 0 end asc,
                events.starts_on desc nulls last,
                events.event_code desc
        ) as place_rank
    from events
    inner join event_venues on events.event_code = event_venues.event_code
    inner join record_districts on events.event_code = record_districts.record_id
    where
        not event_venues.is_known_venue
        and event_venues.venue_id not in ('online', 'unknown', 'various')
),

venue_records as (
    select
        venue_id,
        cast('seoul' as varchar(10)) as source,
        name_ko,
        district_id,
        district_source,
        longitude,
        latitude
    from ranked_places
    where place_rank = 1
)

select * from venue_records
