{#- Only new days are computed, and a regenerated day replaces only itself. Dist: by session, with
    its clicks on one node. Sort: by the day, which every query filters on. -#}
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

purchases as (
    select * from {{ ref('stg_web_logs__purchases') }}
),

new_purchases as (
    select
        purchase_id,
        click_id,
        session_id,
        user_id,
        amount_krw,
        purchased_at,
        log_date,
        load_id
    from purchases
    where {{ is_new_or_reloaded_log_date(ref('stg_web_logs__sessions')) }}
)

select * from new_purchases
