with

source as (
    select * from {{ source('staging_tour', 'festivals') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['"language"', 'content_id']) }} as recency_rank
    from source
),

renamed as (
    select
        {{ tour_record_columns() }},
        starts_on,
        ends_on,
        progress_type,
        festival_type
    from ranked
    where recency_rank = 1
)

select * from renamed
