{#- Dist: a few hundred rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='airport_code') }}

with

airports as (
    select * from {{ ref('dim_airport') }}
),

served as (
    select
        airport_code,
        city_code,
        country_code,
        name_en,
        name_ko,
        country_en,
        country_ko,
        longitude,
        latitude,
        is_served_from_incheon
    from airports
)

select * from served
