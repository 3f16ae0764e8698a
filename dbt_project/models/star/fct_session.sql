{#- Only new days are computed, and a regenerated day replaces only itself. Dist: by session, with
    its searches, clicks and purchases on one node. Sort: by the day, which every query filters on.
    -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='log_date',
        on_schema_change='fail',
        post_hook="{{ delete_logs_of_other_settings(ref('stg_web_logs__sessions')) }}",
        dist='session_id',
        sort='log_date',
    )
}}

with

sessions as (
    select * from {{ ref('stg_web_logs__sessions') }}
),

new_sessions as (
    select
        session_id,
        user_id,
        channel_code,
        started_at,
        log_date,
        load_id
    from sessions
    where {{ is_new_or_reloaded_log_date(ref('stg_web_logs__sessions')) }}
)

select * from new_sessions
