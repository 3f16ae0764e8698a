{#- Dist: a few thousand rows that venues and events join. Sort: the key they join on. -#}
{{ config(dist='all', sort='venue_id') }}

with

venues as (
    select * from {{ ref('int_venues_unioned') }}
),

districts as (
    select * from {{ ref('districts') }}
),

-- A point is exported only if it is the venue's own. Events and festivals give the point of an
-- address, which is that of all places there. The office of a district is no venue.
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
        venues.longitude,
        venues.latitude,
        case
            when
                venues.longitude is not null
                and (venues.kopis_venue_id is not null or venues.space_no is not null)
                then 'venue'
            when venues.longitude is not null then 'address'
            when districts.district_id is not null then 'district'
            else 'none'
        end as location_precision
    from venues
    left join districts on venues.district_id = districts.district_id
),

-- Events online, at several places, and at a venue that is not known have members of their own, so
-- that none is lost.
members as (
    select
        'unknown' as venue_id,
        'Unknown venue' as name_en,
        '장소 미상' as name_ko
    union all
    select
        'online' as venue_id,
        'Online' as name_en,
        '온라인' as name_ko
    union all
    select
        'various' as venue_id,
        'Various places' as name_en,
        '행사별 상이' as name_ko
),

with_members as (
    select * from placed_venues
    union all
    select
        venue_id,
        null as kopis_venue_id,
        null as space_no,
        'none' as source,
        name_en,
        name_ko,
        'unknown' as district_id,
        'none' as district_source,
        null as address_en,
        null as address_ko,
        null as longitude,
        null as latitude,
        'none' as location_precision
    from members
)

select * from with_members
