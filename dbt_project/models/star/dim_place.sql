{#- Dist: a few thousand rows. Sort: queries select places by district. -#}
{{ config(dist='all', sort=['district_id', 'place_id']) }}

with

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

places as (
    select
        place_id,
        content_id_en,
        content_id_ko,
        content_id_ja,
        content_id_zh,
        kind,
        category_id,
        district_id,
        district_source,
        title_en,
        title_ko,
        title_ja,
        title_zh,
        address_en || coalesce(' ' || address_detail_en, '') as address_en,
        address_ko || coalesce(' ' || address_detail_ko, '') as address_ko,
        zip_code,
        phone,
        longitude,
        latitude,
        image_url,
        thumbnail_url,
        copyright_type,
        overview_en,
        overview_ko,
        overview_ja,
        overview_zh,
        homepage_url,
        is_clinic,
        is_listed,
        removed_on,
        created_at,
        modified_at,
        logical_date
    from tour_places
    where subject = 'place'
)

select * from places
