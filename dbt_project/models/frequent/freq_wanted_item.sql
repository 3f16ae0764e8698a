{#- Dist: a few thousand rows. Sort: the rank within the topic, by which it is read. -#}
{{ config(dist='all', sort=['topic_code', 'click_rank']) }}

with

clicks as (
    select * from {{ ref('freq_item_click') }}
),

items as (
    select * from {{ ref('dim_item') }}
),

last_day as (
    select max(log_date) as log_date
    from clicks
),

by_item as (
    select
        clicks.item_id,
        cast(sum(clicks.click_count) as bigint) as click_count,
        min(clicks.log_date) as first_log_date,
        max(last_day.log_date) as last_log_date
    from clicks
    inner join last_day on clicks.log_date > last_day.log_date - 30
    group by clicks.item_id
),

ranked as (
    select
        items.item_id,
        items.topic_code,
        items.airport_code,
        items.lodging_id,
        items.place_id,
        items.venue_id,
        by_item.click_count,
        cast(
            row_number() over (
                partition by items.topic_code
                order by by_item.click_count desc, items.item_id asc
            ) as integer
        ) as click_rank,
        by_item.first_log_date,
        by_item.last_log_date
    from by_item
    inner join items on by_item.item_id = items.item_id
)

select * from ranked
