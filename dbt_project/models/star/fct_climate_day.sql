{#- Dist: 366 rows a station, joined to any day. Sort: queries select by the day of the year. -#}
{{ config(dist='all', sort=['station_id', 'month_day']) }}

{%- set days_around = var('climate_days_around') %}

with

observations as (
    select * from {{ ref('stg_kma__past_observations') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

newest as (
    select max(logical_date) as logical_date
    from observations
),

-- The years of the newest load. Staging also has the first year of the loads before.
recent as (
    select observations.*
    from observations
    inner join newest on observations.logical_date = newest.logical_date
),

-- A single day of ten years says little about rain, so the days around it count too.
counted as (
    select
        recent.*,
        substring(cast(days.date_day as varchar(10)), 6, 5) as month_day
    from recent
    inner join days
        on
            days.date_day >= recent.observed_on - {{ days_around }}
            and days.date_day <= recent.observed_on + {{ days_around }}
),

-- Sums of decimals are exact, whatever the order of the rows. With 18 digits instead of the 38 of a
-- sum, Redshift keeps the decimals of the quotient.
summed as (
    select
        station_id,
        month_day,
        max(station_name) as station_name,
        count(*) as day_count,
        count(distinct extract(year from observed_on)) as year_count,
        cast(min(extract(year from observed_on)) as integer) as first_year,
        cast(max(extract(year from observed_on)) as integer) as last_year,
        {%- for column in [
            'low_temperature', 'high_temperature', 'mean_temperature', 'rain_mm', 'mean_wind',
            'mean_humidity'
        ] %}
            cast(sum(cast({{ column }} as numeric(10, 2))) as numeric(18, 6))
            / nullif(count({{ column }}), 0) as average_{{ column }},
        {%- endfor %}
        sum(case when rain_mm > 0 then 1 else 0 end) as rain_days,
        sum(case when new_snow_cm > 0 then 1 else 0 end) as snow_days
    from counted
    group by station_id, month_day
),

climate as (
    select
        station_id || '-' || month_day as climate_id,
        station_id,
        station_name,
        month_day,
        cast(round(average_low_temperature, 1) as double precision) as low_temperature,
        cast(round(average_high_temperature, 1) as double precision) as high_temperature,
        cast(round(average_mean_temperature, 1) as double precision) as mean_temperature,
        cast(round(100.0 * rain_days / day_count, 0) as integer) as rain_chance,
        cast(round(average_rain_mm, 1) as double precision) as rain_mm,
        cast(round(100.0 * snow_days / day_count, 0) as integer) as snow_chance,
        cast(round(average_mean_wind, 1) as double precision) as wind_ms,
        cast(round(average_mean_humidity, 0) as double precision) as humidity,
        cast(year_count as integer) as year_count,
        first_year,
        last_year
    from summed
)

select * from climate
