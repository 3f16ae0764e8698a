{#- Dist: a few hundred rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='lodging_id') }}

with

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

served as (
    select
        lodging_id,
        source,
        licence_kind,
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
        room_count,
        longitude,
        latitude,
        image_url,
        thumbnail_url,
        copyright_type,
        modified_at
    from lodgings
    where is_listed
)

select * from served
