with

source as (
    select * from {{ source('staging_runs', 'loaded_dates') }}
),

renamed as (
    select
        source_name,
        table_name,
        logical_date,
        stage_file,
        row_count,
        is_whole
    from source
)

select * from renamed
