{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='item_id') }}

with

wanted_items as (
    select * from {{ ref('freq_wanted_item') }}
),

lodgings as (
    select * from {{ ref('rds_lodgings') }}
),

attractions as (
    select * from {{ ref('rds_attractions') }}
),

venues as (
    select * from {{ ref('rds_venues') }}
),

-- An item whose lodging, place or venue has left the website is left out with it.
served as (
    select
        wanted_items.item_id,
        'web_logs' as source,
        {{ attribution("'web_logs'") }} as attribution,
        wanted_items.topic_code,
        wanted_items.click_rank as popularity_rank,
        wanted_items.airport_code,
        lodgings.lodging_id,
        attractions.place_id,
        venues.venue_id,
        wanted_items.click_count,
        wanted_items.first_log_date as first_counted_on,
        wanted_items.last_log_date as last_counted_on
    from wanted_items
    left join lodgings on wanted_items.lodging_id = lodgings.lodging_id
    left join attractions on wanted_items.place_id = attractions.place_id
    left join venues on wanted_items.venue_id = venues.venue_id
    where
        coalesce(
            wanted_items.airport_code,
            lodgings.lodging_id,
            attractions.place_id,
            venues.venue_id
        ) is not null
)

select * from served
