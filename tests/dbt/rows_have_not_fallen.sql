-- Tables whose newest day has less than half of the average rows of the seven days before it. The
-- rows are in the warehouse nevertheless. The day's raw files show what the API returned, and the
-- export refuses to delete too large a share of a table.
{{ config(severity='warn') }}

with

history as (
    select * from {{ ref('run_history') }}
),

days as (
    select
        source_name,
        table_name,
        logical_date,
        row_count,
        row_number() over (
            partition by source_name, table_name order by logical_date desc
        ) as days_back
    from history
    where phase = 'stage' and status = 'done' and is_newest and logical_date is not null
),

compared as (
    select
        source_name,
        table_name,
        max(case when days_back = 1 then logical_date end) as logical_date,
        max(case when days_back = 1 then row_count end) as row_count,
        avg(case when days_back between 2 and 8 then row_count * 1.0 end) as usual_count
    from days
    group by source_name, table_name
)

select *
from compared
where row_count < 0.5 * usual_count and usual_count >= 20
