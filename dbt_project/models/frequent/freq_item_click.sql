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

clicks as (
    select * from {{ ref('fct_click') }}
),

by_item as (
    select
        log_date,
        item_id,
        cast(count(*) as bigint) as click_count,
        min(load_id) as load_id
    from clicks
    where {{ is_new_or_reloaded_log_date(ref('fct_session')) }}
    group by log_date, item_id
)

select * from by_item
