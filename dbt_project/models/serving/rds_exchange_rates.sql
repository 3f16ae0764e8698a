{#- Dist: the rates of a month, under a thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort=['currency_code', 'rate_on']) }}

with

rates as (
    select * from {{ ref('fct_exchange_rate') }}
),

currencies as (
    select * from {{ ref('dim_currency') }}
),

newest as (
    select max(rate_on) as rate_on
    from rates
),

-- The newest day and the 30 before it.
served as (
    select
        rates.currency_code || '-' || cast(rates.rate_on as varchar(10)) as exchange_rate_id,
        rates.currency_code,
        rates.rate_on,
        'exim' as source,
        {{ attribution("'exim'") }} as attribution,
        currencies.name_en,
        currencies.name_ko,
        rates.krw_per_unit,
        rates.buying_krw_per_unit,
        rates.selling_krw_per_unit,
        rates.published_on,
        rates.is_carried_over,
        rates.rate_on = newest.rate_on as is_newest
    from rates
    inner join currencies on rates.currency_code = currencies.currency_code
    inner join newest on rates.rate_on >= newest.rate_on - 30
)

select * from served
