{#- Dist: the fares of one day, a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='fare_id') }}

with

fares as (
    select * from {{ ref('fct_fare') }}
),

airlines as (
    select * from {{ ref('dim_airline') }}
),

airports as (
    select * from {{ ref('dim_airport') }}
),

rates as (
    select * from {{ ref('fct_exchange_rate') }}
),

newest as (
    select max(seen_on) as seen_on
    from fares
),

newest_rate_day as (
    select max(rate_on) as rate_on
    from rates
),

newest_rates as (
    select rates.*
    from rates
    inner join newest_rate_day on rates.rate_on = newest_rate_day.rate_on
),

-- Fares seen on the newest day whose flight does not depart before that day.
served as (
    select
        fares.fare_id,
        'travelpayouts' as source,
        {{ attribution("'travelpayouts'") }} as attribution,
        fares.origin_airport_code,
        fares.destination_airport_code,
        fares.airline_code,
        airlines.airline_name,
        fares.flight_number,
        fares.departs_at,
        fares.departs_offset,
        fares.returns_at,
        fares.returns_offset,
        fares.is_one_way,
        fares.transfers = 0 and coalesce(fares.return_transfers, 0) = 0 as is_direct,
        fares.price_usd,
        fares.price_krw,
        origins.currency_code,
        own_rates.currency_code is not null as has_rate,
        own_rates.rate_on,
        cast(
            coalesce(fares.price_krw, fares.price_usd * dollar_rates.krw_per_unit)
            / own_rates.krw_per_unit as numeric(14, 2)
        ) as price_in_currency,
        fares.transfers,
        fares.return_transfers,
        fares.outbound_minutes,
        fares.return_minutes,
        fares.seller,
        fares.search_url,
        {{ purchase_url('fares') }} as purchase_url,
        fares.seen_on
    from fares
    inner join newest on fares.seen_on = newest.seen_on
    inner join airports as origins on fares.origin_airport_code = origins.airport_code
    left join newest_rates as own_rates
        on origins.rate_currency_code = own_rates.currency_code
    left join newest_rates as dollar_rates on dollar_rates.currency_code = 'USD'
    inner join airlines on fares.airline_code = airlines.airline_code
    where cast(fares.departs_at as date) >= newest.seen_on
)

select * from served
