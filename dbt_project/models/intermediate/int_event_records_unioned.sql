{#- Dist: joined to its matches on the key, which spreads evenly.
    Sort: the columns by which two sources are compared. -#}
{{ config(dist='event_id', sort=['title_key', 'starts_on']) }}

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
    select * from {{ ref('int_tour_records_matched') }}
),

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

venues as (
    select * from {{ ref('int_venues_unioned') }}
),

genres as (
    select * from {{ ref('genres') }}
),

cultural_events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

cultural_event_venues as (
    select * from {{ ref('int_seoul_events_assigned_to_venues') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
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
        details.organizer,
        details.synopsis as description,
        venues.longitude,
        venues.latitude,
        coalesce(venues.location_source = 'venue', false) as has_point,
        performances.logical_date
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
        cast(null as varchar(20)) as event_code,
        cast(null as varchar(1000)) as title_en,
        title as title_ko,
        cast(null as varchar(1000)) as title_ja,
        cast(null as varchar(1000)) as title_zh,
        -- '감찰관 [서울 구로]' tells at its end where.
        {{ title_key(regexp_remove('title', ' *[[][^]]*[]] *$')) }} as title_key,
        genre as genre_value,
        venue_id,
        -- A hall with the name of its venue is the whole of it.
        nullif(hall_name, venue_name) as hall_name,
        district_id,
        starts_on,
        ends_on,
        is_open_run,
        max_price_krw = 0 as is_free,
        min_price_krw,
        max_price_krw,
        price_text,
        schedule_text,
        running_time,
        age_limit,
        organizer,
        description,
        cast(null as varchar(1000)) as phone,
        url,
        image_url,
        cast(null as varchar(1000)) as thumbnail_url,
        cast(null as varchar(20)) as copyright_type,
        longitude,
        latitude,
        has_point,
        logical_date
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
        cast(null as varchar(20)) as event_code,
        places.title_en,
        places.title_ko,
        places.title_ja,
        places.title_zh,
        {{ title_key('places.title_ko') }} as title_key,
        places.group_code as genre_value,
        coalesce(places.venue_id, 'unknown') as venue_id,
        cast(null as varchar(1000)) as hall_name,
        places.district_id,
        ranked_festivals.starts_on,
        ranked_festivals.ends_on,
        false as is_open_run,
        cast(null as boolean) as is_free,
        cast(null as numeric(12, 0)) as min_price_krw,
        cast(null as numeric(12, 0)) as max_price_krw,
        cast(null as varchar(65535)) as price_text,
        cast(null as varchar(65535)) as schedule_text,
        cast(null as varchar(1000)) as running_time,
        cast(null as varchar(1000)) as age_limit,
        cast(null as varchar(1000)) as organizer,
        cast(null as varchar(65535)) as description,
        places.phone,
        cast(null as varchar(65535)) as url,
        places.image_url,
        places.thumbnail_url,
        places.copyright_type,
        places.longitude,
        places.latitude,
        places.longitude is not null as has_point,
        places.logical_date
    from ranked_festivals
    inner join tour_places as places on ranked_festivals.place_id = places.place_id
    where ranked_festivals.record_rank = 1
),

-- The plaza tells the district, and often a point. Its organizers' pages are the better address.
city_events as (
    select
        'seoul-' || cultural_events.event_code as event_id,
        'seoul' as source,
        cast(null as varchar(20)) as performance_id,
        cast(null as varchar(20)) as content_id_en,
        cast(null as varchar(20)) as content_id_ko,
        cultural_events.event_code,
        cast(null as varchar(1000)) as title_en,
        cultural_events.title as title_ko,
        cast(null as varchar(1000)) as title_ja,
        cast(null as varchar(1000)) as title_zh,
        {{ title_key('cultural_events.title') }} as title_key,
        cultural_events.genre as genre_value,
        cultural_event_venues.venue_id,
        cultural_event_venues.hall_name,
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
        cast(null as varchar(1000)) as running_time,
        cultural_events.audience as age_limit,
        cultural_events.organizer,
        coalesce(cultural_events.program, cultural_events.remarks) as description,
        cultural_events.inquiry as phone,
        coalesce(
            case when cultural_events.website_url like 'http%' then cultural_events.website_url end,
            cultural_events.page_url
        ) as url,
        cultural_events.image_url,
        cast(null as varchar(1000)) as thumbnail_url,
        cast(null as varchar(20)) as copyright_type,
        coalesce(cultural_events.longitude, venues.longitude) as longitude,
        coalesce(cultural_events.latitude, venues.latitude) as latitude,
        cultural_events.longitude is not null or venues.location_source = 'venue' as has_point,
        cultural_events.logical_date
    from cultural_events
    inner join cultural_event_venues
        on cultural_events.event_code = cultural_event_venues.event_code
    inner join record_districts
        on
            cultural_events.event_code = record_districts.record_id
            and record_districts.source = 'seoul_event'
    inner join venues on cultural_event_venues.venue_id = venues.venue_id
),

events as (
    select * from performance_events
    union all
    select * from festival_events
    union all
    select * from city_events
),

with_genre as (
    select
        events.event_id,
        events.source,
        events.performance_id,
        events.content_id_en,
        events.content_id_ko,
        events.event_code,
        events.title_en,
        events.title_ko,
        events.title_ja,
        events.title_zh,
        events.title_key,
        coalesce(genres.genre_id, 'unknown') as genre_id,
        events.venue_id,
        events.hall_name,
        events.district_id,
        events.starts_on,
        events.ends_on,
        events.is_open_run,
        events.is_free,
        events.min_price_krw,
        events.max_price_krw,
        events.price_text,
        events.schedule_text,
        events.running_time,
        events.age_limit,
        events.organizer,
        events.description,
        events.phone,
        events.url,
        events.image_url,
        events.thumbnail_url,
        events.copyright_type,
        events.longitude,
        events.latitude,
        events.has_point,
        events.logical_date
    from events
    left join genres
        on
            events.source = genres.source
            and events.genre_value = genres.source_value
)

select * from with_genre
