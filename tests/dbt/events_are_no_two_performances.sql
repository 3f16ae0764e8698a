-- A chain of records may join two performances of one source, of which one is then lost to the
-- website. Whoever sees this looks at the titles and venues of the records.
{{ config(severity='warn') }}

with

bridge as (
    select * from {{ ref('bridge_event_record') }}
),

records as (
    select * from {{ ref('int_event__records') }}
),

joined as (
    select
        bridge.event_id,
        count(*) as performance_count
    from bridge
    inner join records on bridge.record_id = records.event_id
    where records.source = 'kopis'
    group by bridge.event_id
)

select * from joined
where performance_count > 1
