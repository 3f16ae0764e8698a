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

sessions as (
    select * from {{ ref('freq_session') }}
),

buyers as (
    select
        log_date,
        load_id,
        channel_code,
        cast(
            floor(
                {{ dbt.datediff('first_search_at', 'first_purchase_at', 'second') }} / 600.0
            ) * 10 as integer
        ) as minutes_from
    from sessions
    where
        purchase_count > 0
        and {{ is_new_or_reloaded_log_date(ref('fct_session')) }}
),

by_time as (
    select
        log_date,
        channel_code,
        minutes_from,
        cast(count(*) as bigint) as session_count,
        min(load_id) as load_id
    from buyers
    group by log_date, channel_code, minutes_from
)

select * from by_time
