{#- Dist: a few rows, copied to every node. Sort: the key that the next models join on. -#}
{{ config(dist='all', sort='event_id') }}

with

records as (
    select * from {{ ref('int_event_records_unioned') }}
),

matches as (
    select * from {{ ref('int_event_records_matched') }}
),

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

newest_lists as (
    select
        source,
        max(logical_date) as logical_date
    from records
    where source in ('kopis', 'seoul')
    group by source
),

-- A performance or a cultural event that is still on or to come is in every list of its source. One
-- that the newest lacks was withdrawn.
not_listed as (
    select records.event_id as record_id
    from records
    inner join newest_lists on records.source = newest_lists.source
    where
        records.ends_on >= newest_lists.logical_date
        and records.logical_date < newest_lists.logical_date
),

-- Festivals leave their list by age; TourAPI says by itself which it took out.
taken_out as (
    select records.event_id as record_id
    from records
    inner join tour_places on records.event_id = 'tour-' || tour_places.place_id
    where not tour_places.is_listed
),

out_records as (
    select record_id from not_listed
    union all
    select record_id from taken_out
),

-- An event that another source still tells of is still on.
withdrawn as (
    select matches.event_id
    from matches
    left join out_records on matches.record_id = out_records.record_id
    group by matches.event_id
    having count(*) = count(out_records.record_id)
)

select * from withdrawn
