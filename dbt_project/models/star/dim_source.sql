{#- Dist: a row per source. Sort: the key. -#}
{{ config(dist='all', sort='source') }}

with

loads as (
    select * from {{ ref('stg_runs__newest_loads') }}
),

described as (
    {{ select_data_sources() }}
),

newest as (
    select
        source_name,
        max(logical_date) as newest_logical_date,
        max(loaded_at) as loaded_at,
        cast(sum(row_count) as bigint) as row_count
    from loads
    group by source_name
),

sources as (
    select
        described.source,
        described.name_en,
        described.name_ko,
        described.homepage_url,
        described.licence,
        described.attribution,
        described.terms,
        newest.newest_logical_date,
        cast(newest.loaded_at as timestamp) as loaded_at,
        coalesce(newest.row_count, 0) as row_count
    from described
    left join newest on described.source = newest.source_name
)

select * from sources
