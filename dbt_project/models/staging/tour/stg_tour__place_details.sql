with

source as (
    select * from {{ source('staging_tour', 'place_details') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['"language"', 'content_id']) }} as recency_rank
    from source
),

renamed as (
    select
        "language" as language_code,
        content_id,
        title,
        overview,
        homepage_url,
        phone,
        phone_name,
        cast(modified_at as timestamp) as modified_at,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
