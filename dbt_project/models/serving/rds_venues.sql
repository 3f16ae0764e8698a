{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='venue_id') }}

with

venues as (
    select * from {{ ref('dim_venue') }}
),

served as (
    select
        venue_id,
        name_en,
        name_ko,
        venue_kind,
        district_id,
        address_en,
        address_ko,
        longitude,
        latitude,
        location_source,
        phone,
        website_url,
        description,
        opening_hours,
        closed_days,
        image_url,
        hall_count,
        seat_count,
        has_restaurant,
        has_cafe,
        has_store,
        has_playroom,
        has_nursing_room,
        has_accessible_parking,
        has_accessible_toilet,
        has_ramp,
        has_accessible_lift,
        has_parking
    from venues
)

select * from served
