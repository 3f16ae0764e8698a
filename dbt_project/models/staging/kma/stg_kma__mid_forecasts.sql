with

source as (
    select * from {{ source('staging_kma', 'mid_forecasts') }}
),

newest as (
    {{ select_newest('source', ['region', 'issued_at', 'day', 'half']) }}
),

renamed as (
    select
        region as region_code,
        cast(issued_at as timestamp) as issued_at,
        cast(issued_at as date) + cast(day as integer) as forecast_on,
        half as half_of_day,
        low_temperature,
        high_temperature,
        cast(rain_chance as integer) as rain_chance,
        -- '흐리고 비/눈': rain and snow take precedence over clouds.
        case
            when weather is null then null
            when weather like '%비/눈%' then 'rain_and_snow'
            when weather like '%눈%' then 'snow'
            when weather like '%소나기%' then 'shower'
            when weather like '%비%' then 'rain'
            when weather like '%흐%' then 'overcast'
            when weather like '%구름%' then 'mostly_cloudy'
            when weather like '%맑음%' then 'clear'
            else 'unknown'
        end as weather_kind,
        logical_date
    from newest
)

select * from renamed
