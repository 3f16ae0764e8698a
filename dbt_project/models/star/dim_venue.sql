{#- Dist: a few thousand rows that events join. Sort: venues are asked for by district. -#}
{{ config(dist='all', sort=['district_id', 'venue_id']) }}

with

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

tour_places as (
    select * from {{ ref('int_tour__places') }}
),

record_districts as (
    select * from {{ ref('bridge_record_district') }}
),

districts as (
    select * from {{ ref('dim_district') }}
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
        details.address as address_ko,
        details.longitude,
        details.latitude
    from kopis_venues as venues
    inner join record_districts
        on
            venues.venue_id = record_districts.record_id
            and record_districts.source = 'kopis'
    left join kopis_venue_details as details on venues.venue_id = details.venue_id
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
                modified_at desc,
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
    select * from unknown_venue
),

-- A venue without coordinates of its own stands in the centre of its district.
placed as (
    select
        all_venues.venue_id,
        all_venues.source,
        all_venues.name_en,
        all_venues.name_ko,
        kopis_venues.venue_kind,
        kopis_venues.province,
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
        end as location_source,
        details.phone,
        details.website_url,
        kopis_venues.hall_count,
        details.seat_count,
        kopis_venues.opened_year,
        details.has_restaurant,
        details.has_cafe,
        details.has_store,
        details.has_playroom,
        details.has_nursing_room,
        details.has_accessible_parking,
        details.has_accessible_toilet,
        details.has_ramp,
        details.has_accessible_lift,
        details.has_parking
    from all_venues
    inner join districts on all_venues.district_id = districts.district_id
    left join kopis_venues on all_venues.kopis_venue_id = kopis_venues.venue_id
    left join kopis_venue_details as details on all_venues.kopis_venue_id = details.venue_id
)

select * from placed
