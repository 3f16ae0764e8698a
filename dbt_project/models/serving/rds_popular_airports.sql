{#- Dist: one row per airport. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='airport_code') }}

with

airports as (
    select * from {{ ref('freq_wanted_airport') }}
),

served as (
    select
        airport_code,
        'web_logs' as source,
        {{ attribution("'web_logs'") }} as attribution,
        search_rank as popularity_rank,
        search_count,
        first_log_date as first_counted_on,
        last_log_date as last_counted_on
    from airports
)

select * from served
