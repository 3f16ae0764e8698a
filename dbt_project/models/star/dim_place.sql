{#- Dist: a few thousand rows. Sort: queries select places by district. -#}
{{ config(dist='all', sort=['district_id', 'place_id']) }}

with

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

intros as (
    select * from {{ ref('int_tour_intros_merged') }}
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
),

with_intros as (
    select
        places.*,
        intros.opening_hours_en,
        intros.opening_hours_ko,
        intros.opening_hours_ja,
        intros.opening_hours_zh,
        intros.closed_days_en,
        intros.closed_days_ko,
        intros.closed_days_ja,
        intros.closed_days_zh,
        intros.fee_en,
        intros.fee_ko,
        intros.fee_ja,
        intros.fee_zh,
        intros.parking_en,
        intros.parking_ko,
        intros.parking_ja,
        intros.parking_zh,
        intros.programme_en,
        intros.programme_ko,
        intros.programme_ja,
        intros.programme_zh,
        intros.offers_en,
        intros.offers_ko,
        intros.offers_ja,
        intros.offers_zh,
        intros.discount,
        intros.contact,
        intros.reservation,
        intros.visit_length,
        intros.age_limit
    from places
    left join intros on places.place_id = intros.place_id
)

select * from with_intros
