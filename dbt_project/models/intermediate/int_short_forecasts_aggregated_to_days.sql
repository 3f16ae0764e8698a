{#- Staging forgets the hours of past days, so the model keeps the days, and only computes those
    whose forecasts changed since. Dist: some dozens of rows a day. Sort: by the day, which the
    next model joins on. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='forecast_on',
        on_schema_change='fail',
        pre_hook="{{ refuse_full_refresh('kma', 'short_forecasts') }}",
        post_hook="{{ delete_withdrawn_forecast_days(ref('stg_kma__short_forecasts')) }}",
        dist='all',
        sort='forecast_on',
    )
}}

with

forecasts as (
    select * from {{ ref('stg_kma__short_forecasts') }}
),

forecast_days as (
    select
        forecast_on,
        max(load_id) as load_id,
        count(*) as forecast_count
    from forecasts
    group by forecast_on
),

changed_days as (
    select *
    from forecast_days
    {% if is_incremental() %}
        where not exists (
            select 1
            from {{ this }} as kept
            where
                kept.forecast_on = forecast_days.forecast_on
                and kept.load_id = forecast_days.load_id
                and kept.forecast_count = forecast_days.forecast_count
        )
    {% endif %}
),

-- Only the newest forecast of each hour counts.
ranked as (
    select
        forecasts.grid_x,
        forecasts.grid_y,
        forecasts.base_at,
        forecasts.category_code,
        forecasts.forecast_at,
        forecasts.forecast_on,
        forecasts.value_min,
        forecasts.value_max,
        forecasts.logical_date,
        changed_days.load_id,
        changed_days.forecast_count,
        row_number() over (
            partition by
                forecasts.grid_x,
                forecasts.grid_y,
                forecasts.category_code,
                forecasts.forecast_at
            order by forecasts.base_at desc
        ) as recency_rank
    from forecasts
    inner join changed_days on forecasts.forecast_on = changed_days.forecast_on
),

newest as (
    select
        *,
        case when value_min > 0 and value_max is null then 1 else 0 end as is_open
    from ranked
    where recency_rank = 1
),

-- If the amount of an hour has no upper bound, neither has the day's.
daily as (
    select
        grid_x,
        grid_y,
        forecast_on,
        max(base_at) as issued_at,
        sum(case when category_code = 'TMP' then 1 else 0 end) as hour_count,
        min(case when category_code = 'TMN' then value_min end) as low_of_day,
        min(case when category_code = 'TMP' then value_min end) as low_of_hours,
        max(case when category_code = 'TMX' then value_max end) as high_of_day,
        max(case when category_code = 'TMP' then value_max end) as high_of_hours,
        max(case when category_code = 'POP' then value_max end) as rain_chance,
        sum(case when category_code = 'PCP' then value_min end) as rain_min,
        sum(case when category_code = 'PCP' then value_max end) as rain_max,
        max(case when category_code = 'PCP' then is_open else 0 end) as is_rain_open,
        sum(case when category_code = 'SNO' then value_min end) as snow_min,
        sum(case when category_code = 'SNO' then value_max end) as snow_max,
        max(case when category_code = 'SNO' then is_open else 0 end) as is_snow_open,
        avg(case when category_code = 'REH' then value_min end) as humidity,
        max(case when category_code = 'WSD' then value_max end) as wind,
        avg(case when category_code = 'SKY' then value_min end) as sky,
        max(case when category_code = 'PTY' and value_min in (1, 2) then 1 else 0 end) as has_rain,
        max(case when category_code = 'PTY' and value_min in (2, 3) then 1 else 0 end) as has_snow,
        max(case when category_code = 'PTY' and value_min = 4 then 1 else 0 end) as has_shower,
        max(logical_date) as logical_date,
        max(load_id) as load_id,
        max(forecast_count) as forecast_count
    from newest
    group by grid_x, grid_y, forecast_on
),

named as (
    select
        grid_x,
        grid_y,
        forecast_on,
        issued_at,
        cast(hour_count as integer) as hour_count,
        coalesce(low_of_day, low_of_hours) as low_temperature,
        coalesce(high_of_day, high_of_hours) as high_temperature,
        cast(rain_chance as integer) as rain_chance,
        rain_min as rain_min_mm,
        case when is_rain_open = 0 then rain_max end as rain_max_mm,
        snow_min as snow_min_cm,
        case when is_snow_open = 0 then snow_max end as snow_max_cm,
        round(humidity, 0) as humidity,
        wind as wind_ms,
        case
            when has_rain = 1 and has_snow = 1 then 'rain_and_snow'
            when has_snow = 1 then 'snow'
            when has_rain = 1 then 'rain'
            when has_shower = 1 then 'shower'
            when sky is null then 'unknown'
            when sky >= 3.5 then 'overcast'
            when sky >= 2 then 'mostly_cloudy'
            else 'clear'
        end as weather_kind,
        logical_date,
        load_id,
        forecast_count
    from daily
)

select * from named
