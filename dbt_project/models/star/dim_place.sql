{#- Dist: a few thousand rows. Sort: places are asked for by district. -#}
{{ config(dist='all', sort=['district_id', 'place_id']) }}

with

tour_places as (
    select * from {{ ref('int_tour__places') }}
),

places as (
    select
        place_id,
        content_id_en,
        content_id_ko,
        kind,
        category_id,
        district_id,
        district_source,
        title_en,
        title_ko,
        address_en || coalesce(' ' || address_detail_en, '') as address_en,
        address_ko || coalesce(' ' || address_detail_ko, '') as address_ko,
        zip_code,
        phone,
        longitude,
        latitude,
        image_url,
        thumbnail_url,
        copyright_type,
        created_at,
        modified_at,
        loaded_on
    from tour_places
    where subject = 'place'
)

select * from places
