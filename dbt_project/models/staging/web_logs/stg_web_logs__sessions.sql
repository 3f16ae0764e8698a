with

source as (
    select * from {{ source('staging_web_logs', 'sessions') }}
),

renamed as (
    select
        session_id,
        user_id,
        channel as channel_code,
        cast(started_at as timestamp) as started_at,
        logical_date as log_date,
        load_id
    from source
)

select * from renamed
