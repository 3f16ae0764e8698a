{#- The largest table: only new days are computed, and a regenerated day replaces only itself. It
    uses delete+insert, because microbatch would run a query per day in the first build and
    recompute a fixed number of recent days even if they are not new. Dist: by session, with its
    searches and purchases on one node. Thirty users have four of five clicks, so by user a few
    slices would hold nearly all rows. Sort: by the day, which every query filters on. -#}
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
