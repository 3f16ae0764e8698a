{#- Dist: 14 days of 25 districts. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort=['district_id', 'weather_on']) }}

with

weather as (
    select * from {{ ref('fct_weather_day') }}
),

newest as (
    select max(logical_date) as logical_date
    from weather
),

-- The day of the newest load, the three days before it and the ten days that forecasts cover.
served as (
    select
        weather.district_id || '-' || cast(weather.weather_on as varchar(10)) as weather_id,
        weather.district_id,
        weather.weather_on,
        'kma' as source,
        {{ attribution("'kma'") }} as attribution,
        weather.weather_source,
        weather.is_of_district,
        weather.issued_at,
        weather.weather_kind,
        weather.weather_en,
        weather.weather_ko,
        weather.mean_temperature,
        weather.low_temperature,
        weather.high_temperature,
        weather.rain_chance,
        weather.rain_min_mm,
        weather.rain_max_mm,
        weather.snow_min_cm,
        weather.snow_max_cm,
        weather.humidity,
        weather.wind_ms
    from weather
    inner join newest
        on
            weather.weather_on >= newest.logical_date - 3
            and weather.weather_on <= newest.logical_date + 10
)

select * from served
