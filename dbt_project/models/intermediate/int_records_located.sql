{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['source', 'record_id']) }}

with

tour_records as (
    select * from {{ ref('stg_tour__records') }}
),

venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

seoul_events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

seoul_spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

seoul_lodgings as (
    select * from {{ ref('stg_seoul__lodgings') }}
),

-- Only TourAPI has district codes. The province and district of a KOPIS venue form the beginning of
-- an address, as does the district of an event of Seoul.
unioned as (
    select
        'tour_' || language_code as source,
        content_id as record_id,
        region_code,
        district_code,
        legacy_area_code,
        legacy_district_code,
        address,
        longitude,
        latitude
    from tour_records
    union all
    select
        'kopis' as source,
        venues.venue_id as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        coalesce(
            venues.province || ' ' || venues.district_name,
            venues.province,
            venue_details.address
        ) as address,
        venue_details.longitude,
        venue_details.latitude
    from venues
    left join venue_details on venues.venue_id = venue_details.venue_id
    union all
    select
        'seoul_event' as source,
        event_code as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        '서울 ' || district_name as address,
        longitude,
        latitude
    from seoul_events
    union all
    select
        'seoul_space' as source,
        space_no as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        address,
        longitude,
        latitude
    from seoul_spaces
    union all
    select
        'seoul_lodging' as source,
        licence_no as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        coalesce(road_address, lot_address) as address,
        longitude,
        latitude
    from seoul_lodgings
)

select * from unioned
