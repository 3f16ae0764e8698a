with

source as (
    select * from {{ source('staging_kma', 'short_forecasts') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['nx', 'ny', 'base_at', 'category', 'forecast_at']) }} as recency_rank
    from source
),

renamed as (
    select
        cast(nx as integer) as grid_x,
        cast(ny as integer) as grid_y,
        cast(base_at as timestamp) as base_at,
        category as category_code,
        cast(forecast_at as timestamp) as forecast_at,
        cast(forecast_at as date) as forecast_on,
        value_text,
        value_min,
        value_max,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
