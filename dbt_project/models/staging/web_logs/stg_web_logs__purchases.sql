with

source as (
    select * from {{ source('staging_web_logs', 'purchases') }}
),

renamed as (
    select
        purchase_id,
        click_id,
        session_id,
        user_id,
        amount_krw,
        cast(purchased_at as timestamp) as purchased_at,
        logical_date as log_date,
        load_id
    from source
)

select * from renamed
