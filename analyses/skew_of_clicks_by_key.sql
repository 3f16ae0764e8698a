-- Which column to distribute clicks on: the number of values of each column, and the size of its
-- largest value relative to the mean. By user, a few slices would hold most rows, since thirty
-- users have four of five clicks.

with

sessions as (
    select * from {{ ref('freq_session') }}
),

days as (
    select * from {{ ref('freq_daily_funnel') }}
),

clicks as (
    select * from {{ ref('fct_click') }}
),

by_session as (
    select
        'session_id' as column_name,
        click_count as value_rows
    from sessions
    where click_count > 0
),

by_user as (
    select
        'user_id' as column_name,
        sum(click_count) as value_rows
    from sessions
    where click_count > 0
    group by user_id
),

by_item as (
    select
        'item_id' as column_name,
        count(*) as value_rows
    from clicks
    group by item_id
),

by_day as (
    select
        'log_date' as column_name,
        click_count as value_rows
    from days
    where click_count > 0
),

all_values as (
    select * from by_session
    union all
    select * from by_user
    union all
    select * from by_item
    union all
    select * from by_day
),

skew as (
    select
        column_name,
        count(*) as key_values,
        max(value_rows) as most_rows_of_a_value,
        1.0 * max(value_rows) / sum(value_rows) as largest_share,
        1.0 * max(value_rows) * count(*) / sum(value_rows) as largest_to_mean
    from all_values
    group by column_name
)

select * from skew
order by largest_share asc, column_name asc
