{#- Dist: a few hundred rows. Sort: the export reads it whole, by key. -#}
{{ config(dist='all', sort='lodging_id') }}

with

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

served as (
    select
        lodging_id,
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
    from lodgings
)

select * from served
