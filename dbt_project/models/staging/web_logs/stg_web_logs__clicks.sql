with

source as (
    select * from {{ source('staging_web_logs', 'clicks') }}
),

renamed as (
    select
        click_id,
        search_id,
        session_id,
        user_id,
        item_id,
        cast(clicked_at as timestamp) as clicked_at,
        logical_date as log_date,
        load_id
    from source
)

select * from renamed
