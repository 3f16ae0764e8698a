{#- Dist: 27 rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='district_id') }}

with

districts as (
    select * from {{ ref('dim_district') }}
),

served as (
    select
        district_id,
        'tour' as source,
        {{ attribution("'tour'") }} as attribution,
        name_en,
        name_ko,
        name_ja,
        name_zh,
        longitude,
        latitude
    from districts
)

select * from served
