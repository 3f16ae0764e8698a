{#- Dist: a few thousand rows that clicks join. Sort: the key they join on. -#}
{{ config(dist='all', sort='item_id') }}

{%- set max_items_per_topic = 1000 %}

with

topics as (
    select * from {{ ref('topics') }}
),

flights as (
    select * from {{ ref('airports') }}
),

airports as (
    select * from {{ ref('dim_airport') }}
),

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

places as (
    select * from {{ ref('dim_place') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

series as (
    {{ dbt.generate_series(max_items_per_topic) }}
),

numbers as (
    select cast(generated_number as integer) as generated_number
    from series
),

items as (
    select
        topics.topic_code,
        topics.first_item_id + numbers.generated_number - 1 as item_id,
        numbers.generated_number - 1 as place_in_topic
    from topics
    inner join numbers on topics.item_count >= numbers.generated_number
),

numbered_lodgings as (
    select
        lodging_id,
        row_number() over (order by lodging_id) - 1 as place_in_topic,
        count(*) over () as lodging_count
    from lodgings
),

numbered_places as (
    select
        place_id,
        row_number() over (order by place_id) - 1 as place_in_topic,
        count(*) over () as place_count
    from places
),

numbered_venues as (
    select
        venue_id,
        row_number() over (order by venue_id) - 1 as place_in_topic,
        count(*) over () as venue_count
    from venues
),

-- A table with fewer rows than the topic has items is repeated.
assigned as (
    select
        cast(items.item_id as integer) as item_id,
        items.topic_code,
        airports.airport_code,
        numbered_lodgings.lodging_id,
        numbered_places.place_id,
        numbered_venues.venue_id
    from items
    left join flights on items.item_id = flights.item_id
    left join airports on flights.airport_code = airports.airport_code
    left join numbered_lodgings
        on
            items.topic_code = 'stays'
            and numbered_lodgings.place_in_topic
            = items.place_in_topic % numbered_lodgings.lodging_count
    left join numbered_places
        on
            items.topic_code = 'sights'
            and numbered_places.place_in_topic
            = items.place_in_topic % numbered_places.place_count
    left join numbered_venues
        on
            items.topic_code = 'events'
            and numbered_venues.place_in_topic
            = items.place_in_topic % numbered_venues.venue_count
)

select * from assigned
