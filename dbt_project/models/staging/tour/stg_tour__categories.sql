with

source as (
    select * from {{ source('staging_tour', 'categories') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['"language"', 'category_code']) }} as recency_rank
    from source
),

renamed as (
    select
        "language" as language_code,
        category_code,
        group_code,
        class_code,
        category_name,
        group_name,
        class_name,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
