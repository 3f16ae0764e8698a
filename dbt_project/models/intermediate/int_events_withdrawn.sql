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

-- Every list of KOPIS and Seoul has all current and future events. An event that is missing from
-- the newest list was withdrawn.
not_listed as (
    select records.event_id as record_id
    from records
    inner join newest_lists on records.source = newest_lists.source
    where
        records.ends_on >= newest_lists.logical_date
        and records.logical_date < newest_lists.logical_date
),

-- Festivals leave their list with age, so only the removals that TourAPI reports count.
removed_by_tour as (
    select records.event_id as record_id
    from records
    inner join tour_places on records.event_id = 'tour-' || tour_places.place_id
    where not tour_places.is_listed
),

withdrawn_records as (
    select record_id from not_listed
    union all
    select record_id from removed_by_tour
),

-- An event stays as long as one source still lists it.
withdrawn as (
    select matches.event_id
    from matches
    left join withdrawn_records on matches.record_id = withdrawn_records.record_id
    group by matches.event_id
    having count(*) = count(withdrawn_records.record_id)
)

select * from withdrawn
