-- Records that other records lead to but that are not kept themselves, or are not events. A row
-- means that a chain of records is longer than the rounds of connected_components_ctes: raise them
-- in int_event_records_matched.
with

matches as (
    select * from {{ ref('int_event_records_matched') }}
),

events as (
    select * from {{ ref('fct_event') }}
)

select
    matches.record_id,
    matches.event_id,
    kept.event_id as kept_event_id
from matches
inner join matches as kept on matches.event_id = kept.record_id
left join events on matches.event_id = events.event_id
where
    kept.event_id <> kept.record_id
    or events.event_id is null
