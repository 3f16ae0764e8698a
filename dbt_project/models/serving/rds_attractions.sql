{#- Dist: a few thousand rows. Sort: the export reads it whole, by key. -#}
{{ config(dist='all', sort='place_id') }}

with

places as (
    select * from {{ ref('dim_place') }}
),

served as (
    select
        place_id,
        kind,
        category_id,
        district_id,
        title_en,
        title_ko,
        address_en,
        address_ko,
        zip_code,
        phone,
        longitude,
        latitude,
        image_url,
        thumbnail_url,
        copyright_type,
        modified_at
    from places
)

select * from served
