{#- Dist: a few thousand rows that venues and events join. Sort: the key they join on. -#}
{{ config(dist='all', sort='venue_id') }}

with

venues as (
    select * from {{ ref('int_venues_unioned') }}
),

districts as (
    select * from {{ ref('districts') }}
),

-- A venue without coordinates is placed in the centre of its district.
placed_venues as (
    select
        venues.venue_id,
        venues.kopis_venue_id,
        venues.space_no,
        venues.source,
        venues.name_en,
        venues.name_ko,
        venues.district_id,
        venues.district_source,
        venues.address_en,
        venues.address_ko,
        coalesce(venues.longitude, districts.longitude) as longitude,
        coalesce(venues.latitude, districts.latitude) as latitude,
        case
            when venues.longitude is not null then 'venue'
            when districts.longitude is not null then 'district'
            else 'none'
        end as location_source
    from venues
    left join districts on venues.district_id = districts.district_id
),

-- Events whose venue is not known take place at the unknown venue, so that none is lost.
with_unknown as (
    select * from placed_venues
    union all
    select
        'unknown' as venue_id,
        null as kopis_venue_id,
        null as space_no,
        'none' as source,
        'Unknown venue' as name_en,
        '장소 미상' as name_ko,
        'unknown' as district_id,
        'none' as district_source,
        null as address_en,
        null as address_ko,
        null as longitude,
        null as latitude,
        'none' as location_source
)

select * from with_unknown
