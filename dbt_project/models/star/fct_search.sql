{#- A day of searches does not change once it is made: only new days are computed, and a day that is
    made again replaces itself alone. Dist: by session, with its clicks and purchases on one node;
    by user a few would fill theirs. Sort: by the day, which every query names. -#}
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
