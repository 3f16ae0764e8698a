with

source as (
    select * from {{ source('staging_tour', 'removed_places') }}
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
        content_type_id,
        title,
        old_content_id,
        cast(removed_at as timestamp) as removed_at,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
