-- A record that others lead to must be kept itself, and be an event. One that is not means that a
-- chain of records is longer than the rounds of leader_ctes: raise them in bridge_event_record.
with

bridge as (
    select * from {{ ref('bridge_event_record') }}
),

events as (
    select * from {{ ref('fct_event') }}
)

select
    bridge.record_id,
    bridge.event_id,
    kept.event_id as kept_event_id
from bridge
inner join bridge as kept on bridge.event_id = kept.record_id
left join events on bridge.event_id = events.event_id
where
    kept.event_id <> kept.record_id
    or events.event_id is null
