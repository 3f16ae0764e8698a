{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='event_id') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

romanized_names as (
    select * from {{ ref('dim_romanized_name') }}
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
        -- An event that ends before it starts has a wrong date, and nobody knows which.
        and coalesce(events.ends_on >= events.starts_on, true)
),

served as (
    select
        recent_events.event_id,
        recent_events.source,
        recent_events.also_in,
        {{ attribution('recent_events.source', 'recent_events.also_in') }} as attribution,
        recent_events.title_en,
        recent_events.title_ko,
        recent_events.title_ja,
        recent_events.title_zh,
        recent_events.genre_id,
        genres.name_en as genre_en,
        genres.name_ko as genre_ko,
        genres.name_ja as genre_ja,
        genres.name_zh as genre_zh,
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
        recent_events.description_ko as description,
        recent_events.description_en,
        recent_events.description_ko,
        recent_events.description_ja,
        recent_events.description_zh,
        recent_events.event_place_en,
        recent_events.event_place_ko,
        recent_events.event_place_ja,
        recent_events.event_place_zh,
        recent_events.programme_en,
        recent_events.programme_ko,
        recent_events.programme_ja,
        recent_events.programme_zh,
        recent_events.homepage_url,
        recent_events.discount,
        recent_events.reservation,
        recent_events.cast_names,
        recent_events.crew_names,
        recent_events.production_company,
        recent_events.agency,
        recent_events.host,
        recent_events.ticket_links,
        recent_events.is_festival,
        recent_events.is_for_children,
        recent_events.is_from_abroad,
        recent_events.is_daehakro,
        recent_events.is_original_musical,
        recent_events.is_licensed_musical,
        recent_events.phone,
        recent_events.url,
        recent_events.image_url,
        recent_events.thumbnail_url,
        recent_events.copyright_type,
        recent_events.image_source,
        {{ image_licence('recent_events.image_source', 'recent_events.copyright_type') }}
            as image_licence,
        {{ attribution('recent_events.image_source') }} as image_attribution,
        recent_events.longitude,
        recent_events.latitude,
        recent_events.location_precision
    from recent_events
    inner join genres on recent_events.genre_id = genres.genre_id
),

named as (
    select
        served.*,
        {{ search_text([
            'served.title_en',
            'served.title_ko',
            'served.title_ja',
            'served.title_zh',
            'romanized_names.name_romanized',
        ]) }} as search_text,
        {{ romanized_columns('title') }}
    from served
    left join romanized_names on served.title_ko = romanized_names.name_ko
)

select * from named
