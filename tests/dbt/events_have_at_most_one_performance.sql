-- Events that a chain of records joined from two KOPIS performances, one of which the website then
-- lacks. Compare the titles and venues of the records.
{{ config(severity='warn') }}

with

matches as (
    select * from {{ ref('int_event_records_matched') }}
),

records as (
    select * from {{ ref('int_event_records_unioned') }}
),

joined as (
    select
        matches.event_id,
        count(*) as performance_count
    from matches
    inner join records on matches.record_id = records.event_id
    where records.source = 'kopis'
    group by matches.event_id
)

select * from joined
where performance_count > 1
