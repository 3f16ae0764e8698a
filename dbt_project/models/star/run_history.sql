{#- Dist: a few rows per run. Sort: by the time, which every query filters on, such as the failures
    of this week. -#}
{{ config(dist='all', sort='began_at') }}

with

steps as (
    select * from {{ ref('stg_runs__steps') }}
),

-- Only the newest run of a table and date counts: a failed load may have succeeded since.
ranked as (
    select
        *,
        row_number() over (
            partition by source_name, table_name, phase, logical_date
            order by began_at desc, step_id desc
        ) as run_rank
    from steps
),

typed as (
    select
        cast(step_id as varchar(60)) as step_id,
        cast(run_id as varchar(50)) as run_id,
        cast(began_at as timestamp) as began_at,
        cast(source_name as varchar(50)) as source_name,
        cast(table_name as varchar(50)) as table_name,
        cast(phase as varchar(20)) as phase,
        cast(logical_date as date) as logical_date,
        cast(status as varchar(20)) as status,
        run_rank = 1 as is_newest,
        cast(call_count as bigint) as call_count,
        cast(row_count as bigint) as row_count,
        cast(rejected_count as bigint) as rejected_count,
        cast(byte_count as bigint) as byte_count,
        cast(duration_seconds as double precision) as duration_seconds,
        cast(left(error, 1000) as varchar(4000)) as error
    from ranked
)

select * from typed
