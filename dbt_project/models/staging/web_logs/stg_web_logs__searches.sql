with

source as (
    select * from {{ source('staging_web_logs', 'searches') }}
),

renamed as (
    select
        search_id,
        session_id,
        user_id,
        topic as topic_code,
        airport_code,
        cast(searched_at as timestamp) as searched_at,
        logical_date as log_date,
        load_id
    from source
)

select * from renamed
