{#- Only new days are computed. Dist: even, since it is not joined. Sort: by the day, which queries
    filter on. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='log_date',
        on_schema_change='fail',
        post_hook="{{ delete_logs_of_other_settings(ref('fct_session')) }}",
        dist='even',
        sort='log_date',
    )
}}

with

searches as (
    select * from {{ ref('fct_search') }}
),

by_airport as (
    select
        log_date,
        airport_code,
        cast(count(*) as bigint) as search_count,
        min(load_id) as load_id
    from searches
    where
        airport_code is not null
        and {{ is_new_or_reloaded_log_date(ref('fct_session')) }}
    group by log_date, airport_code
)

select * from by_airport
