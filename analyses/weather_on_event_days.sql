-- The weather on event days: the share of wet days and the temperatures per district and month.

with

event_days as (
    select * from {{ ref('fct_event_day') }}
),

weather as (
    select * from {{ ref('fct_weather_day') }}
),

districts as (
    select * from {{ ref('dim_district') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

joined as (
    select
        districts.name_en as district_en,
        cast(date_trunc('month', days.date_day) as date) as month_start,
        weather.weather_source,
        weather.low_temperature,
        weather.high_temperature,
        case
            when weather.weather_kind in ('shower', 'rain', 'rain_and_snow', 'snow') then 1 else 0
        end as is_wet
    from event_days
    inner join weather
        on
            event_days.district_id = weather.district_id
            and event_days.date_id = weather.date_id
    inner join districts on event_days.district_id = districts.district_id
    inner join days on event_days.date_id = days.date_id
    where not event_days.is_closed
),

by_month as (
    select
        district_en,
        month_start,
        count(*) as event_day_count,
        sum(case when weather_source = 'observed' then 1 else 0 end) as observed_count,
        round(100.0 * sum(is_wet) / count(*), 1) as wet_percent,
        round(cast(avg(low_temperature) as numeric(6, 2)), 1) as mean_low_temperature,
        round(cast(avg(high_temperature) as numeric(6, 2)), 1) as mean_high_temperature
    from joined
    group by district_en, month_start
)

select * from by_month
order by month_start, district_en
