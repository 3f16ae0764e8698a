with

source as (
    select * from {{ source('staging_kopis', 'venues') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['venue_id']) }} as recency_rank
    from source
),

renamed as (
    select
        venue_id,
        venue_name,
        venue_kind,
        province,
        district_name,
        cast(hall_count as integer) as hall_count,
        cast(opened_year as integer) as opened_year,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
