{#- Dist: a few thousand rows that venues and events join. Sort: the key they join on. -#}
{{ config(dist='all', sort='venue_id') }}

with

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

space_venues as (
    select * from {{ ref('int_seoul_spaces_matched') }}
),

city_events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

city_event_venues as (
    select * from {{ ref('int_seoul_events_assigned_to_venues') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

districts as (
    select * from {{ ref('districts') }}
),

-- Of two spaces that are one venue of KOPIS the first tells what KOPIS does not.
ranked_spaces as (
    select
        spaces.*,
        space_venues.venue_id,
        row_number() over (
            partition by space_venues.venue_id
            order by length(spaces.space_no), spaces.space_no
        ) as space_rank
    from spaces
    inner join space_venues on spaces.space_no = space_venues.space_no
),

venue_spaces as (
    select * from ranked_spaces
    where space_rank = 1
),

performance_venues as (
    select
        'kopis-' || venues.venue_id as venue_id,
        venues.venue_id as kopis_venue_id,
        'kopis' as source,
        cast(null as varchar(1000)) as name_en,
        venues.venue_name as name_ko,
        record_districts.district_id,
        record_districts.district_source,
        cast(null as varchar(1000)) as address_en,
        coalesce(details.address, venue_spaces.address) as address_ko,
        coalesce(details.longitude, venue_spaces.longitude) as longitude,
        coalesce(details.latitude, venue_spaces.latitude) as latitude
    from kopis_venues as venues
    inner join record_districts
        on
            venues.venue_id = record_districts.record_id
            and record_districts.source = 'kopis'
    left join kopis_venue_details as details on venues.venue_id = details.venue_id
    left join venue_spaces on 'kopis-' || venues.venue_id = venue_spaces.venue_id
),

city_spaces as (
    select
        venue_spaces.venue_id,
        cast(null as varchar(20)) as kopis_venue_id,
        'seoul' as source,
        cast(null as varchar(1000)) as name_en,
        venue_spaces.space_name as name_ko,
        record_districts.district_id,
        record_districts.district_source,
        cast(null as varchar(1000)) as address_en,
        venue_spaces.address as address_ko,
        venue_spaces.longitude,
        venue_spaces.latitude
    from venue_spaces
    inner join record_districts
        on
            venue_spaces.space_no = record_districts.record_id
            and record_districts.source = 'seoul_space'
    where venue_spaces.venue_id = 'seoul-' || venue_spaces.space_no
),

-- The places of the city's events that no list has, as the newest of them names them.
ranked_city_places as (
    select
        city_event_venues.venue_id,
        city_event_venues.venue_name as name_ko,
        record_districts.district_id,
        record_districts.district_source,
        city_events.longitude,
        city_events.latitude,
        row_number() over (
            partition by city_event_venues.venue_id
            order by
                case when city_events.longitude is null then 1 else 0 end asc,
                city_events.starts_on desc nulls last,
                city_events.event_code desc
        ) as place_rank
    from city_events
    inner join city_event_venues on city_events.event_code = city_event_venues.event_code
    inner join record_districts
        on
            city_events.event_code = record_districts.record_id
            and record_districts.source = 'seoul_event'
    where
        not city_event_venues.is_known_venue
        and city_event_venues.venue_id <> 'unknown'
),

city_places as (
    select
        venue_id,
        cast(null as varchar(20)) as kopis_venue_id,
        'seoul' as source,
        cast(null as varchar(1000)) as name_en,
        name_ko,
        district_id,
        district_source,
        cast(null as varchar(1000)) as address_en,
        cast(null as varchar(1000)) as address_ko,
        longitude,
        latitude
    from ranked_city_places
    where place_rank = 1
),

-- One spot for all festivals that name it: as the newest of them that has coordinates gives it. A
-- lot number alone, '24-1', is no name without its street.
festival_spots as (
    select
        venue_id,
        case
            when translate(address_detail_en, '0123456789- ', '') <> '' then address_detail_en
            else address_en || coalesce(' ' || address_detail_en, '')
        end as name_en,
        case
            when translate(address_detail_ko, '0123456789- ', '') <> '' then address_detail_ko
            else address_ko || coalesce(' ' || address_detail_ko, '')
        end as name_ko,
        district_id,
        district_source,
        address_en,
        address_ko,
        longitude,
        latitude,
        row_number() over (
            partition by venue_id
            order by
                case when longitude is null then 1 else 0 end asc,
                modified_at desc nulls last,
                place_id asc
        ) as spot_rank
    from tour_places
    where
        subject = 'festival'
        and venue_id <> 'unknown'
),

festival_venues as (
    select
        venue_id,
        cast(null as varchar(20)) as kopis_venue_id,
        'tour' as source,
        name_en,
        name_ko,
        district_id,
        district_source,
        address_en,
        address_ko,
        longitude,
        latitude
    from festival_spots
    where spot_rank = 1
),

-- Where an event goes whose venue is not known, so that it is not lost.
unknown_venue as (
    select
        'unknown' as venue_id,
        cast(null as varchar(20)) as kopis_venue_id,
        'none' as source,
        'Unknown venue' as name_en,
        '장소 미상' as name_ko,
        'unknown' as district_id,
        'none' as district_source,
        cast(null as varchar(1000)) as address_en,
        cast(null as varchar(1000)) as address_ko,
        cast(null as double precision) as longitude,
        cast(null as double precision) as latitude
),

all_venues as (
    select * from performance_venues
    union all
    select * from festival_venues
    union all
    select * from city_spaces
    union all
    select * from city_places
    union all
    select * from unknown_venue
),

-- A venue without coordinates of its own stands in the centre of its district.
placed as (
    select
        all_venues.venue_id,
        all_venues.kopis_venue_id,
        venue_spaces.space_no,
        all_venues.source,
        all_venues.name_en,
        all_venues.name_ko,
        all_venues.district_id,
        all_venues.district_source,
        all_venues.address_en,
        all_venues.address_ko,
        coalesce(all_venues.longitude, districts.longitude) as longitude,
        coalesce(all_venues.latitude, districts.latitude) as latitude,
        case
            when all_venues.longitude is not null then 'venue'
            when districts.longitude is not null then 'district'
            else 'none'
        end as location_source
    from all_venues
    left join districts on all_venues.district_id = districts.district_id
    left join venue_spaces on all_venues.venue_id = venue_spaces.venue_id
)

select * from placed
