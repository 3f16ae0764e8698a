{#- Dist: a row per source. Sort: the key. -#}
{{ config(dist='all', sort='source') }}

with

loads as (
    select * from {{ ref('stg_runs__newest_loads') }}
),

sessions as (
    select * from {{ ref('fct_session') }}
),

described as (
    {{ select_data_sources() }}
),

newest_usage as (
    select max(log_date) as log_date
    from sessions
),

-- The usage logs do not record when they were loaded.
newest as (
    select
        source_name,
        max(logical_date) as newest_logical_date,
        cast(max(loaded_at) as timestamp) as loaded_at,
        cast(sum(row_count) as bigint) as row_count
    from loads
    group by source_name
    union all
    select
        'web_logs' as source_name,
        sessions.log_date as newest_logical_date,
        cast(null as timestamp) as loaded_at,
        count(*) as row_count
    from sessions
    inner join newest_usage on sessions.log_date = newest_usage.log_date
    group by sessions.log_date
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
        newest.loaded_at,
        coalesce(newest.row_count, 0) as row_count
    from described
    left join newest on described.source = newest.source_name
)

select * from sources
