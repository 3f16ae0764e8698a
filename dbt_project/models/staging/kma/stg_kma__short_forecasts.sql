with

source as (
    select * from {{ source('staging_kma', 'short_forecasts') }}
),

newest as (
    {{ select_newest('source', ['nx', 'ny', 'base_at', 'category', 'forecast_at']) }}
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
        logical_date,
        _dlt_load_id as load_id
    from newest
)

select * from renamed
