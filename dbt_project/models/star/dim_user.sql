{#- Dist: it is joined with sessions, which lie by session, so a copy on each node spares the way.
    Sort: the key they join on. -#}
{{ config(dist='all', sort='user_id') }}

with

users as (
    select * from {{ ref('stg_web_logs__users') }}
),

-- Who searches without signing in is the user 0.
all_users as (
    select
        user_id,
        country_code,
        age_group,
        signed_up_at
    from users
    union all
    select
        cast(0 as bigint) as user_id,
        cast('unknown' as varchar(20)) as country_code,
        cast('unknown' as varchar(20)) as age_group,
        cast(null as timestamp) as signed_up_at
)

select * from all_users
