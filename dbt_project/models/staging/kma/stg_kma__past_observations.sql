with

source as (
    select * from {{ source('staging_kma', 'past_observations') }}
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
        logical_date
    from newest
)

select * from renamed
