{#- Dist: a row per source. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='source') }}

with

sources as (
    select * from {{ ref('dim_source') }}
),

served as (
    select
        source,
        name_en,
        name_ko,
        homepage_url,
        licence,
        attribution,
        terms,
        newest_logical_date,
        loaded_at,
        row_count
    from sources
)

select * from served
