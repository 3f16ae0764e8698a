{#- Dist: by user, the key that it is joined on. Sort: the same key. -#}
{{ config(dist='user_id', sort='user_id') }}

with

sessions as (
    select * from {{ ref('freq_session') }}
),

by_user as (
    select
        user_id,
        cast(count(*) as bigint) as session_count,
        cast(sum(search_count) as bigint) as search_count,
        cast(sum(click_count) as bigint) as click_count,
        cast(sum(purchase_count) as bigint) as purchase_count,
        cast(sum(amount_krw) as bigint) as amount_krw,
        min(started_at) as first_session_at,
        max(started_at) as last_session_at
    from sessions
    group by user_id
)

select * from by_user
