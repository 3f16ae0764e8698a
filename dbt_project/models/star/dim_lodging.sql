{#- Dist: a few hundred rows. Sort: lodgings are asked for by district. -#}
{{ config(dist='all', sort=['district_id', 'lodging_id']) }}

with

tour_places as (
    select * from {{ ref('int_tour__places') }}
),

lodgings as (
    select
        place_id as lodging_id,
        content_id_en,
        content_id_ko,
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
    where subject = 'lodging'
)

select * from lodgings
