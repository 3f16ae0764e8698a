{#- What a traveller weighs for each day of the coming year, in one row: the usual weather, the
    forecast, festivals and the cheapest fare. Rebuilt every time: each load moves the year. Dist: a
    year of days. Sort: the day, by which it is read. -#}
{{ config(dist='all', sort='date_day') }}

with

days as (
    select * from {{ ref('dim_date') }}
),

sources as (
    select * from {{ ref('dim_source') }}
),

climate as (
    select * from {{ ref('fct_climate_day') }}
),

weather as (
    select * from {{ ref('fct_weather_day') }}
),

events as (
    select * from {{ ref('fct_event') }}
),

event_days as (
    select * from {{ ref('fct_event_day') }}
),

fares as (
    select * from {{ ref('fct_fare') }}
),

-- The year begins at the newest load rather than today, so the same rows give the same table.
newest_load as (
    select max(newest_logical_date) as logical_date
    from sources
),

coming_days as (
    select days.*
    from days
    cross join newest_load
    where
        days.date_day >= newest_load.logical_date
        and days.date_day < newest_load.logical_date + 365
),

usual as (
    select
        cast(substring(month_day, 1, 2) as integer) as month_number,
        cast(substring(month_day, 4, 2) as integer) as day_of_month,
        avg(low_temperature) as low_temperature,
        avg(high_temperature) as high_temperature,
        avg(rain_chance) as rain_chance
    from climate
    group by month_day
),

forecasts as (
    select
        weather_on,
        avg(low_temperature) as low_temperature,
        avg(high_temperature) as high_temperature,
        max(rain_chance) as rain_chance
    from weather
    where weather_source <> 'observed'
    group by weather_on
),

counted as (
    select
        event_days.date_id,
        cast(count(*) as integer) as event_count,
        cast(sum(case when events.is_festival then 1 else 0 end) as integer) as festival_count
    from event_days
    inner join events on event_days.event_id = events.event_id
    where
        events.is_listed
        and not event_days.is_closed
    group by event_days.date_id
),

newest_fares as (
    select max(seen_on) as seen_on
    from fares
),

cheapest as (
    select
        cast(fares.departs_at as date) as departs_on,
        min(fares.price_usd) as price_usd
    from fares
    inner join newest_fares on fares.seen_on = newest_fares.seen_on
    where not fares.is_one_way
    group by cast(fares.departs_at as date)
),

calendar as (
    select
        coming_days.date_id,
        coming_days.date_day,
        coming_days.month_starts_on,
        cast(usual.low_temperature as numeric(4, 1)) as usual_low_temperature,
        cast(usual.high_temperature as numeric(4, 1)) as usual_high_temperature,
        cast(round(usual.rain_chance) as integer) as usual_rain_chance,
        cast(forecasts.low_temperature as numeric(4, 1)) as forecast_low_temperature,
        cast(forecasts.high_temperature as numeric(4, 1)) as forecast_high_temperature,
        cast(forecasts.rain_chance as integer) as forecast_rain_chance,
        coalesce(counted.event_count, 0) as event_count,
        coalesce(counted.festival_count, 0) as festival_count,
        cheapest.price_usd as cheapest_return_usd
    from coming_days
    left join usual
        on
            coming_days.month_number = usual.month_number
            and coming_days.day_of_month = usual.day_of_month
    left join forecasts on coming_days.date_day = forecasts.weather_on
    left join counted on coming_days.date_id = counted.date_id
    left join cheapest on coming_days.date_day = cheapest.departs_on
)

select * from calendar
