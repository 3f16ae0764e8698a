with

source as (
    select * from {{ source('staging_runs', 'steps') }}
),

renamed as (
    select
        step_id,
        run_id,
        began_at,
        source_name,
        table_name,
        phase,
        logical_date,
        status,
        call_count,
        row_count,
        rejected_count,
        byte_count,
        duration_seconds,
        error
    from source
)

select * from renamed
