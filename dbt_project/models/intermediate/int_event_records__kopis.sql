{#- Dist: the union reads all rows, so any key that spreads evenly will do. Sort: the same key. -#}
{{ config(dist='event_id', sort='event_id') }}

with

performances as (
    select * from {{ ref('stg_kopis__performances') }}
),

performance_details as (
    select * from {{ ref('stg_kopis__performance_details') }}
),

venues as (
    select * from {{ ref('int_venues_placed') }}
),

price_ranges as (
    select * from {{ ref('int_price_texts_parsed') }}
),

genres as (
    select * from {{ ref('genre_sources') }}
    where source = 'kopis'
),

-- The list has every performance. Details are fetched only for new and changed performances, so the
-- list is newer and its values take precedence. A performance takes place at the unknown venue if
-- its venue is missing or not in any list.
detailed_performances as (
    select
        performances.performance_id,
        coalesce(performances.title, details.title) as title,
        coalesce(performances.genre, details.genre) as genre,
        coalesce(venues.venue_id, 'unknown') as venue_id,
        coalesce(venues.name_ko, performances.venue_name) as venue_name,
        details.venue_and_hall_name,
        case
            when venues.venue_id is not null then venues.district_id
            when coalesce(performances.area, details.area) not like '서울%' then 'outside'
            else 'unknown'
        end as district_id,
        coalesce(performances.starts_on, details.starts_on) as starts_on,
        coalesce(performances.ends_on, details.ends_on) as ends_on,
        coalesce(performances.is_open_run, details.is_open_run, false) as is_open_run,
        price_ranges.min_price_krw,
        price_ranges.max_price_krw,
        details.price_text,
        details.schedule_text,
        details.running_time,
        details.age_limit,
        coalesce(performances.poster_url, details.poster_url) as image_url,
        details.ticket_url as url,
        details.organizer,
        details.synopsis as description_ko,
        details.cast_names,
        details.crew_names,
        details.production_company,
        details.agency,
        details.host,
        details.ticket_links,
        details.is_festival,
        details.is_for_children,
        details.is_visit as is_from_abroad,
        details.is_daehakro,
        details.is_original_musical,
        details.is_licensed_musical,
        venues.longitude,
        venues.latitude,
        venues.longitude is not null as has_point,
        coalesce(venues.location_precision, 'none') as location_precision,
        performances.logical_date
    from performances
    left join performance_details as details
        on performances.performance_id = details.performance_id
    left join venues on 'kopis-' || details.venue_id = venues.venue_id
    left join price_ranges on details.price_text = price_ranges.price_text
),

-- '세종문화회관 (대극장)' is the venue followed by the hall.
with_hall_text as (
    select
        *,
        case
            when left(venue_and_hall_name, length(venue_name) + 1) = venue_name || ' '
                then trim(substring(venue_and_hall_name, length(venue_name) + 1))
        end as hall_text
    from detailed_performances
),

with_hall_name as (
    select
        *,
        case
            when left(hall_text, 1) = '(' and right(hall_text, 1) = ')'
                then trim(substring(hall_text, 2, length(hall_text) - 2))
        end as hall_name
    from with_hall_text
),

records as (
    select
        'kopis-' || performances.performance_id as event_id,
        cast('kopis' as varchar(10)) as source,
        performances.performance_id,
        performances.title as title_ko,
        -- '감찰관 [서울 구로]' ends with the place in brackets.
        {{ title_key(regexp_remove('performances.title', ' *[[][^]]*[]] *$')) }} as title_key,
        coalesce(genres.genre_id, 'unknown') as genre_id,
        performances.venue_id,
        -- A hall with the name of its venue is the entire venue.
        nullif(performances.hall_name, performances.venue_name) as hall_name,
        performances.district_id,
        performances.starts_on,
        performances.ends_on,
        performances.is_open_run,
        performances.max_price_krw = 0 as is_free,
        performances.min_price_krw,
        performances.max_price_krw,
        performances.price_text,
        performances.schedule_text,
        performances.running_time,
        performances.age_limit,
        performances.organizer,
        performances.description_ko,
        performances.cast_names,
        performances.crew_names,
        performances.production_company,
        performances.agency,
        performances.host,
        performances.ticket_links,
        performances.is_festival,
        performances.is_for_children,
        performances.is_from_abroad,
        performances.is_daehakro,
        performances.is_original_musical,
        performances.is_licensed_musical,
        performances.url,
        performances.image_url,
        performances.longitude,
        performances.latitude,
        performances.has_point,
        performances.location_precision,
        performances.logical_date
    from with_hall_name as performances
    left join genres on performances.genre = genres.source_value
)

select * from records
