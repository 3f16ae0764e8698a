{#- Dist: the union reads all rows, so any key that spreads evenly will do. Sort: the same key. -#}
{{ config(dist='event_id', sort='event_id') }}

with

cultural_events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

event_venues as (
    select * from {{ ref('int_seoul_events_assigned_to_venues') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
    where source = 'seoul_event'
),

venues as (
    select * from {{ ref('int_venues_placed') }}
),

genres as (
    select * from {{ ref('genres') }}
    where source = 'seoul'
),

-- The event's own district and point take precedence over the venue's. The organizer's page is more
-- useful than the city's.
records as (
    select
        'seoul-' || cultural_events.event_code as event_id,
        cast('seoul' as varchar(10)) as source,
        cultural_events.event_code,
        cultural_events.title as title_ko,
        {{ title_key('cultural_events.title') }} as title_key,
        coalesce(genres.genre_id, 'unknown') as genre_id,
        event_venues.venue_id,
        event_venues.hall_name,
        case
            when record_districts.district_id <> 'unknown' then record_districts.district_id
            else venues.district_id
        end as district_id,
        cultural_events.starts_on,
        cultural_events.ends_on,
        false as is_open_run,
        cultural_events.is_free,
        cultural_events.min_price_krw,
        cultural_events.max_price_krw,
        cultural_events.fee_text as price_text,
        cultural_events.time_text as schedule_text,
        cultural_events.audience as age_limit,
        cultural_events.organizer,
        coalesce(cultural_events.program, cultural_events.remarks) as description,
        cultural_events.inquiry as phone,
        coalesce(
            case when cultural_events.website_url like 'http%' then cultural_events.website_url end,
            cultural_events.page_url
        ) as url,
        cultural_events.image_url,
        coalesce(cultural_events.longitude, venues.longitude) as longitude,
        coalesce(cultural_events.latitude, venues.latitude) as latitude,
        cultural_events.longitude is not null or venues.location_source = 'venue' as has_point,
        cultural_events.logical_date
    from cultural_events
    inner join event_venues on cultural_events.event_code = event_venues.event_code
    inner join record_districts on cultural_events.event_code = record_districts.record_id
    inner join venues on event_venues.venue_id = venues.venue_id
    left join genres on cultural_events.genre = genres.source_value
)

select * from records
