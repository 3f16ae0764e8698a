-- How fares to Seoul run over the weeks of departure, as seen on the newest day and a week earlier.
-- The API has no past fares, so the second line begins a week after the first run.

with

fares as (
    select * from {{ ref('fct_fare') }}
),

airports as (
    select * from {{ ref('dim_airport') }}
),

newest as (
    select max(seen_on) as seen_on
    from fares
),

seen as (
    select
        origins.city_code as origin_city_code,
        origins.city_en as origin_city,
        cast(date_trunc('week', fares.departs_at) as date) as departure_week,
        fares.price_krw,
        newest.seen_on,
        fares.seen_on = newest.seen_on as is_newest
    from fares
    inner join newest on fares.seen_on in (newest.seen_on, newest.seen_on - 7)
    inner join airports as origins on fares.origin_airport_code = origins.airport_code
    inner join airports as destinations
        on fares.destination_airport_code = destinations.airport_code
    where
        destinations.city_code = 'SEL'
        and not fares.is_one_way
),

by_week as (
    select
        origin_city_code,
        origin_city,
        departure_week,
        min(case when is_newest then price_krw end) as cheapest_krw,
        min(case when not is_newest then price_krw end) as cheapest_krw_week_before,
        sum(case when is_newest then 1 else 0 end) as fares_found,
        seen_on
    from seen
    group by origin_city_code, origin_city, departure_week, seen_on
)

select * from by_week
order by origin_city_code asc, departure_week asc
