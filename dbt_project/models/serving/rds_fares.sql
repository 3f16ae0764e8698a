{#- Dist: the fares of one day, a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='fare_id') }}

with

fares as (
    select * from {{ ref('fct_fare') }}
),

airlines as (
    select * from {{ ref('dim_airline') }}
),

newest as (
    select max(seen_on) as seen_on
    from fares
),

-- Fares seen on the newest day whose flight does not depart before that day.
served as (
    select
        fares.fare_id,
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
        fares.price_usd,
        fares.price_krw,
        fares.transfers,
        fares.return_transfers,
        fares.outbound_minutes,
        fares.return_minutes,
        fares.seller,
        fares.search_url,
        fares.seen_on
    from fares
    inner join newest on fares.seen_on = newest.seen_on
    inner join airlines on fares.airline_code = airlines.airline_code
    where cast(fares.departs_at as date) >= newest.seen_on
)

select * from served
