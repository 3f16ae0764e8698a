{#- Only new days are computed, and a day that is made again replaces itself alone. Dist: by
    session, with what is in it on one node. Sort: by the day, which every query names. -#}
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
