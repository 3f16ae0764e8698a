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

price_ranges as (
    select * from {{ ref('int_price_texts_parsed') }}
),

genres as (
    select * from {{ ref('genre_sources') }}
    where source = 'seoul'
),

-- What is online or at several places has the point of its organizer.
own_points as (
    select
        cultural_events.event_code,
        cultural_events.longitude,
        cultural_events.latitude
    from cultural_events
    inner join event_venues on cultural_events.event_code = event_venues.event_code
    where event_venues.venue_id not in ('online', 'various')
),

-- An event whose kind and text contradict each other is neither free nor not.
-- The event's own district and point take precedence over the venue's, unless only nearness to an
-- office says the district. The organizer's page is more
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
            when record_districts.district_id = 'unknown' then venues.district_id
            when
                record_districts.district_source = 'nearest'
                and venues.district_source in ('code', 'address')
                then venues.district_id
            else record_districts.district_id
        end as district_id,
        cultural_events.starts_on,
        cultural_events.ends_on,
        false as is_open_run,
        case
            when cultural_events.is_free and price_ranges.min_price_krw > 0 then null
            when not cultural_events.is_free and price_ranges.max_price_krw = 0 then null
            else cultural_events.is_free
        end as is_free,
        price_ranges.min_price_krw,
        price_ranges.max_price_krw,
        cultural_events.fee_text as price_text,
        cultural_events.time_text as schedule_text,
        cultural_events.audience as age_limit,
        cultural_events.organizer,
        coalesce(cultural_events.program, cultural_events.remarks) as description_ko,
        cultural_events.players as cast_names,
        cultural_events.inquiry as phone,
        coalesce(cultural_events.website_url, cultural_events.page_url) as url,
        cultural_events.image_url,
        coalesce(own_points.longitude, venues.longitude) as longitude,
        coalesce(own_points.latitude, venues.latitude) as latitude,
        coalesce(own_points.longitude, venues.longitude) is not null as has_point,
        case
            when own_points.longitude is not null then 'address'
            when
                venues.location_precision = 'none'
                and record_districts.district_id not in ('unknown', 'outside')
                and event_venues.venue_id not in ('online', 'various')
                then 'district'
            else venues.location_precision
        end as location_precision,
        cultural_events.logical_date
    from cultural_events
    inner join event_venues on cultural_events.event_code = event_venues.event_code
    inner join record_districts on cultural_events.event_code = record_districts.record_id
    inner join venues on event_venues.venue_id = venues.venue_id
    left join own_points on cultural_events.event_code = own_points.event_code
    left join price_ranges on cultural_events.fee_text = price_ranges.price_text
    left join genres on cultural_events.genre = genres.source_value
)

select * from records
