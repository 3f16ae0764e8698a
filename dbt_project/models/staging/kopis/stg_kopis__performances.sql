with

source as (
    select * from {{ source('staging_kopis', 'performances') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['performance_id']) }} as recency_rank
    from source
),

renamed as (
    select
        performance_id,
        title,
        venue_name,
        area,
        genre,
        state,
        poster_url,
        is_open_run,
        starts_on,
        ends_on,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
