{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
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
        title_ja,
        title_zh,
        address_en,
        address_ko,
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
        modified_at
    from places
    -- Medical tourism is not an attraction. Places that the source removed leave the website.
    where
        is_listed
        and not is_clinic
)

select * from served
