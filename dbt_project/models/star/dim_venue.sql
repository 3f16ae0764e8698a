{#- Dist: a few thousand rows that events join. Sort: queries select venues by district. -#}
{{ config(dist='all', sort=['district_id', 'venue_id']) }}

with

venues as (
    select * from {{ ref('int_venues_placed') }}
),

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

kinds as (
    select * from {{ ref('venue_kinds') }}
),

-- A cultural space fills what KOPIS lacks.
detailed as (
    select
        venues.venue_id,
        venues.source,
        case when spaces.space_no is not null and venues.source <> 'seoul' then 'seoul' end
            as also_from,
        venues.name_en,
        venues.name_ko,
        coalesce(kopis_venues.venue_kind, spaces.space_kind) as venue_kind,
        kinds.kind_en as venue_kind_en,
        kopis_venues.province,
        venues.district_id,
        venues.district_source,
        venues.address_en,
        venues.address_ko,
        venues.longitude,
        venues.latitude,
        venues.location_precision,
        coalesce(details.phone, spaces.phone) as phone,
        coalesce(details.website_url, spaces.website_url) as website_url,
        spaces.description,
        spaces.opening_hours,
        spaces.closed_days,
        spaces.fee_text as fee,
        spaces.is_free,
        spaces.subway,
        spaces.remarks,
        spaces.image_url,
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
    from venues
    left join kopis_venues on venues.kopis_venue_id = kopis_venues.venue_id
    left join kopis_venue_details as details on venues.kopis_venue_id = details.venue_id
    left join spaces on venues.space_no = spaces.space_no
    left join kinds on coalesce(kopis_venues.venue_kind, spaces.space_kind) = kinds.kind_ko
)

select * from detailed
