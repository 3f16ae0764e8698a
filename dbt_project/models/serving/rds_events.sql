{#- Dist: a few thousand rows. Sort: the export reads it whole, by key. -#}
{{ config(dist='all', sort='event_id') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

genres as (
    select * from {{ ref('dim_genre') }}
),

-- Counted back from the newest load and not from the clock: the same rows give the same table.
newest_load as (
    select max(logical_date) as logical_date
    from events
),

wanted as (
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
        wanted.event_id,
        wanted.source,
        wanted.also_in,
        wanted.title_en,
        wanted.title_ko,
        wanted.title_ja,
        wanted.title_zh,
        wanted.genre_id,
        genres.name_en as genre_en,
        genres.name_ko as genre_ko,
        wanted.venue_id,
        wanted.hall_name,
        wanted.district_id,
        wanted.starts_on,
        wanted.ends_on,
        wanted.is_open_run,
        wanted.is_free,
        wanted.min_price_krw,
        wanted.max_price_krw,
        wanted.price_text,
        wanted.schedule_text,
        wanted.running_time,
        wanted.age_limit,
        wanted.organizer,
        wanted.description,
        wanted.phone,
        wanted.url,
        wanted.image_url,
        wanted.thumbnail_url,
        wanted.copyright_type,
        wanted.longitude,
        wanted.latitude
    from wanted
    inner join genres on wanted.genre_id = genres.genre_id
)

select * from served
