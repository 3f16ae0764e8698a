{#- Queried often, over a history that grows every day, so only days that are new or recomputed in
    fct_fare are read. Dist: a few hundred rows a day, joined to tables that are on every node.
    Sort: by the day it was seen, which every query filters on. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='seen_on',
        on_schema_change='fail',
        post_hook="{{ delete_days_missing_upstream(ref('fct_fare')) }}",
        dist='even',
        sort='seen_on',
    )
}}

with

fares as (
    select * from {{ ref('fct_fare') }}
),

airports as (
    select * from {{ ref('dim_airport') }}
),

new_fares as (
    {{ select_new_or_reloaded_days('fares') }}
),

-- Round trips and one-way fares are separate, since their prices are not comparable.
routes as (
    select
        origins.city_code as origin_city_code,
        destinations.city_code as destination_city_code,
        cast(date_trunc('month', new_fares.departs_at) as date) as departure_month,
        new_fares.is_one_way,
        new_fares.fare_id,
        new_fares.seen_date_id,
        new_fares.seen_on,
        new_fares.price_usd,
        new_fares.price_krw,
        new_fares.load_id
    from new_fares
    inner join airports as origins on new_fares.origin_airport_code = origins.airport_code
    inner join airports as destinations
        on new_fares.destination_airport_code = destinations.airport_code
    where new_fares.price_usd is not null or new_fares.price_krw is not null
),

ranked as (
    select
        *,
        min(price_usd) over (
            partition by
                seen_on, origin_city_code, destination_city_code, departure_month, is_one_way
        ) as cheapest_usd,
        min(price_krw) over (
            partition by
                seen_on, origin_city_code, destination_city_code, departure_month, is_one_way
        ) as cheapest_krw,
        count(*) over (
            partition by
                seen_on, origin_city_code, destination_city_code, departure_month, is_one_way
        ) as fare_count,
        row_number() over (
            partition by
                seen_on, origin_city_code, destination_city_code, departure_month, is_one_way
            order by price_krw asc nulls last, price_usd asc nulls last, fare_id asc
        ) as price_rank
    from routes
),

cheapest as (
    select
        seen_date_id,
        origin_city_code,
        destination_city_code,
        departure_month,
        is_one_way,
        fare_id,
        seen_on,
        cheapest_usd,
        cheapest_krw,
        cast(fare_count as integer) as fare_count,
        load_id
    from ranked
    where price_rank = 1
)

select * from cheapest
