{#- The loader reads it, to forget the days that models keep. Dist: a few rows. Sort: by the day,
    which the loader filters on. -#}
{{ config(dist='all', sort='day') }}

with

staged_fares as (
    select distinct seen_on
    from {{ ref('stg_travelpayouts__fares') }}
),

fares as (
    select * from {{ ref('fct_fare') }}
),

staged_forecasts as (
    select distinct forecast_on
    from {{ ref('stg_kma__short_forecasts') }}
),

forecasts as (
    select * from {{ ref('int_short_forecasts_aggregated_to_days') }}
),

fare_days as (
    select distinct
        'travelpayouts' as source_name,
        'fares' as table_name,
        fares.seen_on as day,
        fares.load_id,
        cast(null as bigint) as row_count
    from fares
    inner join staged_fares on fares.seen_on = staged_fares.seen_on
),

forecast_days as (
    select distinct
        'kma' as source_name,
        'short_forecasts' as table_name,
        forecasts.forecast_on as day,
        forecasts.load_id,
        forecasts.forecast_count as row_count
    from forecasts
    inner join staged_forecasts on forecasts.forecast_on = staged_forecasts.forecast_on
),

unioned as (
    select * from fare_days
    union all
    select * from forecast_days
)

select * from unioned
