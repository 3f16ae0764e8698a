{#- Dist: 27 rows that every table with a location joins. Sort: the key they join on. -#}
{{ config(dist='all', sort='district_id') }}

with

districts as (
    select * from {{ ref('districts') }}
),

-- A location outside Seoul is distinguished from an unknown location.
with_named_unknowns as (
    select
        district_id,
        tour_region,
        tour_district,
        tour_legacy_area,
        tour_legacy_district,
        kopis_district,
        name_en,
        name_ko,
        name_ja,
        name_zh,
        latitude,
        longitude,
        area_km2
    from districts
    union all
    select
        'outside' as district_id,
        null as tour_region,
        null as tour_district,
        null as tour_legacy_area,
        null as tour_legacy_district,
        null as kopis_district,
        'Outside Seoul' as name_en,
        '서울 외 지역' as name_ko,
        'ソウル市外' as name_ja,
        '首尔市外' as name_zh,
        null as latitude,
        null as longitude,
        null as area_km2
    union all
    select
        'unknown' as district_id,
        null as tour_region,
        null as tour_district,
        null as tour_legacy_area,
        null as tour_legacy_district,
        null as kopis_district,
        'Unknown' as name_en,
        '미상' as name_ko,
        '不明' as name_ja,
        '未知' as name_zh,
        null as latitude,
        null as longitude,
        null as area_km2
)

select * from with_named_unknowns
