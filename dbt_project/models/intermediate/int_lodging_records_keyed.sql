{#- Dist: a few thousand rows that are joined to each other. Sort: the key they join on. -#}
{{ config(dist='all', sort='member') }}

with

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

licences as (
    select * from {{ ref('stg_seoul__lodgings') }}
),

-- A member begins with a number that sorts the most reliable source first: TourAPI, then licences
-- of hotels, of homestays, of other lodgings.
candidates as (
    select
        'tour' as source,
        place_id as record_id,
        place_id as lodging_id,
        '1' || place_id as member,
        'tour' as kind,
        title_ko as name,
        address_ko as road_address,
        cast(null as varchar(1000)) as lot_address,
        longitude,
        latitude
    from tour_places
    where subject = 'lodging'
    union all
    select
        'seoul' as source,
        licence_no as record_id,
        'seoul-' || licence_no as lodging_id,
        case licence_kind when 'tourist_hotel' then '2' when 'homestay' then '3' else '4' end
        || 'seoul-' || licence_no as member,
        licence_kind as kind,
        name,
        road_address,
        lot_address,
        longitude,
        latitude
    from licences
    where is_open
),

keyed as (
    select
        source,
        record_id,
        lodging_id,
        member,
        kind,
        {{ name_key('name') }} as name_key,
        {{ lodging_core_key('name') }} as core_key,
        {{ house_address_key('road_address') }} as address_key,
        {{ house_address_key('lot_address') }} as lot_key,
        -- '3층' or '201호' after the house number is a part of a building.
        {{ regexp_extract('road_address', '[0-9](층|호)') }} is not null as is_part_of_building,
        longitude,
        latitude
    from candidates
)

select * from keyed
