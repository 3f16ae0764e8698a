with

source as (
    select * from {{ source('staging_web_logs', 'users') }}
),

renamed as (
    select
        user_id,
        country_code,
        age_group,
        cast(signed_up_at as timestamp) as signed_up_at,
        logical_date as log_date,
        load_id
    from source
)

select * from renamed
