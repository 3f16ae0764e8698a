-- Tables whose newest day has less than half of the average rows of the seven days before it. Only
-- new or changed details are asked for, so the rows of a call are compared, on days with enough
-- calls, all of one run. The rows are in the warehouse nevertheless. The day's raw files show what
-- the API returned, and the export refuses to delete too large a share of a table.
{{ config(severity='warn') }}

{% set details = (
    'performance_details', 'venue_details', 'place_details', 'place_intros', 'images'
) %}

with

history as (
    select * from {{ ref('run_history') }}
),

calls as (
    select
        source_name,
        table_name,
        logical_date,
        max(call_count) as call_count
    from history
    where phase = 'extract' and call_count > 0
    group by source_name, table_name, logical_date
    having count(*) = 1
),

days as (
    select
        history.source_name,
        history.table_name,
        history.logical_date,
        history.table_name in {{ details }} as is_details,
        case
            when history.table_name in {{ details }}
                then history.row_count * 1.0 / calls.call_count
            else history.row_count
        end as row_count,
        row_number() over (
            partition by history.source_name, history.table_name
            order by history.logical_date desc
        ) as days_back
    from history
    left join calls
        on
            history.source_name = calls.source_name
            and history.table_name = calls.table_name
            and history.logical_date = calls.logical_date
    where
        history.phase = 'stage'
        and history.status = 'done'
        and history.is_newest
        and history.logical_date is not null
        and (history.table_name not in {{ details }} or calls.call_count >= 20)
),

compared as (
    select
        source_name,
        table_name,
        is_details,
        max(case when days_back = 1 then logical_date end) as logical_date,
        max(case when days_back = 1 then row_count end) as row_count,
        avg(case when days_back between 2 and 8 then row_count * 1.0 end) as usual_count
    from days
    group by source_name, table_name, is_details
)

select *
from compared
where row_count < 0.5 * usual_count and (is_details or usual_count >= 20)
