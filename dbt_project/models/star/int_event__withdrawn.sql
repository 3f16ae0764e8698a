{#- Dist: a few rows, copied to every node. Sort: the key that the next models join on. -#}
{{ config(dist='all', sort='event_id') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

tour_places as (
    select * from {{ ref('int_tour__places') }}
),

newest_lists as (
    select
        source,
        max(loaded_on) as loaded_on
    from events
    where source in ('kopis', 'seoul')
    group by source
),

-- A performance or a cultural event that is still on or to come is in every list of its source. One
-- that the newest lacks was withdrawn.
not_listed as (
    select events.event_id
    from events
    inner join newest_lists on events.source = newest_lists.source
    where
        events.ends_on >= newest_lists.loaded_on
        and events.loaded_on < newest_lists.loaded_on
),

-- Festivals leave their list by age; TourAPI says by itself which it took out. What another source
-- tells of as well is still on.
taken_out as (
    select events.event_id
    from events
    inner join tour_places on events.event_id = 'tour-' || tour_places.place_id
    where
        not tour_places.is_listed
        and events.also_in is null
),

withdrawn as (
    select * from not_listed
    union all
    select * from taken_out
)

select * from withdrawn
