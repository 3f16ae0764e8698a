-- More events at the unknown venue than usual. KOPIS and the city name a few venues that are in no
-- list, such as a stage in a park. Their events are shown without a point, and are listed here if
-- they are more than one in twenty. A listed performance without details is always listed here: the
-- next runs of the loader fetch them. If their number does not fall, look at the details in raw.
{{ config(severity='warn') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

details as (
    select * from {{ ref('stg_kopis__performance_details') }}
),

described as (
    select
        events.event_id,
        events.source,
        events.title_ko,
        events.venue_id = 'unknown' as is_at_unknown_venue,
        events.is_listed
        and events.performance_id is not null
        and details.performance_id is null as lacks_details
    from events
    left join details on events.performance_id = details.performance_id
),

counted as (
    select
        *,
        avg(case when is_at_unknown_venue and not lacks_details then 1.0 else 0.0 end)
            over () as unlisted_share
    from described
)

select
    event_id,
    source,
    title_ko,
    lacks_details
from counted
where is_at_unknown_venue and (lacks_details or unlisted_share > 0.05)
