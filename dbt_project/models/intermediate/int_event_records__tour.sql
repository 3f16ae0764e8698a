{#- Dist: the union reads all rows, so any key that spreads evenly will do. Sort: the same key. -#}
{{ config(dist='event_id', sort='event_id') }}

with

festivals as (
    select * from {{ ref('stg_tour__festivals') }}
),

tour_records as (
    select * from {{ ref('int_tour_records_matched') }}
),

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

genres as (
    select * from {{ ref('genres') }}
    where source = 'tour'
),

-- The leading record determines the dates of a festival that is listed in several languages.
ranked_festivals as (
    select
        tour_records.place_id,
        festivals.starts_on,
        festivals.ends_on,
        row_number() over (
            partition by tour_records.place_id
            order by
                case when tour_records.is_leading then 0 else 1 end,
                festivals.content_id
        ) as record_rank
    from festivals
    inner join tour_records
        on
            festivals.language_code = tour_records.language_code
            and festivals.content_id = tour_records.content_id
),

records as (
    select
        'tour-' || places.place_id as event_id,
        cast('tour' as varchar(10)) as source,
        places.content_id_en,
        places.content_id_ko,
        places.title_en,
        places.title_ko,
        places.title_ja,
        places.title_zh,
        {{ title_key('places.title_ko') }} as title_key,
        coalesce(genres.genre_id, 'unknown') as genre_id,
        coalesce(places.venue_id, 'unknown') as venue_id,
        places.district_id,
        ranked_festivals.starts_on,
        ranked_festivals.ends_on,
        false as is_open_run,
        places.phone,
        places.image_url,
        places.thumbnail_url,
        places.copyright_type,
        places.longitude,
        places.latitude,
        places.longitude is not null as has_point,
        places.logical_date
    from ranked_festivals
    inner join tour_places as places on ranked_festivals.place_id = places.place_id
    left join genres on places.group_code = genres.source_value
    where ranked_festivals.record_rank = 1
)

select * from records
