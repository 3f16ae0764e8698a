{#- A generated day of searches does not change, so only new days are computed, and a regenerated
    day replaces only itself. Dist: by session, with its clicks and purchases on one node. By user a
    few nodes would hold most rows. Sort: by the day, which every query filters on. -#}
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

searches as (
    select * from {{ ref('stg_web_logs__searches') }}
),

new_searches as (
    select
        search_id,
        session_id,
        coalesce(user_id, 0) as user_id,
        topic_code,
        airport_code,
        searched_at,
        log_date,
        load_id
    from searches
    where {{ is_new_or_reloaded_log_date(ref('stg_web_logs__sessions')) }}
)

select * from new_searches
