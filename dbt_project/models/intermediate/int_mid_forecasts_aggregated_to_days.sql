{#- Dist: some ten rows a day. Sort: by the day, which the next model joins on. -#}
{{ config(dist='all', sort='forecast_on') }}

with

forecasts as (
    select * from {{ ref('stg_kma__mid_forecasts') }}
),

weather_kinds as (
    select * from {{ ref('weather_kinds') }}
),

ranked as (
    select
        forecasts.*,
        dense_rank() over (
            partition by forecasts.region_code, forecasts.forecast_on
            order by forecasts.issued_at desc
        ) as issue_rank,
        row_number() over (
            partition by forecasts.region_code, forecasts.forecast_on, forecasts.issued_at
            order by weather_kinds.severity desc nulls last, forecasts.half_of_day asc
        ) as severity_rank
    from forecasts
    left join weather_kinds on forecasts.weather_kind = weather_kinds.weather_kind
),

-- Temperatures are forecast for Seoul, the weather for the region around it, so a day combines the
-- rows of two regions. The worse half of the day determines its kind of weather.
daily as (
    select
        forecast_on,
        max(issued_at) as issued_at,
        coalesce(max(case when severity_rank = 1 then weather_kind end), 'unknown') as weather_kind,
        min(low_temperature) as low_temperature,
        max(high_temperature) as high_temperature,
        max(rain_chance) as rain_chance,
        max(logical_date) as logical_date
    from ranked
    where issue_rank = 1
    group by forecast_on
)

select * from daily
