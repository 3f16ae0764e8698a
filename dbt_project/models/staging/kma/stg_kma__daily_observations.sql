with

source as (
    select * from {{ source('staging_kma', 'daily_observations') }}
),

newest as (
    {{ select_newest('source', ['station', 'date']) }}
),

renamed as (
    select
        station as station_id,
        date as observed_on,
        station_name,
        mean_temperature,
        low_temperature,
        high_temperature,
        -- A blank means that none fell.
        coalesce(rain_mm, 0) as rain_mm,
        coalesce(new_snow_cm, 0) as new_snow_cm,
        mean_wind,
        mean_humidity,
        sunshine_hours,
        mean_cloud,
        -- The agency's own limits, in tenths of the sky.
        case
            when coalesce(new_snow_cm, 0) > 0 then 'snow'
            when coalesce(rain_mm, 0) > 0 then 'rain'
            when mean_cloud is null then 'unknown'
            when mean_cloud < 5.5 then 'clear'
            when mean_cloud < 8.5 then 'mostly_cloudy'
            else 'overcast'
        end as weather_kind,
        logical_date
    from newest
)

select * from renamed
