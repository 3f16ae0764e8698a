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

intros as (
    select * from {{ ref('int_tour_intros_merged') }}
),

price_ranges as (
    select * from {{ ref('int_price_texts_parsed') }}
),

genres as (
    select * from {{ ref('genre_sources') }}
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
        price_ranges.max_price_krw = 0 as is_free,
        price_ranges.min_price_krw,
        price_ranges.max_price_krw,
        coalesce(intros.fee_en, intros.fee_ko, intros.fee_ja, intros.fee_zh) as price_text,
        coalesce(
            intros.opening_hours_en,
            intros.opening_hours_ko,
            intros.opening_hours_ja,
            intros.opening_hours_zh
        ) as schedule_text,
        intros.visit_length as running_time,
        intros.age_limit,
        intros.organizer,
        places.overview_en as description_en,
        places.overview_ko as description_ko,
        places.overview_ja as description_ja,
        places.overview_zh as description_zh,
        intros.event_place_en,
        intros.event_place_ko,
        intros.event_place_ja,
        intros.event_place_zh,
        intros.programme_en,
        intros.programme_ko,
        intros.programme_ja,
        intros.programme_zh,
        coalesce(places.homepage_url, intros.homepage_url) as homepage_url,
        intros.discount,
        intros.reservation,
        coalesce(places.phone, intros.contact) as phone,
        places.image_url,
        places.thumbnail_url,
        places.copyright_type,
        places.longitude,
        places.latitude,
        places.longitude is not null as has_point,
        case
            when places.longitude is not null then 'address'
            when places.district_id not in ('unknown', 'outside') then 'district'
            else 'none'
        end as location_precision,
        places.logical_date
    from ranked_festivals
    inner join tour_places as places on ranked_festivals.place_id = places.place_id
    left join intros on ranked_festivals.place_id = intros.place_id
    left join price_ranges on intros.fee_ko = price_ranges.price_text
    left join genres on places.group_code = genres.source_value
    where ranked_festivals.record_rank = 1
)

select * from records
