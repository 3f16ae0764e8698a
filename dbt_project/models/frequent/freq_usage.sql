{#- Searches, clicks and purchases by country, age group and channel, which are queried daily over
    all days: a hundred thousand rows instead of 400 million. Only new days are computed. Dist:
    even, since it is not joined. Sort: by the day, which queries filter on. -#}
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

users as (
    select * from {{ ref('dim_user') }}
),

-- Aggregated by user first, since a few users have most of the sessions.
by_user as (
    select
        log_date,
        load_id,
        channel_code,
        user_id,
        count(*) as session_count,
        sum(search_count) as search_count,
        sum(anonymous_search_count) as anonymous_search_count,
        sum(click_count) as click_count,
        sum(purchase_count) as purchase_count,
        sum(amount_krw) as amount_krw
    from sessions
    where {{ is_new_or_reloaded_log_date(ref('fct_session')) }}
    group by log_date, load_id, channel_code, user_id
),

by_group as (
    select
        by_user.log_date,
        by_user.channel_code,
        users.country_code,
        users.age_group,
        cast(sum(by_user.session_count) as bigint) as session_count,
        cast(sum(by_user.search_count) as bigint) as search_count,
        cast(sum(by_user.anonymous_search_count) as bigint) as anonymous_search_count,
        cast(sum(by_user.click_count) as bigint) as click_count,
        cast(sum(by_user.purchase_count) as bigint) as purchase_count,
        cast(sum(by_user.amount_krw) as bigint) as amount_krw,
        min(by_user.load_id) as load_id
    from by_user
    inner join users on by_user.user_id = users.user_id
    group by by_user.log_date, by_user.channel_code, users.country_code, users.age_group
)

select * from by_group
