{#- Dist: joined to its days on the key, which spreads evenly.
    Sort: events are asked for by date. -#}
{{ config(dist='event_id', sort='starts_on') }}

with

performances as (
    select * from {{ ref('stg_kopis__performances') }}
),

performance_details as (
    select * from {{ ref('stg_kopis__performance_details') }}
),

festivals as (
    select * from {{ ref('stg_tour__festivals') }}
),

tour_records as (
    select * from {{ ref('bridge_tour_record') }}
),

tour_places as (
    select * from {{ ref('int_tour__places') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

genres as (
    select * from {{ ref('dim_genre') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

-- The list has every performance, and is newer than the details, which are fetched only when they
-- are new or changed: where both say something, the list counts. A performance whose venue is not
-- told, or in no list, takes place at the unknown one.
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
        details.min_price_krw,
        details.max_price_krw,
        details.price_text,
        details.schedule_text,
        details.running_time,
        details.age_limit,
        coalesce(performances.poster_url, details.poster_url) as image_url,
        details.ticket_url as url,
        venues.longitude,
        venues.latitude,
        performances.loaded_on
    from performances
    left join performance_details as details
        on performances.performance_id = details.performance_id
    left join venues on 'kopis-' || details.venue_id = venues.venue_id
),

-- '세종문화회관 (대극장)' is a venue and its hall.
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

performance_events as (
    select
        'kopis-' || performance_id as event_id,
        'kopis' as source,
        performance_id,
        cast(null as varchar(20)) as content_id_en,
        cast(null as varchar(20)) as content_id_ko,
        cast(null as varchar(1000)) as title_en,
        title as title_ko,
        genre as genre_value,
        venue_id,
        -- A hall with the name of its venue is the whole of it.
        nullif(hall_name, venue_name) as hall_name,
        district_id,
        starts_on,
        ends_on,
        is_open_run,
        min_price_krw,
        max_price_krw,
        price_text,
        schedule_text,
        running_time,
        age_limit,
        cast(null as varchar(1000)) as phone,
        url,
        image_url,
        cast(null as varchar(1000)) as thumbnail_url,
        cast(null as varchar(20)) as copyright_type,
        longitude,
        latitude,
        loaded_on
    from with_hall_name
),

-- Of a festival in both languages the leading record's dates count.
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

festival_events as (
    select
        'tour-' || places.place_id as event_id,
        'tour' as source,
        cast(null as varchar(20)) as performance_id,
        places.content_id_en,
        places.content_id_ko,
        places.title_en,
        places.title_ko,
        places.group_code as genre_value,
        coalesce(places.venue_id, 'unknown') as venue_id,
        cast(null as varchar(1000)) as hall_name,
        places.district_id,
        ranked_festivals.starts_on,
        ranked_festivals.ends_on,
        false as is_open_run,
        cast(null as numeric(12, 0)) as min_price_krw,
        cast(null as numeric(12, 0)) as max_price_krw,
        cast(null as varchar(65535)) as price_text,
        cast(null as varchar(65535)) as schedule_text,
        cast(null as varchar(1000)) as running_time,
        cast(null as varchar(1000)) as age_limit,
        places.phone,
        cast(null as varchar(65535)) as url,
        places.image_url,
        places.thumbnail_url,
        places.copyright_type,
        places.longitude,
        places.latitude,
        places.loaded_on
    from ranked_festivals
    inner join tour_places as places on ranked_festivals.place_id = places.place_id
    where ranked_festivals.record_rank = 1
),

events as (
    select * from performance_events
    union all
    select * from festival_events
),

-- Dates stay as the source gave them, null where it gave none, as for some festivals: an end that
-- nobody announced is not made up. A date outside the calendar has no key.
keyed as (
    select
        events.event_id,
        events.source,
        events.performance_id,
        events.content_id_en,
        events.content_id_ko,
        events.title_en,
        events.title_ko,
        coalesce(genres.genre_id, 'unknown') as genre_id,
        events.venue_id,
        events.hall_name,
        events.district_id,
        events.starts_on,
        events.ends_on,
        first_days.date_id as first_date_id,
        last_days.date_id as last_date_id,
        events.is_open_run,
        events.max_price_krw = 0 as is_free,
        events.min_price_krw,
        events.max_price_krw,
        events.price_text,
        events.schedule_text,
        events.running_time,
        events.age_limit,
        events.phone,
        events.url,
        events.image_url,
        events.thumbnail_url,
        events.copyright_type,
        events.longitude,
        events.latitude,
        events.loaded_on
    from events
    left join genres
        on
            events.source = genres.source
            and events.genre_value = genres.source_value
    left join days as first_days on events.starts_on = first_days.date_day
    left join days as last_days on events.ends_on = last_days.date_day
)

select * from keyed
