-- Loads that failed in the last seven days and have not succeeded since.
with

history as (
    select * from {{ ref('run_history') }}
),

failed as (
    select
        began_at,
        source_name,
        table_name,
        phase,
        logical_date,
        error
    from history
    where
        status = 'failed'
        and is_newest
        and began_at > {{ dbt.dateadd('day', -7, dbt.current_timestamp()) }}
)

select * from failed
order by began_at desc
