{#- Dist: 20,000 rows, joined by event. Sort: the key they join on. -#}
{{ config(dist='all', sort='event_code') }}

with

events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
    where source = 'seoul_event'
),

-- Brackets and punctuation become blanks, so that the text can be split into words.
cleaned as (
    select
        events.event_code,
        replace(
            replace(trim(translate(events.place, '()[]<>,/', '        ')), '   ', ' '), '  ', ' '
        ) as place,
        record_districts.district_id,
        events.longitude,
        events.latitude
    from events
    inner join record_districts on events.event_code = record_districts.record_id
)

select * from cleaned
