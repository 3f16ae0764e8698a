{#- Dist: 366 rows a station. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='climate_id') }}

with

climate as (
    select * from {{ ref('fct_climate_day') }}
),

served as (
    select
        climate_id,
        'kma' as source,
        {{ attribution("'kma'") }} as attribution,
        station_id,
        station_name,
        month_day,
        low_temperature,
        high_temperature,
        mean_temperature,
        rain_chance,
        rain_mm,
        snow_chance,
        wind_ms,
        humidity,
        year_count as years,
        first_year,
        last_year
    from climate
)

select * from served
