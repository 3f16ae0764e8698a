{#- Dist: 25 rows a day, small for years, joined to events by district. Sort: queries select the
    days around today. -#}
{{ config(dist='all', sort=['date_id', 'district_id']) }}

with

districts as (
    select * from {{ ref('districts') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

short_days as (
    select * from {{ ref('int_short_forecasts_aggregated_to_days') }}
),

mid_days as (
    select * from {{ ref('int_mid_forecasts_aggregated_to_days') }}
),

observations as (
    select * from {{ ref('stg_kma__daily_observations') }}
),

weather_kinds as (
    select * from {{ ref('weather_kinds') }}
),

-- One station covers all of Seoul.
observed as (
    select
        observations.observed_on as weather_on,
        districts.district_id,
        'observed' as weather_source,
        1 as precedence,
        cast(null as timestamp) as issued_at,
        observations.weather_kind,
        observations.mean_temperature,
        observations.low_temperature,
        observations.high_temperature,
        cast(null as integer) as rain_chance,
        observations.rain_mm as rain_min_mm,
        observations.rain_mm as rain_max_mm,
        observations.new_snow_cm as snow_min_cm,
        observations.new_snow_cm as snow_max_cm,
        observations.mean_humidity as humidity,
        observations.mean_wind as wind_ms,
        observations.logical_date
    from observations
    cross join districts
    where observations.station_id = '108'
),

-- A few hours at the end of the forecast's range represent their day poorly, so any other forecast
-- takes precedence.
short_forecast as (
    select
        short_days.forecast_on as weather_on,
        districts.district_id,
        'short' as weather_source,
        case when short_days.hour_count >= 12 then 2 else 4 end as precedence,
        short_days.issued_at,
        short_days.weather_kind,
        cast(null as double precision) as mean_temperature,
        short_days.low_temperature,
        short_days.high_temperature,
        short_days.rain_chance,
        short_days.rain_min_mm,
        short_days.rain_max_mm,
        short_days.snow_min_cm,
        short_days.snow_max_cm,
        short_days.humidity,
        short_days.wind_ms,
        short_days.logical_date
    from short_days
    inner join districts
        on short_days.grid_x = districts.grid_x and short_days.grid_y = districts.grid_y
),

mid_forecast as (
    select
        mid_days.forecast_on as weather_on,
        districts.district_id,
        'mid' as weather_source,
        3 as precedence,
        mid_days.issued_at,
        mid_days.weather_kind,
        cast(null as double precision) as mean_temperature,
        mid_days.low_temperature,
        mid_days.high_temperature,
        mid_days.rain_chance,
        cast(null as double precision) as rain_min_mm,
        cast(null as double precision) as rain_max_mm,
        cast(null as double precision) as snow_min_cm,
        cast(null as double precision) as snow_max_cm,
        cast(null as double precision) as humidity,
        cast(null as double precision) as wind_ms,
        mid_days.logical_date
    from mid_days
    cross join districts
),

unioned as (
    select * from observed
    union all
    select * from short_forecast
    union all
    select * from mid_forecast
),

ranked as (
    select
        *,
        row_number() over (
            partition by district_id, weather_on order by precedence
        ) as precedence_rank
    from unioned
),

keyed as (
    select
        ranked.district_id,
        days.date_id,
        ranked.weather_on,
        ranked.weather_source,
        ranked.weather_source = 'short' as is_of_district,
        ranked.issued_at,
        ranked.weather_kind,
        weather_kinds.name_en as weather_en,
        weather_kinds.name_ko as weather_ko,
        ranked.mean_temperature,
        ranked.low_temperature,
        ranked.high_temperature,
        ranked.rain_chance,
        ranked.rain_min_mm,
        ranked.rain_max_mm,
        ranked.snow_min_cm,
        ranked.snow_max_cm,
        ranked.humidity,
        ranked.wind_ms,
        ranked.logical_date
    from ranked
    inner join days on ranked.weather_on = days.date_day
    inner join weather_kinds on ranked.weather_kind = weather_kinds.weather_kind
    where ranked.precedence_rank = 1
)

select * from keyed
