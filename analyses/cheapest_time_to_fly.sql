-- When to fly to Seoul: the cheapest round trip seen on the newest day, by city and month.

with

cheapest as (
    select * from {{ ref('freq_cheapest_fare') }}
),

airports as (
    select * from {{ ref('dim_airport') }}
),

cities as (
    select
        city_code,
        min(city_en) as city,
        min(country_en) as country
    from airports
    group by city_code
),

newest as (
    select max(seen_on) as seen_on
    from cheapest
),

months as (
    select
        cities.country,
        cheapest.origin_city_code,
        cities.city as origin_city,
        cheapest.departure_month,
        cheapest.cheapest_usd,
        cheapest.cheapest_krw,
        cheapest.fare_count as fares_found,
        rank() over (
            partition by cheapest.origin_city_code
            order by cheapest.cheapest_krw
        ) as month_rank,
        cheapest.seen_on
    from cheapest
    inner join newest on cheapest.seen_on = newest.seen_on
    left join cities on cheapest.origin_city_code = cities.city_code
    where
        cheapest.destination_city_code = 'SEL'
        and not cheapest.is_one_way
)

select * from months
order by origin_city_code asc, month_rank asc, departure_month asc
