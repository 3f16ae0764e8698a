{#- Only new days are computed. Dist: a row for each day. Sort: by the day. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='log_date',
        on_schema_change='fail',
        post_hook="{{ delete_logs_of_other_settings(ref('fct_session')) }}",
        dist='all',
        sort='log_date',
    )
}}

with

sessions as (
    select * from {{ ref('freq_session') }}
),

by_day as (
    select
        log_date,
        cast(count(*) as bigint) as session_count,
        cast(sum(case when search_count > 0 then 1 else 0 end) as bigint) as searching_count,
        cast(sum(case when click_count > 0 then 1 else 0 end) as bigint) as clicking_count,
        cast(sum(case when purchase_count > 0 then 1 else 0 end) as bigint) as buying_count,
        cast(sum(search_count) as bigint) as search_count,
        cast(sum(click_count) as bigint) as click_count,
        cast(sum(purchase_count) as bigint) as purchase_count,
        cast(sum(amount_krw) as bigint) as amount_krw,
        min(load_id) as load_id
    from sessions
    where {{ is_new_or_reloaded_log_date(ref('fct_session')) }}
    group by log_date
)

select * from by_day
