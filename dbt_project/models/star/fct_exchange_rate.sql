{#- Dist: about twenty rows a day, small for years, joined to facts in a currency. Sort: queries
    select the newest days. -#}
{{ config(dist='all', sort=['date_id', 'currency_code']) }}

with

rates as (
    select * from {{ ref('stg_exim__exchange_rates') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

newest as (
    select max(logical_date) as logical_date
    from rates
),

publications as (
    select distinct published_on
    from rates
),

-- Rates are valid until the next publication, whichever currencies it has. A currency that the bank
-- drops has no rate from then on.
spans as (
    select
        published_on,
        lead(published_on) over (
            order by published_on
        ) as next_on
    from publications
),

rated_days as (
    select
        days.date_id,
        days.date_day,
        spans.published_on
    from days
    cross join newest
    inner join spans
        on
            days.date_day >= spans.published_on
            and (days.date_day < spans.next_on or spans.next_on is null)
            -- The bank is never closed for longer than a week. A longer gap means missing loads.
            and days.date_day <= spans.published_on + 7
    where days.date_day <= newest.logical_date
),

daily as (
    select
        rates.currency_code,
        rated_days.date_id,
        rated_days.date_day as rate_on,
        rates.published_on,
        rated_days.date_day > rates.published_on as is_carried_over,
        rates.krw_per_unit,
        rates.buying_krw_per_unit,
        rates.selling_krw_per_unit
    from rated_days
    inner join rates on rated_days.published_on = rates.published_on
)

select * from daily
