{#- The price history grows by all fares of a day, every day. Staging forgets past days, so the
    model keeps them, and only computes days that were loaded since. A late day replaces only
    itself. Dist: the airports and airlines that it joins are on every node, so any even key will
    do. By fare, the history of a fare is on one node. Sort: by the day it was seen, which every
    query filters on. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='seen_on',
        on_schema_change='fail',
        pre_hook="{{ refuse_full_refresh('travelpayouts', 'fares') }}",
        post_hook="{{ delete_days_without_rows('travelpayouts', 'fares') }}",
        dist='fare_id',
        sort='seen_on',
    )
}}

with

fares as (
    select * from {{ ref('stg_travelpayouts__fares') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

new_fares as (
    {{ select_new_or_reloaded_days('fares') }}
),

-- A fare has one row per currency. They become one row with both prices and the first row's other
-- columns.
priced as (
    select
        *,
        max(case when currency_code = 'usd' then price end) over (
            partition by seen_on, fare_id
        ) as price_usd,
        max(case when currency_code = 'krw' then price end) over (
            partition by seen_on, fare_id
        ) as price_krw,
        row_number() over (
            partition by seen_on, fare_id
            order by currency_code
        ) as currency_rank
    from new_fares
),

keyed as (
    select
        priced.fare_id,
        seen_days.date_id as seen_date_id,
        departure_days.date_id as departure_date_id,
        return_days.date_id as return_date_id,
        priced.origin_airport_code,
        priced.destination_airport_code,
        priced.airline_code,
        priced.flight_number,
        priced.seen_on,
        priced.departs_at,
        priced.departs_offset,
        priced.returns_at,
        priced.returns_offset,
        priced.is_one_way,
        priced.price_usd,
        priced.price_krw,
        priced.transfers,
        priced.return_transfers,
        priced.duration_minutes,
        priced.outbound_minutes,
        priced.return_minutes,
        priced.seller,
        priced.search_url,
        priced.load_id
    from priced
    left join days as seen_days on priced.seen_on = seen_days.date_day
    left join days as departure_days
        on cast(priced.departs_at as date) = departure_days.date_day
    left join days as return_days
        on cast(priced.returns_at as date) = return_days.date_day
    where priced.currency_rank = 1
)

select * from keyed
