{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='event_id') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

genres as (
    select * from {{ ref('dim_genre') }}
),

-- The limit counts back from the newest load rather than today, so the same rows give the same
-- table.
newest_load as (
    select max(logical_date) as logical_date
    from events
),

recent_events as (
    select events.*
    from events
    cross join newest_load
    where
        (
            events.ends_on is null
            or events.ends_on >= newest_load.logical_date - {{ var('events_ended_within_days') }}
        )
        and events.is_listed
),

served as (
    select
        recent_events.event_id,
        recent_events.source,
        recent_events.also_in,
        recent_events.title_en,
        recent_events.title_ko,
        recent_events.title_ja,
        recent_events.title_zh,
        recent_events.genre_id,
        genres.name_en as genre_en,
        genres.name_ko as genre_ko,
        recent_events.venue_id,
        recent_events.hall_name,
        recent_events.district_id,
        recent_events.starts_on,
        recent_events.ends_on,
        recent_events.is_open_run,
        recent_events.is_free,
        recent_events.min_price_krw,
        recent_events.max_price_krw,
        recent_events.price_text,
        recent_events.schedule_text,
        recent_events.running_time,
        recent_events.age_limit,
        recent_events.organizer,
        recent_events.description,
        recent_events.phone,
        recent_events.url,
        recent_events.image_url,
        recent_events.thumbnail_url,
        recent_events.copyright_type,
        recent_events.longitude,
        recent_events.latitude
    from recent_events
    inner join genres on recent_events.genre_id = genres.genre_id
)

select * from served
