{#- How far a few users make up the usage. Rebuilt every time: the ranks change with each day.
    Dist: a few rows. Sort: the number of users, by which it is read. -#}
{{ config(dist='all', sort='top_users') }}

with

users as (
    select * from {{ ref('freq_user_usage') }}
),

measures as (
    select
        user_id,
        'sessions' as measure,
        session_count as amount
    from users

    union all

    select
        user_id,
        'searches' as measure,
        search_count as amount
    from users

    union all

    select
        user_id,
        'clicks' as measure,
        click_count as amount
    from users

    union all

    select
        user_id,
        'purchases' as measure,
        purchase_count as amount
    from users
),

-- User 0 is everybody who never signed in, so it is no user.
ranked as (
    select
        measure,
        amount,
        row_number() over (partition by measure order by amount desc, user_id asc) as user_rank
    from measures
    where user_id <> 0
),

-- No fewer than 30, so that no figure tells what one visitor did.
steps as (
    select 30 as top_users
    union all
    select 100 as top_users
    union all
    select 300 as top_users
    union all
    select 1000 as top_users
    union all
    select 10000 as top_users
    union all
    select 100000 as top_users
),

totals as (
    select
        measure,
        cast(count(*) as bigint) as user_count,
        cast(sum(amount) as bigint) as total_count
    from ranked
    group by measure
),

shares as (
    select
        ranked.measure,
        steps.top_users,
        totals.user_count,
        cast(sum(ranked.amount) as bigint) as top_count,
        totals.total_count,
        cast(
            1.0 * sum(ranked.amount) / nullif(totals.total_count, 0) as numeric(5, 4)
        ) as top_share
    from ranked
    inner join totals on ranked.measure = totals.measure
    inner join steps
        on
            ranked.user_rank <= steps.top_users
            and totals.user_count >= steps.top_users
    group by ranked.measure, steps.top_users, totals.user_count, totals.total_count
)

select * from shares
