{#- Dist: a few hundred rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='airport_code') }}

with

airports as (
    select * from {{ ref('dim_airport') }}
),

rates as (
    select * from {{ ref('fct_exchange_rate') }}
),

newest as (
    select max(rate_on) as rate_on
    from rates
),

newest_rates as (
    select rates.currency_code
    from rates
    inner join newest on rates.rate_on = newest.rate_on
),

-- The bank has no rate for some currencies, such as VND, TWD and PHP.
served as (
    select
        airports.airport_code,
        airports.source,
        {{ attribution('airports.source') }} as attribution,
        airports.city_code,
        airports.city_en,
        airports.city_ko,
        airports.country_code,
        airports.name_en,
        airports.name_ko,
        airports.country_en,
        airports.country_ko,
        airports.currency_code,
        newest_rates.currency_code is not null as has_rate,
        case when newest_rates.currency_code is not null then airports.rate_currency_code end
            as rate_currency_code,
        airports.longitude,
        airports.latitude,
        airports.is_served_from_incheon
    from airports
    left join newest_rates on airports.rate_currency_code = newest_rates.currency_code
)

select * from served
