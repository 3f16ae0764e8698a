-- How exchange rates moved: the rate of each currency on each day, and its change in a week.

with

rates as (
    select * from {{ ref('fct_exchange_rate') }}
),

currencies as (
    select * from {{ ref('dim_currency') }}
),

compared as (
    select
        rates.currency_code,
        currencies.name_en as currency,
        rates.rate_on,
        rates.krw_per_unit,
        rates.is_carried_over,
        round(
            cast(100.0 * (rates.krw_per_unit / week_before.krw_per_unit - 1) as numeric(10, 4)), 2
        ) as week_change_percent
    from rates
    inner join currencies on rates.currency_code = currencies.currency_code
    left join rates as week_before
        on
            rates.currency_code = week_before.currency_code
            and rates.rate_on = week_before.rate_on + 7
    where rates.currency_code <> 'KRW'
)

select * from compared
order by currency_code asc, rate_on asc
