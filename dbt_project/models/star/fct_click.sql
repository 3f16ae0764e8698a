{#- The largest table: only new days are computed, and a day that is made again replaces itself
    alone. By delete+insert, for microbatch would run a query for each day of a first build, and
    compute again a set number of the last days, whether they are new or not. Dist: by session, with
    its search and purchases on one node; four clicks out of five are of thirty users, so that by
    user a few slices would hold nearly all. Sort: by the day, which every query names. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='log_date',
        on_schema_change='fail',
        post_hook="{{ delete_logs_of_other_settings(ref('fct_session')) }}",
        dist='session_id',
        sort='log_date',
    )
}}

with

clicks as (
    select * from {{ ref('stg_web_logs__clicks') }}
),

new_clicks as (
    select
        click_id,
        search_id,
        session_id,
        user_id,
        item_id,
        clicked_at,
        log_date,
        load_id
    from clicks
    where {{ is_new_or_reloaded_log_date(ref('stg_web_logs__sessions')) }}
)

select * from new_clicks
